from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.rules.files.calendars import Calendars, shipped_calendars
from fenghuo.rules.files.load import read_rules
from fenghuo.rules.runtime.schedule import Calendar, Schedule, ScheduleSection, read_schedule

SHANGHAI = ZoneInfo("Asia/Shanghai")


def schedule(**keys):
    return read_schedule(ScheduleSection.model_validate(keys))


def shipped(name):
    calendars = shipped_calendars()
    return Schedule(Calendar(only=calendars[name].only, never=calendars[name].never), SHANGHAI, calendars)


def at(text, zone=SHANGHAI):
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-03-02T07:59:59", False),
        ("2026-03-02T08:00:00", True),
        ("2026-03-02T17:29:59", True),
        ("2026-03-02T17:30:00", False),
        ("2026-03-07T12:00:00", False),
    ],
)
def test_hours_of_some_days(when, is_open):
    assert schedule(only=[{"days": ["mon-fri"], "from": "08:00", "to": "17:30"}]).covers(at(when)) is is_open


def test_yaml_reads_a_time_without_quotes_as_a_number():
    keys = yaml.safe_load("only: [{days: fri-mon, from: 08:00, to: 17:30}]")
    found = schedule(**keys)
    assert [found.covers(at(f"2026-03-0{day}T17:29:00")) for day in range(1, 8)] == [
        True, True, False, False, False, True, True,
    ]  # fmt: skip


def test_dates_need_no_quotes_either():
    found = schedule(**yaml.safe_load("except: [{dates: [2026-06-07, 2026-06-09..2026-06-10]}]"))
    assert [found.covers(at(f"2026-06-{day:02}T12:00:00")) for day in range(6, 12)] == [
        True, False, True, False, False, True,
    ]  # fmt: skip


def test_a_span_of_every_year_may_go_over_its_end():
    found = schedule(only=[{"yearly": ["12-30..01-02", "02-29"]}])
    days = ["2025-12-29", "2025-12-30", "2026-01-02", "2026-01-03", "2028-02-29", "2028-02-28"]
    assert [found.covers(at(f"{day}T00:00:00")) for day in days] == [False, True, True, False, True, False]


def test_daylight_saving_neither_loses_nor_adds_an_hour_of_the_clock():
    """In Berlin 02:00 to 03:00 does not exist on 2026-03-29, and is there twice on 2026-10-25."""
    night = schedule(only=[{"from": "02:00", "to": "03:00"}], time_zone="Europe/Berlin")

    def minutes_open(day):
        start = round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) - 7200
        return sum(night.covers((start + minute * 60) * 1000) for minute in range(26 * 60))

    assert [minutes_open(day) for day in ("2026-03-28", "2026-03-29", "2026-10-25")] == [60, 0, 120]


@given(st.integers(0, 4_000_000_000_000), st.integers(0, 1439), st.integers(0, 1439))
def test_two_halves_of_a_day_make_it_whole(time, since, until):
    if since == until:
        return
    times = [f"{minute // 60:02}:{minute % 60:02}" for minute in (since, until)]
    one = schedule(only=[{"from": times[0], "to": times[1]}])
    other = schedule(only=[{"from": times[1], "to": times[0]}])
    assert one.covers(time) is not other.covers(time)


@pytest.mark.parametrize(
    ("day", "is_working"),
    [
        ("2025-01-26", True),  # a Sunday that makes up for the Spring Festival
        ("2025-01-28", False),
        ("2025-10-08", False),
        ("2025-10-09", True),
        ("2026-01-04", True),
        ("2026-02-14", True),
        ("2026-02-23", False),
        ("2026-02-28", True),
        ("2026-06-19", False),
        ("2026-09-20", True),
        ("2026-10-10", True),
        ("2026-10-11", False),
        ("2031-01-01", False),  # a year of which only the fixed dates are known
        ("2031-01-02", True),
    ],
)
def test_chinese_holidays_and_the_days_that_make_up_for_them(day, is_working):
    assert shipped("working-days-cn").covers(at(f"{day}T12:00:00")) is is_working


