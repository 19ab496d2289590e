from __future__ import annotations

import random

import pytest

from fenghuo.rules.kinds.regularity import regularity


def beacon(rng, count, *, period=60.0, jitter=0.0, missed=0.0):
    """Times in milliseconds of contacts that come every `period` seconds, more or less, some of them not."""
    time, times = 0.0, [0]
    while len(times) < count:
        time += period * (1 + rng.uniform(-jitter, jitter))
        if rng.random() >= missed:
            times.append(round(time * 1000))
    return times


def chance(rng, count, draw):
    times = [0]
    while len(times) < count:
        times.append(times[-1] + max(1, round(draw(rng) * 60_000)))
    return times


def looks_regular(times, limit=0.15):
    found = regularity(times)
    return found.jitter <= limit and found.tail <= 2 * limit and found.presence >= 0.5


def share(make_times, tries=400):
    rng = random.Random(7)
    return sum(looks_regular(make_times(rng)) for _ in range(tries)) / tries


@pytest.mark.parametrize("options", [{}, {"jitter": 0.1}, {"jitter": 0.15, "missed": 0.2}, {"missed": 0.3}], ids=str)
def test_beacons_look_regular(options):
    assert share(lambda rng: beacon(rng, 24, **options)) > 0.95


@pytest.mark.parametrize(
    "draw",
    [lambda rng: rng.expovariate(1), lambda rng: rng.lognormvariate(0, 1.5), lambda rng: rng.uniform(0, 2)],
    ids=["exponential", "lognormal", "uniform"],
)
def test_contacts_by_chance_do_not(draw):
    assert share(lambda rng: chance(rng, 24, draw)) < 0.005


def test_a_few_contacts_of_a_person_between_do_not_hide_a_beacon():
    def mixed(rng):
        times = beacon(rng, 40, jitter=0.05)
        return sorted([*times, *(rng.randrange(times[-1]) for _ in range(2))])

    assert share(mixed) > 0.95


@pytest.mark.parametrize("missed", [0.0, 0.3, 0.45])
def test_the_period_is_found_although_beats_are_missed(missed):
    found = regularity(beacon(random.Random(1), 40, jitter=0.05, missed=missed))
    assert found.period == pytest.approx(60_000, rel=0.03)
    assert found.presence == pytest.approx(1 - missed, abs=0.15)


def test_a_clock_scores_one_and_chance_little():
    rng = random.Random(3)
    assert regularity(beacon(rng, 20)).score == pytest.approx(1)
    assert regularity(chance(rng, 40, lambda rng: rng.expovariate(1))).score < 0.5


def test_a_long_pause_does_not_count():
    times = beacon(random.Random(1), 12)
    assert regularity([*times, *(time + times[-1] + 36_000_000 for time in times)]).jitter == 0


@pytest.mark.parametrize("times", [[], [1], [1, 2], [5, 5, 5, 5]])
def test_too_few_contacts_say_nothing(times):
    assert regularity(times) is None


@pytest.fixture
def rule(make):
    def rule(**keys):
        whole = {"kind": "beacon", "where": {"event.action": "call"}, "group_by": ["source.ip"], "count": 10, **keys}
        return make(**whole)

    return rule


def call(engine, times, source="10.0.0.1", **more):
    for time in times:
        engine.event(time / 1000, event__action="call", source__ip=source, **more)


def test_the_contact_that_makes_the_number_full_is_told(rule, run):
    engine = run(rule())
    call(engine, beacon(random.Random(1), 9))
    assert engine.told == []
    call(engine, [540_000])
    assert engine.told == [(540, "firing")]
    assert engine.alerts[0].value == pytest.approx(1)
    assert engine.alerts[0].evidence["values"]["period"] == 60


def test_more_of_one_contact_is_one_contact(rule, run):
    engine = run(rule())
    call(engine, sorted(time + more for time in beacon(random.Random(1), 10) for more in (0, 300, 4000)))
    assert engine.told == [(540, "firing")]


def test_it_is_over_when_contacts_stay_away_or_become_irregular(rule, run):
    engine = run(rule())
    call(engine, beacon(random.Random(1), 12))
    engine.advance(2000)
    assert engine.told == [(540, "firing"), (660 + 240, "resolved")]
    rng = random.Random(5)
    engine = run(rule())
    times = beacon(rng, 12)
    call(engine, times + [times[-1] + time for time in chance(rng, 30, lambda rng: rng.expovariate(1))[1:]])
    assert [state for _, state in engine.told][:2] == ["firing", "resolved"]


def test_periods_out_of_bounds_do_not_count(rule, run):
    engine = run(rule(period={"min": "10s", "max": "50s"}))
    call(engine, beacon(random.Random(1), 30))
    assert engine.told == []


def test_sizes_may_have_to_be_regular_too(rule, run):
    engine = run(rule(size="source.bytes"))
    for number, time in enumerate(beacon(random.Random(1), 20)):
        call(engine, [time], source__bytes=100 + number % 2)
        call(engine, [time], source="10.0.0.2", source__bytes=100 * (1 + number % 5))
    assert {alert.labels["source_ip"] for alert in engine.alerts} == {"10.0.0.1"}


def test_a_condition_may_speak_of_the_score(rule, run):
    engine = run(rule(condition="value > 0.9 and period >= 60"))
    rng = random.Random(2)
    call(engine, beacon(rng, 10, jitter=0.15))
    assert engine.told == []
    engine = run(rule(condition="value > 0.9 and period >= 60"))
    call(engine, beacon(rng, 10, jitter=0.01, period=61))
    assert [state for _, state in engine.told] == ["firing"]


def test_a_restart_forgets_nothing(rule, run):
    engine = run(rule())
    for time in beacon(random.Random(1), 10):
        engine.restart()
        call(engine, [time])
    engine.restart()
    engine.advance(5000)
    assert engine.told == [(540, "firing"), (780, "resolved")]


def test_a_late_contact_counts_where_it_belongs(rule, run):
    engine = run(rule())
    call(engine, [0, 120_000, 60_000, *range(180_000, 541_000, 60_000)])
    assert engine.told == [(540, "firing")]


def test_memory_is_bounded(rule, run):
    engine = run(rule())
    call(engine, range(0, 60_000_000, 60_000))
    (place,) = engine.engine.states[0].cells.values()
    assert len(place.cell._times) == 20
    assert len(place.cell._ids) == 16


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"group_by": None}, "whose contacts with whom?"),
        ({"period": {"min": "1h", "max": "1m"}}, "'max' lies below 'min'"),
        ({"condition": "jiter < 0.1"}, "did you mean 'jitter'?"),
        ({"jitter": 0.5}, "must be at most 0.2"),
        ({"count": 3}, "must be at least 5"),
    ],
)
def test_what_makes_no_sense_is_refused(refused, keys, message):
    problems = refused(**{"kind": "beacon", "where": {"a": "b"}, "group_by": ["source.ip"], **keys})
    assert any(message in problem for problem in problems), problems
