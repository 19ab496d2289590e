"""`cardinality` against a reference that counts the different values anew at every moment."""

from __future__ import annotations

import itertools
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.rules.kinds.cardinality import CardinalityBody
from fenghuo.rules.kinds.windows.distinct import Distinct
from fenghuo.rules.language.expression import parse_condition
from fenghuo.rules.runtime.observe import Seen

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
EVENTS = st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["a", "b", "c", "d", 5])), min_size=1, max_size=40)


@SETTINGS
@given(
    EVENTS, st.integers(1, 40), st.sampled_from(["value >= 3", "value == 2", "value > 3"]), st.integers(0, 9), st.data()
)
def test_alerts_are_those_of_a_count_made_anew(make_rule, play, reference, items, window, condition, clear, data):
    times = list(itertools.accumulate(gap for gap, _ in items))
    rule = make_rule(
        kind="cardinality",
        dataset="test",
        field="user.name",
        window=f"{window}s",
        condition=condition,
        clear=f"for {clear}s",
    )
    pairs = [(t, value) for t, (_, value) in zip(times, items, strict=True)]
    played = play(
        rule,
        [(t, {"user__name": value}) for t, value in pairs],
        tell=data.draw(st.sets(st.sampled_from(times))),
        restart_after=data.draw(st.sets(st.integers(0, len(times) - 1), max_size=2)),
    )
    assert played.steps == reference(pairs, window, lambda held: eval(condition, {"value": len(set(held))})).steps(
        0, clear
    )


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(1, 80), st.sampled_from("abcdefgh")), min_size=1, max_size=80), st.integers(1, 30)
)
def test_what_comes_late_counts_where_it_belongs(items, window):
    body = CardinalityBody(condition=parse_condition("value >= 1"), window=window, fields=("x",))
    cell, held, now = body.start(), [], 0
    for number, (time, value) in enumerate(items):
        now = max(now, time)
        measure = cell.see(Seen(time, f"e{number:05}", None, {"x": value}.get), 0)
        if time <= now - window:
            assert measure is None
            continue
        held.append((time, f"e{number:05}", value))
        newest = {value: (t, id_) for t, id_, value in sorted(held) if t > now - window}
        assert measure.value == len(newest)
        assert list(measure.events) == [id_ for _, id_ in sorted(newest.values())]
        assert cell.due <= min(t for t, _ in newest.values()) + window or measure.value > 1


@SETTINGS
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 15)), min_size=1, max_size=120), st.integers(1, 20), st.data()
)
def test_a_bounded_set_holds_the_values_observed_last(items, most, data):
    distinct, known = Distinct(), {}
    for time, value in items:
        distinct.add(str(value), time, "")
        known[str(value)] = max(time, known.get(str(value), 0))
        if data.draw(st.booleans()):
            edge = data.draw(st.integers(0, 60))
            distinct.leave(edge)
            known = {value: time for value, time in known.items() if time > edge}
        assert {value: time for value, (time, _) in distinct.order.items()} == known
    given_up = distinct.crop(most)
    assert given_up == max(0, len(known) - most)
    left = sorted(time for time, _ in distinct.order.values())
    assert left == sorted(known.values())[-most:] if known else left == []
    assert Distinct.load(distinct.save()).order == distinct.order


def test_silence_about_many_values_is_told_of_a_group_that_was_seen_for_a_window(make_rule, play):
    rule = make_rule(kind="cardinality", dataset="test", field="host.name", window="10s", condition="value < 2")
    one = play(rule, [(t, {"host__name": "ab"[t % 2 if t < 20 else 0]}) for t in range(40)], end=39)
    assert one.steps == [(29, "firing")]


def test_beyond_its_limit_a_group_is_told_as_large_and_what_was_given_up_is_counted(make_rule, play):
    rule = make_rule(
        kind="cardinality",
        dataset="test",
        field="dns.question.name",
        window="1m",
        condition="value >= 20",
        limits={"values": 20},
    )
    one = play(rule, [(t / 10, {"dns__question__name": f"{t}.example"}) for t in range(100)], end=500)
    assert one.steps == [(1.9, "firing"), (68, "resolved")]
    assert one.engine.states[0].given_up == 80


def test_several_fields_are_counted_as_combinations_and_lists_as_their_values(make_rule, play):
    rule = make_rule(
        kind="cardinality",
        dataset="test",
        field=["destination.ip", "destination.port"],
        window="1m",
        condition="value >= 3",
        message="{value:.0f}: {newest}",
    )
    events = [
        (0, {"destination__ip": "10.0.0.1", "destination__port": 22}),
        (1, {"destination__ip": "10.0.0.1", "destination__port": "22"}),
        (2, {"destination__ip": "10.0.0.1"}),
        (3, {"destination__ip": ["10.0.0.1", "10.0.0.2"], "destination__port": [22, 80]}),
    ]
    one = play(rule, events, end=10)
    assert one.steps == [(3, "firing")]
    assert one.alerts[0].message == "4: 10.0.0.2 / 80, 10.0.0.2 / 22, 10.0.0.1 / 80, 10.0.0.1 / 22"


def test_disorder_costs_no_more_than_order():
    chance = random.Random(7)
    distinct = Distinct()
    for number in range(20_000):
        time = number - chance.randrange(500)
        distinct.add(str(chance.randrange(5_000)), time, "")
        distinct.leave(number - 2_000)
    assert all(time > 19_999 - 2_000 for time, _ in distinct.order.values())
    assert len(distinct.late) <= 2 * len(distinct.order) + 16
