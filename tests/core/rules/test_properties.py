"""Hold times, order of arrival and restarts against references that are slow and plain."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.model import Layout, Table

SETTLE = 10
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LABELS = {"device": "sw1"}

READINGS = st.lists(st.tuples(st.integers(1, 45), st.sampled_from([0, 5, 9, None])), min_size=1, max_size=25)
"""Seconds since the reading before, and its value: 9 is on, 5 is between, 0 is clear."""


def timeline(gaps):
    second, found = 0, []
    for gap, value in gaps:
        second += gap
        found.append((second, value))
    return found


def second_by_second(readings, fire, clear, stale, end):
    """What `condition: value > 7`, `clear: value < 3` with hold times should tell, one second after the other."""
    at = dict(readings)
    told, firing, since, clearing, heard = [], False, None, None, None
    for second in range(end + 1):
        # What was due without a reading, once a late reading had its chance.
        if not firing and since is not None:
            if since + fire <= heard + stale:
                if second >= since + fire + SETTLE:
                    told.append((since + fire, "firing"))
                    firing = True
            elif second >= heard + stale + SETTLE:
                since = None
        if (
            firing
            and clearing is not None
            and clearing + clear <= heard + stale
            and second >= clearing + clear + SETTLE
        ):
            told.append((clearing + clear, "resolved"))
            firing, since, clearing = False, None, None
        value = at.get(second)
        if value is None:
            continue
        gap = heard is not None and second - heard > stale
        heard = second if value == 9 or since is not None or firing else None
        if value == 9:
            clearing = None
            if not firing:
                since = second if since is None or gap else since
                if second - since >= fire:
                    told.append((since + fire, "firing"))
                    firing = True
        elif not firing:
            since = None
        elif value == 0:
            clearing = second if clearing is None or gap else clearing
            if second - clearing >= clear:
                told.append((clearing + clear, "resolved"))
                firing, since, clearing = False, None, None
        else:
            clearing = None
    return told


@SETTINGS
@given(READINGS, st.integers(0, 60), st.integers(0, 60), st.sampled_from([30, 900]), st.data())
def test_hold_times_agree_with_a_reference_however_often_time_is_told(make_rule, run, gaps, fire, clear, stale, data):
    readings = timeline(gaps)
    end = readings[-1][0] + 200
    rule = make_rule(
        data="x", condition="value > 7", clear=f"value < 3 for {clear}s", hold=f"{fire}s", stale=f"{stale}s"
    )
    on = run(rule)
    step = data.draw(st.sampled_from([1, 7, 1000]))
    ticks = dict.fromkeys(range(0, end, step))
    for second in sorted({*ticks, *(second for second, _ in readings)}):
        if second in ticks:
            on.advance(second)
        for _, value in [reading for reading in readings if reading[0] == second]:
            on.read(second, LABELS, x=value)
    on.advance(end)
    assert on.steps == second_by_second(readings, fire, clear, stale, end)


KEPT = {}


def rules_of_all_kinds(make_rule, lateness=0):
    if lateness not in KEPT:
        KEPT[lateness] = make_rules(make_rule, lateness)
    return KEPT[lateness]


def make_rules(make_rule, lateness):
    common = {"lateness": f"{lateness}s"}
    return [
        make_rule(
            name="t",
            data="x",
            condition="value > 7",
            clear="value < 3 for 15s",
            hold="20s",
            level={"low": "value > 7", "high": "y > 7"},
            **common,
        ),
        make_rule(
            name="r",
            kind="rate",
            data="y",
            condition="value > 0.1 or value < -0.1",
            flap={"changes": 4, "window": "2m", "hold": "1m"},
            **common,
        ),
        make_rule(
            name="c", kind="change", data="x", condition="value > previous", clear="value == 0", hold="10s", **common
        ),
        make_rule(name="l", kind="change", data="y", lasts="25s", **common),
        make_rule(name="a", kind="absence", data="x", hold="40s", **common),
    ]


ROWS = {"ifName": ["a", "b"]}
LAYOUT = Layout("test", LABELS, ROWS, ("x", "y"))
VALUES = st.sampled_from([0, 5, 9, None])
TABLES = st.lists(st.tuples(st.integers(1, 30), st.lists(VALUES, min_size=4, max_size=4)), min_size=1, max_size=20)


def play(on, tables, arrivals, restarts=(), step=5):
    """Tables arrive; the clock is told every `step` seconds; at the arrivals numbered in `restarts` all starts anew."""
    queue = sorted(zip(arrivals, range(len(tables)), strict=True))
    second = 0
    start = on.clock.now()
    for number, (arrival, index) in enumerate(queue):
        while second < arrival:
            on.advance(second)
            second += step
        on.advance(arrival)
        time, (a, b, c, d) = tables[index]
        on.table(Table(LAYOUT, start + time * 1000, [[a, b], [c, d]]))
        if number in restarts:
            on.restart()
    last = max(arrivals)
    for moment in range(last, last + 400, step):
        on.advance(moment)
    return sorted(
        (alert.time, alert.rule_name, alert.labels["ifName"], alert.state, alert.level, alert.value)
        for alert in on.alerts
    )


@SETTINGS
@given(TABLES, st.sets(st.integers(0, 19)))
def test_restarts_at_any_point_tell_the_same(make_rule, run, gaps, restarts):
    tables = timeline(gaps)
    arrivals = [time for time, _ in tables]
    plain = play(run(*rules_of_all_kinds(make_rule)), tables, arrivals)
    assert play(run(*without_rates(make_rule)), tables, arrivals, restarts) == [
        step for step in plain if step[1] != "r"
    ]


def without_rates(make_rule):
    """A rate needs the poll before, which is not kept over a restart: it comes one poll later."""
    return [rule for rule in rules_of_all_kinds(make_rule) if rule.name != "r"]


@SETTINGS
@given(TABLES, st.data())
def test_the_order_of_arrival_within_lateness_changes_nothing(make_rule, run, gaps, data):
    tables = timeline(gaps)
    times = [time for time, _ in tables]
    lateness = 40
    delays = data.draw(st.lists(st.integers(0, lateness - 1), min_size=len(times), max_size=len(times)))
    rules = rules_of_all_kinds(make_rule, lateness)
    in_order = play(run(*rules), tables, times)
    assert play(run(*rules), tables, [time + delay for time, delay in zip(times, delays, strict=True)]) == in_order


@SETTINGS
@given(TABLES, st.data())
def test_duplicates_and_late_tables_change_nothing_without_lateness(make_rule, run, gaps, data):
    tables = timeline(gaps)
    times = [time for time, _ in tables]
    again = data.draw(st.lists(st.tuples(st.integers(0, len(tables) - 1), st.integers(0, 60)), max_size=6))
    plain = play(run(*rules_of_all_kinds(make_rule)), tables, times)
    more = tables + [tables[index] for index, _ in again]
    arrivals = times + [max(times[index], min(times[index] + delay, times[-1])) for index, delay in again]
    assert play(run(*rules_of_all_kinds(make_rule)), more, arrivals) == plain


@SETTINGS
@given(TABLES)
def test_firing_is_what_was_told_and_not_taken_back(make_rule, run, gaps):
    tables = timeline(gaps)
    on = run(*rules_of_all_kinds(make_rule))
    play(on, tables, [time for time, _ in tables])
    last = {}
    for alert in on.alerts:
        assert alert.state != "resolved" or last[alert.fingerprint].state == "firing"
        last[alert.fingerprint] = alert
    expected = {key for key, alert in last.items() if alert.state == "firing"}
    assert {alert.fingerprint for alert in on.engine.firing()} == expected


@pytest.mark.parametrize("seed", range(3))
def test_memory_stays_bounded_under_a_flood_of_entities(make_rule, run, seed):
    chance = random.Random(seed)
    on = run(make_rule(data="x", condition="value > 5", hold="1m", limits={"groups": 100}))
    names = [f"d{number}" for number in range(5000)]
    for second in range(100):
        rows = chance.sample(names, 100)
        on.table(
            Table(
                Layout("test", LABELS, {"ifName": rows}, ("x",)),
                on.clock.now() + second * 1000,
                [[chance.randrange(10) for _ in rows]],
            )
        )
        assert on.engine.states[0].groups <= 100
    assert on.engine.states[0].evictions > 0
