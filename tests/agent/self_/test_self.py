"""The agent's own health as readings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fenghuo.clock import VirtualClock
from fenghuo.model import Table
from fenghuo_agent.inputs.self_ import SelfConfig, SelfInput


class Basket:
    def __init__(self) -> None:
        self.tables: list[Table] = []

    def table(self, table: Table) -> None:
        self.tables.append(table)


def series(tables: list[Table]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float | None]:
    """Every value by its name and own labels."""
    found = {}
    for table in tables:
        for position, name in enumerate(table.layout.fields):
            for row, labels in enumerate(table.layout.rows):
                own = tuple(sorted((k, v) for k, v in labels.items() if k not in ("job", "instance", "device")))
                assert (name, own) not in found
                found[name, own] = table.columns[position][row]
    return found


async def test_what_rules_cost_is_handed_on_too(registry):
    evaluations = Counter("fenghuo_rule_evaluations_total", "", ["rule"], registry=registry)
    evaluations.labels("a.b").inc(3)
    basket = Basket()
    await source(registry, VirtualClock()).once(basket)
    assert series(basket.tables)["fenghuo_rule_evaluations_total", (("rule", "a.b"),)] == 3


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def source(registry: CollectorRegistry, clock: VirtualClock, **more) -> SelfInput:
    return SelfInput(SelfConfig(interval=30), registry, clock, "gw1", **more)


async def test_when_read_it_should_hand_on_every_own_metric_with_its_labels(registry):
    Gauge("fenghuo_agent_spool_bytes", "", registry=registry).set(4096)
    polls = Counter("fenghuo_agent_polls_total", "", ["input", "result"], registry=registry)
    polls.labels("snmp", "ok").inc(7)
    polls.labels("snmp", "timeout").inc(2)
    seconds = Counter("fenghuo_agent_poll_seconds_total", "", ["input", "result"], registry=registry)
    seconds.labels("snmp", "ok").inc(1.5)
    Gauge("python_gc_objects", "", registry=registry).set(1)
    basket, clock = Basket(), VirtualClock()
    await source(registry, clock).once(basket)
    found = series(basket.tables)
    ok, timeout = (("input", "snmp"), ("result", "ok")), (("input", "snmp"), ("result", "timeout"))
    assert found["fenghuo_agent_spool_bytes", ()] == 4096
    assert found["fenghuo_agent_polls_total", ok] == 7
    assert found["fenghuo_agent_polls_total", timeout] == 2
    assert found["fenghuo_agent_poll_seconds_total", ok] == 1.5
    assert found["fenghuo_agent_poll_seconds_total", timeout] is None
    assert all(name.startswith("fenghuo_agent_") and not name.endswith("_created") for name, _ in found)
    for table in basket.tables:
        assert table.layout.name == "fenghuo_agent"
        assert table.layout.labels == {"job": "fenghuo_agent", "instance": "gw1", "device": "gw1"}
        assert table.time == clock.now()


async def test_counters_are_marked_as_counters_and_gauges_are_not(registry):
    Gauge("fenghuo_agent_spool_bytes", "", registry=registry)
    Counter("fenghuo_agent_drops_total", "", registry=registry)
    Histogram("fenghuo_agent_poll_seconds", "", buckets=[1], registry=registry).observe(0.5)
    basket = Basket()
    await source(registry, VirtualClock()).once(basket)
    counters = {name for table in basket.tables for name in table.layout.counters}
    assert counters == {
        "fenghuo_agent_drops_total",
        "fenghuo_agent_poll_seconds_bucket",
        "fenghuo_agent_poll_seconds_count",
        "fenghuo_agent_poll_seconds_sum",
        "fenghuo_agent_process_cpu_seconds_total",
    }


async def test_the_process_and_its_disk_are_told_of(registry, tmp_path: Path):
    basket, clock = Basket(), VirtualClock()
    own = source(registry, clock, disk=tmp_path / "not" / "yet" / "made")
    clock.advance(12.5)
    await own.once(basket)
    found = {name: value for (name, _), value in series(basket.tables).items()}
    assert found["fenghuo_agent_uptime_seconds"] == 12.5
    assert found["fenghuo_agent_process_cpu_seconds_total"] > 0
    assert 10_000_000 < found["fenghuo_agent_process_resident_memory_bytes"] < 4_000_000_000
    assert 3 <= found["fenghuo_agent_process_open_fds"] < found["fenghuo_agent_process_max_fds"]
    assert found["fenghuo_agent_spool_disk_free_bytes"] > 0
    assert found["fenghuo_agent_host_load1"] >= 0


async def test_layouts_are_shared_until_a_series_comes_or_goes(registry):
    drops = Counter("fenghuo_agent_drops_total", "", ["reason"], registry=registry)
    drops.labels("full").inc()
    own = source(registry, VirtualClock())

    async def layouts() -> list[object]:
        basket = Basket()
        await own.once(basket)
        return [table.layout for table in basket.tables]

    first, second = await layouts(), await layouts()
    assert all(a is b for a, b in zip(first, second, strict=True))
    drops.labels("late").inc()
    third = await layouts()
    assert third[0] is first[0]
    assert third[1] is not first[1]
    assert third[1].height == 2


async def test_a_label_that_clashes_with_one_that_every_series_has_steps_aside(registry):
    Gauge("fenghuo_agent_device_up", "", ["device"], registry=registry).labels("sw1").set(1)
    basket = Basket()
    await source(registry, VirtualClock()).once(basket)
    assert basket.tables[1].layout.rows[0]["device"] == "gw1"
    assert basket.tables[1].layout.rows[0]["exported_device"] == "sw1"


async def test_it_reads_at_every_interval_without_drifting(registry):
    clock = VirtualClock()
    basket = Basket()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError
        clock.advance(seconds + 2)

    with pytest.raises(asyncio.CancelledError):
        await source(registry, clock, sleep=sleep).run(basket)
    assert pauses == [30, 28, 28, 28]
