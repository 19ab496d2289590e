"""A spool that is too small for an outage: what it gives up is counted to the item, over deaths too."""

from __future__ import annotations

import re

import pytest

from fenghuo.wire import Stream
from servers.mosquitto import Mosquitto
from servers.process import wait_for

from .loaded_agent import PORTS
from .spooled import contents, dropped_items
from .test_power_cuts import settle
from .world import AGENT, Collector, LoadedAgent, loaded_agent, now

SMALL = {"cap": "256KiB"}
ITEMS = "fenghuo_collector_ingest_items_total"
PROMISE_MS = 1_000
ON_THEIR_WAY = 4
"""Batches at most that were on their way at a moment when either side ended."""


def small_agent(folder, broker: Mosquitto) -> LoadedAgent:
    return loaded_agent(folder, broker.port, rate=2500, spool={"path": str(folder / "spool.db"), **SMALL})


def stored_tables(district: Collector) -> set[int]:
    """The times of the tables in the store."""
    with district.query() as query:
        found = query.series(AGENT, "interface", "ifHCInOctets", {"ifIndex": "1"}, 0, now(), max_points=10**9)
    return {time for series in found for time, _ in series.points}


def by_stream(district: Collector, name: str) -> dict[str, int]:
    """One of the collector's counters, where it is not 0."""
    found = re.findall(rf'^{name}{{stream="(\w+)"}} (\S+)$', district.metrics(), re.MULTILINE)
    return {stream: int(float(value)) for stream, value in found if float(value)}


@pytest.mark.slow
def test_what_a_full_spool_gives_up_is_counted_to_the_item(tmp_path, broker: Mosquitto, district: Collector) -> None:
    school = small_agent(tmp_path / "agent", broker)
    spool = tmp_path / "agent/spool.db"
    school.start()
    wait_for(lambda: {"events", "metrics"} <= by_stream(district, ITEMS).keys(), "both streams to begin")
    wait_for(lambda: len(stored_tables(district)) > 0, "the load to be stored")
    district.stop()
    for stream in (Stream.METRICS, Stream.EVENTS):
        wait_for(lambda stream=stream: dropped_items(spool, stream), f"{stream} to be given up")
    school.kill()
    died = now()
    # What was not promised yet when it died is known by name: neither stored, nor held, nor among what was given up.
    then = contents(spool)
    made = sorted(school.seen())
    kept = then.events | set(district.event_ids("load"))
    gone = [event for event in made if event not in kept]
    forgotten = gone[then.items["events"] :]
    assert set(forgotten) <= school.seen(after=died - PROMISE_MS)
    tables = sorted(set(school.tables()) - then.tables - stored_tables(district))
    forgotten_tables = tables[(then.items["metrics"] + then.items["backfill"]) // len(PORTS) :]
    assert all(time >= died - PROMISE_MS - 1_000 for time in forgotten_tables)

    school.start()
    wait_for(lambda: dropped_items(spool, Stream.EVENTS) > then.items["events"] + 2000, "more to be given up")
    district.start()
    district.ready()
    wait_for(lambda: any(event > made[-1] for event in district.event_ids("load")), "live events to arrive")
    settle(district, school)
    school.stop()

    end = contents(spool)
    ids = district.event_ids("load")
    assert len(ids) == len(set(ids))
    counted = {name: number for name, number in end.items.items() if number}
    assert by_stream(district, "fenghuo_collector_ingest_dropped_items_total") == counted
    assert district.metric("fenghuo_collector_agent_missing_batches") == 0
    # To the batch, the collector knows what never came; the spool may have given up a few that arrived all the same.
    lost = by_stream(district, "fenghuo_collector_ingest_lost_batches_total")
    arrived = {name: number - lost.get(name, 0) for name, number in end.batches.items() if number != lost.get(name, 0)}
    assert all(0 < number <= ON_THEIR_WAY for number in arrived.values())
    # All that was made is stored, or waits, or was given up and counted, or was not yet promised at the agent's death.
    events = len(school.seen()) - len(set(ids) | end.events) - len(forgotten)
    tables = len(set(school.tables()) - stored_tables(district) - end.tables) - len(forgotten_tables)
    for stream, missing in (("events", events), ("metrics", tables * len(PORTS))):
        assert missing <= end.items[stream], "a loss that was not counted"
        assert (missing == end.items[stream]) == (stream not in arrived)
    print(f"{len(school.seen())} events made, {len(ids)} stored, given up {counted}, of these arrived {arrived}")