def test_each_announced_year_is_whole():
    """The State Council gave so many days off in each year, and so many days that make up for them."""
    working, holidays = shipped("working-days-cn"), shipped("public-holidays-cn")
    for year, off, made_up in ((2025, 28, 5), (2026, 33, 6)):
        days = [f"{year}-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
        days += [
            f"{year}-{month:02}-{day:02}" for month in range(1, 13) for day in (29, 30, 31) if _is_day(year, month, day)
        ]
        moments = [at(f"{day}T12:00:00") for day in days]
        assert sum(map(holidays.covers, moments)) == off
        weekend = [moment for moment in moments if datetime.fromtimestamp(moment / 1000, SHANGHAI).weekday() > 4]
        assert sum(map(working.covers, weekend)) == made_up


def _is_day(year, month, day):
    try:
        datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return False
    return True


def test_the_shipped_calendars_are_right():
    calendars = shipped_calendars()
    assert {"public-holidays-cn", "working-days-cn", "school-days", "school-hours", "exam-days"} <= set(calendars)
    for calendar in calendars.values():
        assert set(calendar.names) <= set(calendars)


RULE = {
    "title": "T",
    "id": "00000000-0000-4000-8000-000000000001",
    "name": "r",
    "kind": "match",
    "where": {"a": "b"},
}


def load(folder, *documents):
    (folder / "rules.yaml").write_text(yaml.safe_dump_all(documents, allow_unicode=True))
    return read_rules([folder])


def test_a_calendar_of_the_site_stands_in_for_a_shipped_one(tmp_path):
    own = {"calendar": "school-vacations", "only": [{"dates": "2026-03-02"}]}
    rules, problems = load(tmp_path, {**RULE, "schedule": {"only": "school-hours"}}, own)
    assert not problems
    (rule,) = rules.rules
    assert not rule.schedule.covers(at("2026-03-02T10:00:00"))
    assert rule.schedule.covers(at("2026-03-03T10:00:00"))
    assert rule.schedule.covers(at("2026-01-28T10:00:00"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "'only' or 'except' is missing"),
        ({"only": ["school-hour"]}, "no calendar is named 'school-hour'"),
        ({"only": [{}]}, "nothing is said"),
        ({"only": [{"from": "25:00"}]}, "'25:00' is no time of day"),
        ({"only": [{"from": "8 am"}]}, "no time of day"),
        ({"only": [{"from": "24:30"}]}, "no time of day"),
        ({"only": [{"from": "08:00", "to": "08:00"}]}, "are the same time"),
        ({"only": [{"days": ["mon-fry"]}]}, "'fry' is no day"),
        ({"only": [{"dates": ["2026-02-30"]}]}, "'2026-02-30' is no date"),
        ({"only": [{"dates": ["2026-03-02..2026-03-01"]}]}, "ends before it begins"),
        ({"only": [{"dates": ["2020-01-01..2030-01-01"]}]}, "longer than 800 days"),
        ({"only": [{"yearly": ["13-01"]}]}, "no month and day"),
        ({"only": [{"days": "mon"}], "time_zone": "Asia/Shanghia"}, "did you mean 'Asia/Shanghai'?"),
        ({"only": [{"days": "mon"}], "time_zone": "../../etc/passwd"}, "is no time zone"),
        ({"onyl": []}, "did you mean 'only'?"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path, keys, message):
    rules, problems = load(tmp_path, {**RULE, "schedule": keys})
    assert not rules.rules
    assert any(message in str(problem) for problem in problems), [str(problem) for problem in problems]
    assert all(problem.place.line > 1 for problem in problems)


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([{"calendar": "a", "only": ["b"]}, {"calendar": "b", "only": ["a"]}], "calendar 'a' speaks of itself"),
        ([{"calendar": "a", "only": ["nothing"]}], "no calendar is named 'nothing'"),
        ([{"calendar": "a", "only": [{"days": "mon"}]}] * 2, "calendar 'a' is taken"),
        ([{"calendar": "a"}], "'only' or 'except' is missing"),
        ([{"calendar": "a", "only": [{"days": "someday"}]}], "'someday' is no day"),
        ([{"calendar": "a", "days": "mon"}], "days"),
    ],
)
def test_a_calendar_that_makes_no_sense_is_refused(tmp_path, documents, message):
    _, problems = load(tmp_path, *documents)
    assert any(message in str(problem) for problem in problems), [str(problem) for problem in problems]


def test_calendars_that_speak_of_each_other_in_a_circle_hang_nothing(tmp_path):
    documents = [{"calendar": "a", "only": ["b"]}, {"calendar": "b", "only": ["a"]}]
    _, problems = load(tmp_path, {**RULE, "schedule": {"only": ["a"]}}, *documents)
    assert problems
    assert Calendars().check() == []


def test_a_rule_that_fires_may_end_outside_its_schedule(make, run):
    rule = make(kind="match", where={"event.action": "a"}, lasts="2m", schedule={"only": [{"to": "08:01"}]})
    engine = run(rule)
    start = engine.clock.now()
    assert datetime.fromtimestamp(start / 1000, SHANGHAI).hour == 8
    engine.event(0, event__action="a")
    engine.event(90, event__action="a")
    engine.advance(300)
    assert engine.told == [(0, "firing"), (120, "resolved")]
