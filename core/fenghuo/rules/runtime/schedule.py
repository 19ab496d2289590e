"""When a rule may begin to fire: times of day, days, dates and named calendars, on the clock of the school's time zone.

Only local wall time is compared, and it is derived from the instant: so an hour that daylight saving leaves out never
comes, and one that comes twice counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, StringConstraints

from fenghuo.config import Section
from fenghuo.config.words import allow
from fenghuo.rules.files.shorthand import OneOrMany, Or

MINUTE_MS = 60_000
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 1440
_TIME = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
_YEARLY = re.compile(r"(\d\d)-(\d\d)")
_MAX_SPAN_DAYS = 800


def _as_time(value: Any) -> Any:
    """YAML 1.1 reads 17:30 without quotes as a number to the base of 60: as the minutes since midnight."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _DAY_MINUTES:
        return f"{value // 60:02}:{value % 60:02}"
    return value


def _as_texts(value: Any) -> Any:
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [item.isoformat() if isinstance(item, date) else item for item in items]


def _as_entries(value: Any) -> Any:
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    return [{"calendar": item} if isinstance(item, str) else item for item in items]


CalendarName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
_Text = Annotated[str, StringConstraints(max_length=60)]
_Texts = Annotated[list[_Text], BeforeValidator(_as_texts), Field(max_length=1_000), OneOrMany()]
_Time = Annotated[_Text, BeforeValidator(_as_time), Or(type="integer", minimum=0, maximum=_DAY_MINUTES)]


class WindowSection(Section):
    """A part of time. All that is said of it must hold."""

    calendar: CalendarName | None = Field(default=None, description="When this calendar says so.")
    days: _Texts = Field(default=[], description="Days of the week: `mon`, `mon-fri`.")
    dates: _Texts = Field(default=[], description="Dates: `2026-06-07`, `2026-06-07..2026-06-08`.")
    yearly: _Texts = Field(default=[], description="Dates of every year: `06-07`, `07-16..08-31`.")
    since: _Time | None = Field(default=None, alias="from", description="The time of day from which on, e.g. `08:00`.")
    until: _Time | None = Field(
        default=None,
        alias="to",
        description="The time of day before which; one before `from` is on the next day, and the night belongs to the day it began.",
    )


Entry = Annotated[WindowSection, Or(type="string")]
Entries = Annotated[list[Entry], BeforeValidator(_as_entries), Field(max_length=100), OneOrMany()]


class ScheduleSection(Section):
    """When a rule may begin to fire. What fires already may end at any time."""

    only: Entries = Field(default=[], description="Names of calendars, or parts of time: one of them must hold.")
    never: Entries = Field(default=[], alias="except", description="And none of these.")
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=60)] = Field(
        default="Asia/Shanghai", description="The time zone, by its name in the IANA database."
    )


class CalendarSection(Section):
    """A named calendar: a document with `calendar:` among the rules. One of a site stands in for a shipped one."""

    calendar: CalendarName = Field(description="Its name.")
    title: Annotated[str, StringConstraints(max_length=200)] = Field(default="", description="What it says.")
    title_zh: Annotated[str, StringConstraints(max_length=200)] = Field(default="", description="The same in Chinese.")
    description: Annotated[str, StringConstraints(max_length=8_000)] = Field(
        default="", description="Where it is from."
    )
    only: Entries = Field(default=[], description="One of them must hold.")
    never: Entries = Field(default=[], alias="except", description="And none of these.")


@dataclass(frozen=True, slots=True)
class Window:
    """A part of time, read. `days`, `dates`, `yearly` None: any. Times in minutes since midnight."""

    calendar: str | None
    days: frozenset[int] | None
    dates: frozenset[date] | None
    yearly: frozenset[tuple[int, int]] | None
    since: int
    until: int

    def covers(self, day: date, minute: int, calendars: Mapping[str, Calendar]) -> bool:
        if self.since < self.until:
            return self.since <= minute < self.until and self._is_day(day, minute, calendars)
        if minute >= self.since:
            return self._is_day(day, minute, calendars)
        return minute < self.until and self._is_day(day - timedelta(days=1), _DAY_MINUTES - 1, calendars)

    def _is_day(self, day: date, minute: int, calendars: Mapping[str, Calendar]) -> bool:
        return (
            (self.days is None or day.weekday() in self.days)
            and (self.dates is None or day in self.dates)
            and (self.yearly is None or (day.month, day.day) in self.yearly)
            and (self.calendar is None or calendars[self.calendar].covers(day, minute, calendars))
        )


@dataclass(frozen=True, slots=True)
class Calendar:
    """Parts of time of which one must hold (all time where there is none), and those of which none must."""

    only: tuple[Window, ...] = ()
    never: tuple[Window, ...] = ()

    def covers(self, day: date, minute: int, calendars: Mapping[str, Calendar]) -> bool:
        """Whether this minute since midnight of a day is in it."""
        if self.only and not any(window.covers(day, minute, calendars) for window in self.only):
            return False
        return not any(window.covers(day, minute, calendars) for window in self.never)

    @property
    def names(self) -> tuple[str, ...]:
        """The calendars that it speaks of."""
        return tuple(dict.fromkeys(window.calendar for window in (*self.only, *self.never) if window.calendar))


