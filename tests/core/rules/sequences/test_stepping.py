"""Steps in order and in any order against references that try every combination."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.rules.kinds.stepping import load_cell, start_cell
from fenghuo.rules.kinds.steps import Pattern, Step
from fenghuo.rules.language.boolean import parse_boolean
from fenghuo.rules.runtime.observe import Seen

SETTINGS = settings(max_examples=60, deadline=None)
EVENTS = st.lists(st.tuples(st.integers(0, 4), st.sets(st.integers(0, 3), min_size=1, max_size=2)), max_size=14)
"""Seconds since the event before, and the steps that it is of."""


def timeline(gaps):
    second, found = 0, []
    for number, (gap, steps) in enumerate(gaps):
        second += gap
        found.append((second * 1000, f"e{number}", tuple(sorted(steps))))
    return found


def feed(cell, events, *, steps, reload=None):
    """What a cell says: the ids of each match, with the event that completed it."""
    told = []
    for number, (time, id_, of) in enumerate(events):
        if number == reload:
            cell = reload_cell(cell)
        while cell.due is not None and cell.due < time:
            if measure := cell.lapse(cell.due):
                told.append(("timer", tuple(measure.events)))
        seen = Seen(time, id_, None, lambda _: None)
        measures = [cell.see(seen, selection) for selection in of if selection < steps]
        told += [(id_, tuple(measure.events)) for measure in measures if measure]
    while cell.due is not None:
        if measure := cell.lapse(cell.due):
            told.append(("timer", tuple(measure.events)))
    return told


def reload_cell(cell):
    return load_cell(cell._pattern, cell.save())


def ordered_matches(pattern, events, last):
    """All ways to make a match of these events that ends with the last of them, by trying every combination."""
    wanted = [number for number, step in enumerate(pattern.steps) if not step.forbidden for _ in range(step.count)]
    guards = pattern.guards
    found = []
    for chosen in itertools.combinations(range(last), len(wanted) - 1):
        places = (*chosen, last)
        if any(step not in events[place][2] for place, step in zip(places, wanted, strict=True)):
            continue
        if events[last][0] - events[places[0]][0] > pattern.within:
            continue
        between = zip(places, places[1:], guards, strict=False)
        if any(
            guards_of(events[middle][2]) & guard
            for before, after, guard in between
            for middle in range(before + 1, after + 1)
        ):
            continue
        found.append(places)
    return found


def guards_of(steps):
    return sum(1 << step for step in steps)


PATTERNS = [
    (Step("a"), Step("b")),
    (Step("a"), Step("b"), Step("c")),
    (Step("a", count=2), Step("b")),
    (Step("a"), Step("n", forbidden=True), Step("b")),
    (Step("a"), Step("b", count=2), Step("n", forbidden=True), Step("c")),
]


@pytest.mark.parametrize("steps", PATTERNS, ids=lambda steps: "-".join(step.name for step in steps))
@SETTINGS
@given(EVENTS, st.integers(1, 9), st.integers(0, 14))
def test_a_sequence_is_told_exactly_when_there_is_one_among_what_is_not_used_up(steps, gaps, within, reload):
    pattern = Pattern(steps, within * 1000)
    events = timeline(gaps)
    left, expected = [], []
    for event in events:
        left.append(event)
        matches = ordered_matches(pattern, left, len(left) - 1)
        if matches:
            places = max(matches, key=lambda places: left[places[0]][0])
            expected.append((event[1], left[places[0]][0]))
            told = feed(start_cell(pattern), events[: events.index(event) + 1], steps=len(steps))
            # Which of several as short ones it was is the cell's to say: go on from its choice.
            used = set(told[-1][1])
            assert told[-1][0] == event[1]
            assert all(id_ in {left_id for _, left_id, _ in left} for id_ in used)
            forbidden = {number for number, step in enumerate(steps) if step.forbidden}
            left = [(t, i, tuple(forbidden & set(of))) if i in used else (t, i, of) for t, i, of in left]
    times = {id_: time for time, id_, _ in events}
    told = feed(start_cell(pattern), events, steps=len(steps), reload=reload)
    assert [(id_, times[ids[0]]) for id_, ids in told] == expected


@SETTINGS
@given(EVENTS, st.integers(1, 9))
def test_what_is_told_is_a_match_and_nothing_counts_twice(gaps, within):
    steps = (Step("a"), Step("n", forbidden=True), Step("b", count=2), Step("c"))
    pattern = Pattern(steps, within * 1000)
    events = timeline(gaps)
    told = feed(start_cell(pattern), events, steps=len(steps))
    used = [id_ for _, ids in told for id_ in ids]
    assert len(used) == len(set(used))
    by_id = {id_: place for place, (_, id_, _) in enumerate(events)}
    for last, ids in told:
        assert ids[-1] == last
        assert tuple(by_id[id_] for id_ in ids) in ordered_matches(pattern, events, by_id[last])


@SETTINGS
@given(EVENTS, st.integers(1, 9))
def test_a_step_that_must_not_follow_is_waited_for(gaps, within):
    """Each `a` after which no `n` comes in time is told once its time is over, and no other."""
    pattern = Pattern((Step("a"), Step("n", forbidden=True)), within * 1000)
    events = timeline(gaps)
    expected = [
        id_
        for place, (time, id_, steps) in enumerate(events)
        if 0 in steps
        and not any(1 in after and later - time <= within * 1000 for later, _, after in events[place + 1 :])
    ]
    told = feed(start_cell(pattern), events, steps=2)
    assert [ids for _, ids in told] == [(id_,) for id_ in expected][: len(told)]
    # At most eight of a step are kept; fewer come here within a span.
    if max((sum(1 for t, _, s in events if 0 in s and 0 <= t - time <= 9000) for time, _, _ in events), default=0) <= 8:
        assert len(told) == len(expected)


def any_order(events, within, condition):
    """The ids that are told with each event, step after step, by looking at all of the window that is not used up."""
    told, left = [], []
    for time, id_, steps in events:
        used = set()
        for step in steps:
            if id_ in used:
                break
            left.append((time, id_, step))
            newest = {each: each_id for moment, each_id, each in left if moment >= time - within}
            if condition(set(newest)):
                used = set(newest.values())
                told.append((id_, used))
                left = [each for each in left if each[1] not in used]
    return told


@SETTINGS
@given(EVENTS, st.integers(1, 9))
def test_steps_in_any_order_are_told_when_all_are_there(gaps, within):
    pattern = Pattern((Step("a"), Step("b"), Step("c")), within * 1000, ordered=False)
    events = [(time, id_, tuple(step for step in steps if step < 3)) for time, id_, steps in timeline(gaps)]
    told = feed(start_cell(pattern), events, steps=3)
    expected = any_order(events, within * 1000, lambda seen: len(seen) == 3)
    assert [(id_, set(ids)) for id_, ids in told] == expected


@SETTINGS
@given(EVENTS, st.integers(1, 9))
def test_a_condition_over_steps_decides_which_must_be_there(gaps, within):
    condition = parse_boolean("a and (b or c)", ["a", "b", "c"])
    pattern = Pattern((Step("a"), Step("b"), Step("c")), within * 1000, ordered=False, condition=condition)
    events = [(time, id_, tuple(step for step in steps if step < 3)) for time, id_, steps in timeline(gaps)]
    told = feed(start_cell(pattern), events, steps=3)
    expected = any_order(events, within * 1000, lambda seen: 0 in seen and len(seen) > 1)
    assert [(id_, set(ids)) for id_, ids in told] == expected


@pytest.mark.parametrize("ordered", [True, False])
@SETTINGS
@given(st.permutations(range(6)), st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_the_order_of_arrival_does_not_matter_until_something_is_told(ordered, order, steps):
    """Of events within ten seconds the last one to arrive completes a match, wherever it belongs, if there is one."""
    pattern = Pattern((Step("a"), Step("b"), Step("c")), 60_000, ordered=ordered)
    events = [(number * 1000, f"e{number}", (step,)) for number, step in enumerate(steps)]
    in_order = feed(start_cell(pattern), events, steps=3)
    cell = start_cell(pattern)
    told = []
    for number in order:
        time, id_, of = events[number]
        if measure := cell.see(Seen(time, id_, None, lambda _: None), of[0]):
            told.append(measure)
    assert bool(told) == bool(in_order)


def test_memory_is_bounded_and_what_is_given_up_is_counted():
    pattern = Pattern((Step("a"), Step("b", count=10), Step("c")), 3_600_000)
    cell = start_cell(pattern)
    for number in range(1000):
        cell.see(Seen(number, f"e{number}", None, lambda _: None), 0)
    assert len(cell._log) == 8
    assert cell.given_up == 992
    for number in range(1000, 1100):
        cell.see(Seen(number, f"e{number}", None, lambda _: None), 1)
    assert len(cell._log) == 8 + 20
    measure = cell.see(Seen(2000, "last", None, lambda _: None), 2)
    assert measure.events == ["e999", *(f"e{number}" for number in range(1090, 1100)), "last"]


def test_events_that_come_too_late_are_counted():
    cell = start_cell(Pattern((Step("a"), Step("b")), 10_000))
    cell.see(Seen(60_000, "e1", None, lambda _: None), 0)
    assert cell.see(Seen(49_999, "e2", None, lambda _: None), 0) is None
    assert cell.late == 1


def test_an_event_that_arrives_twice_counts_once():
    cell = start_cell(Pattern((Step("a", count=2),), 10_000))
    seen = Seen(0, "e1", None, lambda _: None)
    assert cell.see(seen, 0) is None
    assert cell.see(seen, 0) is None
    assert cell.see(Seen(1, "e2", None, lambda _: None), 0) is not None


def test_a_group_without_a_first_step_is_soon_forgotten():
    cell = start_cell(Pattern((Step("a"), Step("b")), 3_600_000))
    cell.see(Seen(0, "e1", None, lambda _: None), 1)
    cell.lapse(cell.due)
    assert cell.is_empty
    assert cell.due is None


def test_a_step_may_have_a_span_of_its_own():
    pattern = Pattern((Step("a"), Step("b", within=2_000), Step("n", forbidden=True, within=5_000)), 60_000)
    events = [(0, "e1", (0,)), (3_000, "e2", (1,)), (10_000, "e3", (0,)), (12_000, "e4", (1,)), (17_001, "e5", (2,))]
    assert feed(start_cell(pattern), events, steps=3) == [("timer", ("e3", "e4"))]


def test_a_reset_begins_anew():
    pattern = Pattern((Step("a"), Step("b"), Step("until", resets=True)), 60_000)
    events = [(0, "e1", (0,)), (1_000, "e2", (2,)), (2_000, "e3", (1,)), (3_000, "e4", (0,)), (4_000, "e5", (1,))]
    assert feed(start_cell(pattern), events, steps=3) == [("e5", ("e4", "e5"))]


@pytest.mark.parametrize("saved", [None, [], {}, {"steps": 3}, {"steps": 2, "newest": 0, "late": 0, "given_up": 0}])
def test_a_saved_state_of_something_else_is_refused(saved):
    with pytest.raises((ValueError, TypeError, KeyError)):
        load_cell(Pattern((Step("a"), Step("b")), 1000), saved)
