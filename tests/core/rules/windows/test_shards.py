"""Several engines that share the groups of a rule tell together what one tells alone."""

from __future__ import annotations

import random

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.rules import Engine, RuleSet

T0 = VirtualClock().now()
KEYS = {
    "match": {},
    "frequency": {"window": "1m", "condition": "value >= 5"},
    "cardinality": {"window": "1m", "field": "user.name", "condition": "value >= 3"},
    "ratio": {"window": "1m", "part": {"where": {"user.name": "u1"}}, "condition": "value > 0.5"},
    "aggregate": {"window": "1m", "function": "sum", "field": "n", "condition": "value > 20"},
    "new_value": {"field": "user.name", "learn": "10s"},
    "sequence": {"within": "1m", "steps": [{"where": {"user.name": "u1"}}, {"where": {"user.name": "u2"}}]},
    "spike": {"window": "1m", "condition": "value > 2"},
}


def events(count=2_000):
    rng = random.Random(7)
    for number in range(count):
        document = {
            "event.dataset": "test",
            "source.ip": f"10.0.0.{rng.randrange(20)}",
            "user.name": f"u{rng.randrange(5)}",
            "n": rng.randrange(10),
        }
        yield Event(f"e{number:05}", T0 + number * 250, document)


def told(rule, shard):
    clock = VirtualClock(T0)
    engine = Engine(RuleSet((rule,)), clock=clock, agent="bj/a/b/c", shard=shard)
    alerts = []
    for event in events():
        clock.set(event.time)
        alerts += engine.advance(event.time)
        alerts += engine.event(event)
    clock.set(T0 + 10_000_000)
    alerts += engine.advance(clock.now())
    cells = len(engine.states[0].cells)
    return [(each.time, each.state, each.fingerprint, each.value, tuple(each.event_ids)) for each in alerts], cells


@pytest.mark.parametrize("kind", KEYS)
def test_shards_tell_together_what_one_engine_tells(make_rule, kind):
    rule = make_rule(kind=kind, dataset="test", group_by=["source.ip"], **KEYS[kind])
    whole, _ = told(rule, None)
    parts = [told(rule, (number, 3))[0] for number in range(3)]
    assert whole
    assert all(len(part) < len(whole) for part in parts)
    assert sorted(whole) == sorted(step for part in parts for step in part)
    groups = [{step[2] for step in part} for part in parts]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