@dataclass(slots=True)
class Schedule:
    """The schedule of a rule. The answer for a minute is remembered: most questions are about the same one."""

    calendar: Calendar
    zone: tzinfo
    calendars: Mapping[str, Calendar] = field(default_factory=dict[str, Calendar])
    _minute: int = -1
    _is_open: bool = False

    def covers(self, time: int) -> bool:
        """Whether a rule may begin to fire at `time`, Unix milliseconds."""
        minute = time // MINUTE_MS
        if minute != self._minute:
            local = datetime.fromtimestamp(minute * 60, self.zone)
            self._is_open = self.calendar.covers(local.date(), local.hour * 60 + local.minute, self.calendars)
            self._minute = minute
        return self._is_open


def read_schedule(section: ScheduleSection) -> Schedule:
    """The schedule of its keys; ValueError where one is wrong. The calendars that it names are to be given to it."""
    if not section.only and not section.never:
        raise ValueError("'only' or 'except' is missing; without one the rule may always fire")
    return Schedule(read_calendar(section.only, section.never), find_zone(section.time_zone))


def find_zone(name: str) -> tzinfo:
    """A time zone; ValueError where there is none of this name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones  # noqa: PLC0415 — for such rules only

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        if not known:
            raise ValueError("this system has no time zones: install the package tzdata") from None
        raise ValueError(" ".join(f"{name[:60]!r} is no time zone; {allow(name, known)}".split())) from None


def read_calendar(only: Iterable[WindowSection], never: Iterable[WindowSection]) -> Calendar:
    """A calendar of its keys; ValueError where one is wrong."""
    return Calendar(tuple(map(_window, only)), tuple(map(_window, never)))


def _window(section: WindowSection) -> Window:
    if section == WindowSection():
        raise ValueError("a part of time of which nothing is said; say 'days', 'dates', 'from' and 'to', or 'calendar'")
    since, until = _minutes(section.since, 0), _minutes(section.until, _DAY_MINUTES)
    if since == until:
        raise ValueError("'from' and 'to' are the same time; leave both out for the whole day")
    return Window(
        calendar=section.calendar,
        days=_days(section.days) if section.days else None,
        dates=_dates(section.dates) if section.dates else None,
        yearly=_yearly(section.yearly) if section.yearly else None,
        since=since,
        until=until,
    )


def _minutes(text: str | None, otherwise: int) -> int:
    if text is None:
        return otherwise
    match = _TIME.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else _DAY_MINUTES + 1
    if minutes > _DAY_MINUTES:
        raise ValueError(f"{text!r} is no time of day; write e.g. '08:00'")
    return minutes


def _days(texts: Sequence[str]) -> frozenset[int]:
    found: set[int] = set()
    for text in texts:
        first, dash, last = text.strip().lower().partition("-")
        for name in (first, last) if dash else (first,):
            if name not in DAYS:
                raise ValueError(f"{name!r} is no day; {allow(name, DAYS)}")
        start = DAYS.index(first)
        length = (DAYS.index(last) - start) % 7 + 1 if dash else 1
        found |= {(start + number) % 7 for number in range(length)}
    return frozenset(found)


def _dates(texts: Sequence[str]) -> frozenset[date]:
    found: set[date] = set()
    for text in texts:
        first, dots, last = (part.strip() for part in text.partition(".."))
        found |= _span(text, _date(first), _date(last) if dots else _date(first))
    return frozenset(found)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date; write e.g. 2026-06-07, or 2026-06-07..2026-06-08") from None


def _yearly(texts: Sequence[str]) -> frozenset[tuple[int, int]]:
    """Months and days; a span may go over the end of the year."""
    found: set[tuple[int, int]] = set()
    for text in texts:
        first, dots, last = (part.strip() for part in text.partition(".."))
        start = _in_year(2000, first)
        end = _in_year(2000, last) if dots else start
        if end < start:
            end = _in_year(2001, last)
        found |= {(day.month, day.day) for day in _span(text, start, end)}
    return frozenset(found)


def _in_year(year: int, text: str) -> date:
    match = _YEARLY.fullmatch(text)
    try:
        return date(year, int(match[1]), int(match[2])) if match else date(year, 13, 1)
    except ValueError:
        raise ValueError(f"{text!r} is no month and day; write e.g. '06-07', or '07-16..08-31'") from None


def _span(text: str, first: date, last: date) -> set[date]:
    length = (last - first).days + 1
    if length < 1:
        raise ValueError(f"{text!r} ends before it begins")
    if length > _MAX_SPAN_DAYS:
        raise ValueError(f"{text!r} is longer than {_MAX_SPAN_DAYS} days; use 'yearly' or 'days'")
    return {first + timedelta(days=number) for number in range(length)}
