"""Named calendars: those of a set of rules, and the shipped ones behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fenghuo.config.words import allow
from fenghuo.errors import Place, Problem
from fenghuo.packs import packs_path
from fenghuo.rules.runtime.schedule import Calendar, CalendarSection, Schedule, read_calendar

if TYPE_CHECKING:
    from fenghuo.rules.files.parse import Source
    from fenghuo.rules.rule import Rule

FOLDER = "calendars"
"""Where the shipped ones are, below the shipped rules."""


@dataclass(frozen=True, slots=True)
class Named:
    """A calendar, its name, and where it is said."""

    name: str
    calendar: Calendar
    place: Place


def parse_calendar(source: Source) -> Named | list[Problem]:
    """The calendar of a document, or what is wrong with it."""
    section, problems = source.validated(CalendarSection)
    if section is None:
        return problems
    found: dict[str, Calendar] = {}
    for key, entries in (("only", section.only), ("except", section.never)):
        try:
            found[key] = read_calendar(entries, ())
        except ValueError as error:
            problems.append(Problem(source.place(key), f"{key}: {error}"))
    if not section.only and not section.never:
        problems.append(Problem(source.start, "'only' or 'except' is missing", "a calendar says when it is so"))
    if problems:
        return problems
    return Named(section.calendar, Calendar(found["only"].only, found["except"].only), source.start)


def shipped_calendars() -> dict[str, Calendar]:
    """The calendars that come with the shipped rules."""
    from fenghuo.rules.files.documents import find_files, read_texts  # noqa: PLC0415 — only where a rule has a schedule
    from fenghuo.rules.files.lists import Lists  # noqa: PLC0415
    from fenghuo.rules.files.parse import parse_document  # noqa: PLC0415

    folder = packs_path() / FOLDER
    texts = [text for file in find_files([folder], []) for text in read_texts(file, [])] if folder.is_dir() else []
    parsed = (parse_document(text.content, Lists().at(folder)).calendar for text in texts)
    return {each.name: each.calendar for each in parsed if each is not None}


class Calendars:
    """The calendars of a set, and behind them the shipped ones, which are read once somebody asks."""

    def __init__(self, own: Iterable[Named] = ()) -> None:
        self._all: dict[str, Calendar] = {}
        self._own = list(own)

    def _read(self) -> Mapping[str, Calendar]:
        if not self._all:
            self._all = shipped_calendars()
            for named in self._own:
                self._all[named.name] = named.calendar
        return self._all

    def check(self) -> list[Problem]:
        """What is wrong with the set's own: a name twice, one that is not known, a circle."""
        problems: list[Problem] = []
        places: dict[str, Place] = {}
        for named in self._own:
            if named.name in places:
                first = places[named.name]
                problems.append(Problem(named.place, f"calendar {named.name!r} is taken", f"by the one at {first}"))
            places.setdefault(named.name, named.place)
            known = self._read()
            problems += [
                Problem(named.place, f"no calendar is named {name!r}", allow(name, known))
                for name in named.calendar.names
                if name not in known
            ]
            if not problems and named.name in self._reached(named.calendar.names):
                problems.append(Problem(named.place, f"calendar {named.name!r} speaks of itself"))
        return problems

    def unknown(self, schedule: Schedule) -> list[tuple[str, str]]:
        """The names in a schedule that are no calendar, each with a hint."""
        names = schedule.calendar.names
        return [(name, allow(name, self._read())) for name in names if name not in self._read()]

    def bind(self, rule: Rule) -> Rule:
        """A rule whose schedule knows the calendars that it names."""
        if rule.schedule is None or not rule.schedule.calendar.names:
            return rule
        known = self._read()
        names = self._reached(rule.schedule.calendar.names)
        calendars = {name: known[name] for name in names if name in known}
        return replace(rule, schedule=Schedule(rule.schedule.calendar, rule.schedule.zone, calendars))

    def _reached(self, names: Iterable[str]) -> set[str]:
        """These calendars and all that they speak of."""
        known, found, waiting = self._read(), set[str](), list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += known[name].names if name in known else ()
        return found
