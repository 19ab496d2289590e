"""Ingest through a real broker."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from fenghuo.errors import PartialWrite, Rejection, Retryable
from fenghuo.model import AgentId, Event, Site, Table
from fenghuo.wire import Stream, Topic, encode_frame
from fenghuo.wire.frame import compress
from fenghuo_collector.ingest.ingest import topic_filters
from fenghuo_collector.ingest.state import SqliteStateStore
from servers.disk import fill, small_disk
from servers.mosquitto import Authority, mosquitto_tls

from .support import (
    AGENT,
    NOW,
    PORTS,
    MemorySink,
    WireAgent,
    event,
    events_frame,
    header,
    make_ingest,
    running,
    tables_frame,
    until,
    wire_agent,
)


def sample(ingest, name: str, **labels: str) -> float:
    return ingest.registry.get_sample_value(f"fenghuo_collector_{name}", labels) or 0


async def test_when_a_batch_is_stored_its_agent_is_told_so(broker):
    sink = MemorySink()
    async with running(make_ingest(broker.port, sink)), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
    assert sink.ids == ["e1"]
    assert sink.closed


async def test_when_a_batch_is_held_its_agent_may_go_on_but_not_forget(broker):
    sink = MemorySink()
    sink.gate.clear()
    async with running(make_ingest(broker.port, sink)), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.received)
        assert agent.committed == set()
        sink.gate.set()
        await until(lambda: 1 in agent.committed)


async def test_when_a_required_sink_has_no_room_the_agent_is_not_told_to_go_on_and_nothing_waits_for_long(broker):
    sink = MemorySink()
    sink.gate.clear()
    small = {"retry": 0.02, "retry_max": 0.1, "linger": 0.01, "queue": 2000, "group_batches": 1}
    ingest = make_ingest(broker.port, sink, delivery=small)
    async with running(ingest), wire_agent(broker.port) as agent:
        for number in range(1, 31):
            await agent.send(events_frame(number))
        await until(lambda: sample(ingest, "ingest_batches_total", stream="events") == 30)
        shed = int(sample(ingest, "sink_shed_batches_total", sink=sink.name))
        await until(lambda: len(agent.received) >= 30 - shed)
        first = max(agent.received)
        assert 1 < first < 30
        assert agent.received == set(range(1, first + 1)), "what the sink has room for, in order"
        sink.gate.set()
        await until(lambda: agent.committed == set(range(1, first + 1)))
        for number in range(first + 1, 31):
            await agent.send(events_frame(number))
        await until(lambda: set(range(1, 31)) <= agent.committed)
    assert sorted(sink.ids, key=lambda name: int(name[1:])) == [f"e{number}" for number in range(1, 31)]


async def test_when_batches_come_again_or_in_disorder_each_is_stored_once(broker):
    sink = MemorySink()
    ingest = make_ingest(broker.port, sink)
    async with running(ingest), wire_agent(broker.port) as agent:
        for number in (1, 3, 3, 2, 1, 5, 4, 4):
            await agent.send(events_frame(number))
        await until(lambda: agent.committed == {1, 2, 3, 4, 5})
        await agent.send(events_frame(2))
        await until(lambda: sample(ingest, "ingest_duplicates_total") == 4)
    assert sorted(sink.ids) == ["e1", "e2", "e3", "e4", "e5"]
    view = ingest.agents()[0].streams[0]
    assert (view.duplicates, view.missing, view.lost) == (4, 0, 0)


async def test_when_a_batch_is_committed_and_comes_again_it_is_acknowledged_again_at_once(broker):
    async with running(make_ingest(broker.port, MemorySink())), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
        agent.acks.clear()
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)


async def test_when_the_agent_had_to_drop_batches_the_loss_is_counted_once(broker, caplog):
    ingest = make_ingest(broker.port, MemorySink())
    async with running(ingest), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await agent.send(events_frame(6))
        await until(lambda: agent.committed == {1, 6})
        assert ingest.agents()[0].streams[0].missing == 4
        for number in (7, 8):
            await agent.send(events_frame(number, oldest=5, dropped=33))
        await until(lambda: agent.committed == {1, 6, 7, 8})
    state = ingest.agents()[0]
    assert (state.lost, state.dropped, state.streams[0].missing) == (3, 33, 1)
    assert sample(ingest, "ingest_lost_batches_total", stream="events") == 3
    assert sample(ingest, "ingest_dropped_items_total", stream="events") == 33
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 2
    assert str(AGENT) in errors[0].getMessage()
    site, name = AGENT.site.path, AGENT.name
    assert sample(ingest, "agent_lost_batches_total", site=site, agent=name) == 3


async def test_when_a_whole_stream_was_dropped_the_agents_status_says_so(broker):
    """No frame of that stream comes that could."""
    ingest = make_ingest(broker.port, MemorySink())
    async with running(ingest), wire_agent(broker.port) as agent:
        await publish_status(agent, streams={"backfill": [1, 0], "metrics": [1, 0]})
        await until(lambda: ingest.agents() and ingest.agents()[0].online)
        for _ in range(2):
            await publish_status(agent, streams={"backfill": [41, 11_520], "metrics": [1, 0], "later": [3, 3]})
        await until(lambda: sample(ingest, "ingest_dropped_items_total", stream="backfill") == 11_520)
        await publish_status(agent, streams={"backfill": [0, -1]})
        await until(lambda: sample(ingest, "ingest_wire_errors_total", reason="status") == 1)
    state = ingest.agents()[0]
    assert (state.lost, state.dropped) == (40, 11_520)


async def test_when_a_spool_is_renewed_its_numbers_begin_anew(broker):
    sink = MemorySink()
    ingest = make_ingest(broker.port, sink)
    async with running(ingest), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1, event("old")))
        await until(lambda: sink.ids == ["old"])
        await agent.send(events_frame(1, event("new"), spool="s2"))
        await until(lambda: sink.ids == ["old", "new"])
        await until(lambda: {ack.spool for ack in agent.acks if ack.committed} == {"s1", "s2"})
    assert ingest.agents()[0].spool == "s2"


async def test_when_header_and_topic_disagree_the_batch_is_neither_stored_nor_answered(broker, caplog):
    sink = MemorySink()
    ingest = make_ingest(broker.port, sink)
    other = AgentId.parse("bj/haidian/other/gw1")
    async with running(ingest), wire_agent(broker.port) as agent, wire_agent(broker.port, other) as victim:
        for number in range(1, 20):
            await agent.send(events_frame(number, agent=str(other)))
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
        assert victim.acks == []
    assert sink.ids == ["e1"]
    assert sample(ingest, "ingest_wire_errors_total", reason="topic") == 19
    assert sum("refused" in record.getMessage() for record in caplog.records) == 1


async def test_when_a_body_is_bad_its_number_is_refused_each_time_and_counted_no_gap(broker):
    ingest = make_ingest(broker.port, MemorySink())
    async with running(ingest), wire_agent(broker.port) as agent:
        bad = encode_frame(header(1), compress(b"\xc1\xc1"))
        await agent.send(bad)
        await agent.send(events_frame(2))
        await until(lambda: 1 in agent.refused and 2 in agent.committed)
        agent.acks.clear()
        await agent.send(bad)
        await until(lambda: 1 in agent.refused)
        assert agent.committed == set()
    state = ingest.agents()[0]
    assert (state.refused, state.lost, state.streams[0].missing) == (1, 0, 0)


async def test_when_one_document_is_bad_the_rest_of_its_batch_is_stored(broker):
    sink = MemorySink()
    ingest = make_ingest(broker.port, sink)
    async with running(ingest), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1, event("a"), Event("b", NOW, {"x": float("inf")}), event("c")))
        await until(lambda: 1 in agent.committed)
    assert sink.ids == ["a", "c"]
    assert sample(ingest, "ingest_rejected_items_total", stream="events") == 1
    assert ingest.dead_letters.count == 1


async def test_when_many_batches_come_acknowledgements_are_few_and_in_spans(broker):
    async with running(make_ingest(broker.port, MemorySink(), ack_delay=0.05)), wire_agent(broker.port) as agent:
        started = time.monotonic()
        await asyncio.gather(*(agent.send(events_frame(number)) for number in range(1, 201)))
        await until(lambda: len(agent.committed) == 200)
        assert len(agent.acks) <= 6 + (time.monotonic() - started) / 0.04
        assert sum(len(ack.committed) for ack in agent.acks) <= 2 * len(agent.acks)


async def test_when_an_answer_is_lost_a_later_one_repeats_it(broker):
    async with running(make_ingest(broker.port, MemorySink())), wire_agent(broker.port) as agent:
        for number in (1, 2):
            await agent.send(events_frame(number))
            await until(lambda number=number: number in agent.committed)
        agent.acks.clear()
        await agent.send(events_frame(3))
        await until(lambda: agent.committed == {1, 2, 3})


async def publish_status(agent: WireAgent, **status) -> None:
    content = {"state": "online", "boot": "b1", "spool": "s1", "version": "0.1.0", "since": NOW, "sent": NOW, **status}
    await agent.client.publish(str(Topic(AGENT, Stream.STATUS)), msgspec.msgpack.encode(content), qos=1, retain=True)


async def test_when_an_agent_says_that_it_is_online_it_is_greeted_with_what_is_committed(broker, tmp_path: Path):
    state = tmp_path / "ingest.sqlite"
    async with running(make_ingest(broker.port, MemorySink(), state=state)), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
    async with wire_agent(broker.port) as agent:
        await publish_status(agent)
        async with running(make_ingest(broker.port, MemorySink(), state=state, collector="c2")):
            await until(lambda: {ack.stream for ack in agent.acks} >= {"alerts", "events", "metrics"})
            assert {ack.collector for ack in agent.acks} == {"c2"}
            assert agent.committed == {1}


async def test_when_an_agent_goes_its_state_says_so(broker):
    ingest = make_ingest(broker.port, MemorySink())
    async with running(ingest), wire_agent(broker.port) as agent:
        await publish_status(agent)
        await until(lambda: ingest.agents() and ingest.agents()[0].online)
        state = ingest.agents()[0]
        assert (state.boot, state.version, state.spool) == ("b1", "0.1.0", "s1")
        await publish_status(agent, state="offline")
        await until(lambda: not ingest.agents()[0].online)
        await agent.client.publish(str(Topic(AGENT, Stream.STATUS)), b"\xc1", qos=1)
        await until(lambda: sample(ingest, "ingest_wire_errors_total", reason="status") == 1)


async def test_when_readings_come_lag_and_skew_are_measured(broker):
    ingest = make_ingest(broker.port, MemorySink())
    async with running(ingest), wire_agent(broker.port) as agent:
        sent = time.time_ns() // 1_000_000 + 120_000  # its clock is two minutes ahead
        table = Table(PORTS, sent - 3000, [[1, 2], [1, 1]])
        await agent.send(tables_frame(1, table, sent=sent), Stream.METRICS)
        await until(lambda: 1 in agent.numbers("committed", Stream.METRICS))
    state = ingest.agents()[0]
    assert state.skew == pytest.approx(120, abs=2)
    assert state.lag == pytest.approx(3, abs=0.5)


@pytest.mark.parametrize("remembers", [True, False])
async def test_when_ingest_starts_anew_what_was_stored_is_not_lost_and_not_missed(broker, tmp_path: Path, remembers):
    state = tmp_path / "ingest.sqlite" if remembers else None
    first, second = MemorySink(), MemorySink()
    async with running(make_ingest(broker.port, first, state=state)), wire_agent(broker.port) as agent:
        for number in range(1, 6):
            await agent.send(events_frame(number))
        await until(lambda: agent.committed == {1, 2, 3, 4, 5})
    ingest = make_ingest(broker.port, second, state=state, collector="c2")
    async with running(ingest), wire_agent(broker.port) as agent:
        for number in (4, 5, 6):  # the acknowledgement of 4 and 5 never reached the agent
            await agent.send(events_frame(number, oldest=4))
        await until(lambda: agent.committed >= {4, 5, 6})
        assert {ack.collector for ack in agent.acks} == {"c2"}
    assert sorted(second.ids) == (["e6"] if remembers else ["e4", "e5", "e6"])
    assert ingest.agents()[0].lost == 0
    assert ingest.agents()[0].streams[0].duplicates == (2 if remembers else 0)


async def test_when_ingest_ended_before_a_commit_the_batch_is_stored_by_the_next_run(broker, tmp_path: Path):
    state = tmp_path / "ingest.sqlite"
    stuck, good = MemorySink(), MemorySink()
    stuck.gate.clear()
    async with (
        running(make_ingest(broker.port, stuck, state=state, shutdown=0.1)),
        wire_agent(broker.port) as agent,
    ):
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.received)
    async with running(make_ingest(broker.port, good, state=state, collector="c2")), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
    assert good.ids == ["e1"]


async def test_when_the_state_file_is_damaged_a_new_one_is_begun(broker, tmp_path: Path):
    state = tmp_path / "ingest.sqlite"
    state.write_bytes(b"this is no database" * 100)
    sink = MemorySink()
    async with running(make_ingest(broker.port, sink, state=state)), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
    assert (tmp_path / "ingest.sqlite.unreadable").exists()
    store = SqliteStateStore(state)
    assert [found.committed for found in store.load()] == [[(1, 1)]]
    store.close()


async def test_when_the_file_of_dead_letters_is_damaged_a_new_one_is_begun(tmp_path: Path):
    letters = tmp_path / "ingest-dead-letters.sqlite"
    letters.write_bytes(b"this is no database" * 100)
    make_ingest(1, MemorySink(), state=tmp_path / "ingest.sqlite").dead_letters.close()
    assert letters.with_name(letters.name + ".unreadable").exists()


async def test_when_the_disk_is_full_the_state_is_kept_and_may_be_opened_later(tmp_path: Path):
    with small_disk(tmp_path / "disk") as disk:
        registry = CollectorRegistry()
        filler = fill(disk)
        with pytest.raises(Retryable, match="cannot be opened now"):
            make_ingest(1, MemorySink(), state=disk / "data/ingest.sqlite", registry=registry)
        filler.unlink()
        ingest = make_ingest(1, MemorySink(), state=disk / "data/ingest.sqlite", registry=registry)
        ingest._store.close()
        ingest.dead_letters.close()
        assert not list(disk.rglob("*.unreadable"))


async def test_when_the_state_cannot_be_saved_agents_are_answered_all_the_same(broker, tmp_path: Path):
    ingest = make_ingest(broker.port, MemorySink(), state=tmp_path / "ingest.sqlite")
    ingest._store._connection.execute("DROP TABLE stream")
    async with running(ingest), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
    assert sample(ingest, "ingest_state_errors_total") >= 1


async def test_when_an_item_is_refused_its_dead_letter_is_on_disk_before_the_agent_forgets(broker, tmp_path: Path):
    sink = MemorySink()
    sink.plan = [PartialWrite("one", rejected=[Rejection(0, "mapping")])]
    ingest = make_ingest(broker.port, sink, state=tmp_path / "ingest.sqlite")
    async with running(ingest), wire_agent(broker.port) as agent:
        await agent.send(events_frame(1))
        await until(lambda: 1 in agent.committed)
        rows = ingest.dead_letters._connection.execute("SELECT sink, agent, reason, item FROM dead_letter").fetchall()
    assert [row[:3] for row in rows] == [("memory", str(AGENT), "mapping")]
    assert msgspec.json.decode(rows[0][3])["id"] == "e1"


async def test_when_the_broker_dies_ingest_connects_again_and_goes_on(broker):
    sink = MemorySink()
    ingest = make_ingest(broker.port, sink)
    async with running(ingest):
        async with wire_agent(broker.port) as agent:
            await agent.send(events_frame(1))
            await until(lambda: 1 in agent.committed)
        broker.kill()
        await until(lambda: not sample(ingest, "ingest_connected"))
        broker.start()
        await until(lambda: sample(ingest, "ingest_connected"))
        async with wire_agent(broker.port) as agent:
            await agent.send(events_frame(2))
            await until(lambda: 2 in agent.committed)
    assert sink.ids == ["e1", "e2"]


async def test_when_the_broker_is_away_while_a_sink_commits_the_agent_hears_of_it_later(broker):
    sink = MemorySink()
    sink.gate.clear()
    ingest = make_ingest(broker.port, sink)
    async with running(ingest):
        async with wire_agent(broker.port) as agent:
            await agent.send(events_frame(1))
            await until(lambda: 1 in agent.received)
        broker.kill()
        await until(lambda: not sample(ingest, "ingest_connected"))
        sink.gate.set()
        await until(lambda: sink.ids == ["e1"])
        broker.start()
        async with wire_agent(broker.port) as agent:
            await until(lambda: 1 in agent.committed)


async def test_when_collectors_share_a_subscription_each_batch_goes_to_one_and_gaps_are_no_losses(broker):
    sinks = MemorySink(), MemorySink()
    ingests = [
        make_ingest(broker.port, sink, collector=f"c{index}", group="district") for index, sink in enumerate(sinks)
    ]
    async with running(ingests[0]), running(ingests[1]), wire_agent(broker.port) as agent:
        for number in range(1, 41):
            await agent.send(events_frame(number, oldest=max(1, number - 3)))
        await until(lambda: len(agent.committed) == 40)
    assert sorted(sinks[0].sequences + sinks[1].sequences) == list(range(1, 41))
    assert min(len(sink.batches) for sink in sinks) > 5
    assert [ingest.agents()[0].lost for ingest in ingests] == [0, 0]


async def test_when_a_site_is_configured_only_its_agents_are_taken(broker):
    sink = MemorySink()
    inside, outside = AgentId.parse("bj/haidian/zgc-no1/gw1"), AgentId.parse("bj/chaoyang/no9/gw1")
    async with (
        running(make_ingest(broker.port, sink, site="bj/haidian")),
        wire_agent(broker.port) as agent,
    ):
        await agent.send(events_frame(1, event("out"), agent=str(outside)), agent=outside)
        await agent.send(events_frame(1, event("in"), agent=str(inside)), agent=inside)
        await until(lambda: sink.ids)
    assert sink.ids == ["in"]


def test_filters_cover_every_depth_and_share_only_the_data():
    filters = topic_filters(Site("bj/haidian"), "g1")
    assert "$share/g1/fenghuo/1/bj/haidian/+/events" in filters
    assert "fenghuo/1/bj/haidian/+/+/status" in filters
    assert not any(topic.startswith("$share") and topic.endswith("status") for topic in filters)


async def test_when_the_broker_wants_tls_and_a_certificate_ingest_shows_its_own(tmp_path: Path):
    authority = Authority(tmp_path)
    acl = "user collector\ntopic readwrite fenghuo/#\n"
    with mosquitto_tls(tmp_path / "broker", authority, acl) as broker:
        own = authority.issue(tmp_path, "collector")
        ingest = make_ingest(
            broker.port,
            MemorySink(),
            broker={
                "url": f"mqtts://127.0.0.1:{broker.port}",
                "tls": {"ca": authority.file, "certificate": own.cert, "key": own.key},
            },
        )
        async with running(ingest):
            assert sample(ingest, "ingest_connected") == 1


async def test_when_ingest_ends_what_waits_is_stored_and_answered_first(broker):
    sink = MemorySink()
    sink.gate.clear()
    async with wire_agent(broker.port) as agent:
        ingest = make_ingest(broker.port, sink, delivery={"linger": 1})
        async with running(ingest):
            await agent.send(events_frame(1))
            await until(lambda: 1 in agent.received)
            asyncio.get_running_loop().call_later(0.1, sink.gate.set)
        await until(lambda: 1 in agent.committed)
    assert sink.closed
