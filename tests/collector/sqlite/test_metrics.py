"""Metrics in the embedded store: what was written is drawn, whether compacted or not."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.clock import VirtualClock
from fenghuo.errors import PartialWrite
from fenghuo.model import Layout, Table, single
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.sqlite.metrics import Group, compact

from .stores import AGENT, DAY, HOUR, MINUTE, OTHER, START, documents, drawn, metrics, ports, store

VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False))


@st.composite
def polls(draw) -> list[tuple[int, list]]:
    """Polls of two ports: minutes (again and in disorder) with two values each; the first of a minute counts."""
    kind = draw(st.sampled_from([st.integers(0, 2**64 - 1), st.floats(allow_nan=False), VALUES]))
    return draw(st.lists(st.tuples(st.integers(0, 600), st.lists(kind, min_size=2, max_size=2)), max_size=25))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(polls(), st.lists(st.integers(0, 24), max_size=3), st.integers(0, 24))
async def test_whatever_was_written_is_drawn_through_disorder_repeats_compaction_and_restart(rounds, pauses, restart):
    layout = ports()
    first: dict[int, list] = {}
    clock = VirtualClock(START + DAY)
    with tempfile.TemporaryDirectory() as folder:
        sinks = [store(Path(folder), clock), store(Path(folder), clock)]
        sink = await sinks[0].__aenter__()
        for index, (minute, values) in enumerate(rounds):
            if index == restart:
                await sinks[0].__aexit__(None, None, None)
                sink = await sinks[1].__aenter__()
            first.setdefault(minute, values)
            await sink.write([metrics(Table(layout, START + minute * MINUTE, [values]), received=clock.now())])
            if index in pauses:
                clock.advance(5 * 3600)
                await sink.maintain()
        for row, name in enumerate(("a", "b")):
            expected = [
                (START + minute * MINUTE, values[row])
                for minute, values in sorted(first.items())
                if values[row] is not None
            ]
            assert drawn(sink, "ifHCInOctets", {"ifName": name}) == expected
        assert sink.query.count_tables() == len(first)
        await sinks[len(rounds) > restart].__aexit__(None, None, None)


async def test_a_finished_window_becomes_one_chunk_and_a_late_table_joins_it(tmp_path):
    clock = VirtualClock(START)
    layout = ports()
    async with store(tmp_path, clock) as sink:
        for minute in range(120):
            if minute != 60:
                table = Table(layout, START + minute * MINUTE, [[minute, 2 * minute]])
                await sink.write([metrics(table, received=clock.now())])
            clock.advance(60)
        await sink.maintain()
        assert count(sink, "journal") == 119, "nothing is compacted before its window has settled"
        clock.advance(120)
        await sink.maintain()
        assert (count(sink, "journal"), count(sink, "chunk")) == (0, 1)
        await sink.write([metrics(Table(layout, START + 60 * MINUTE, [[60, 120]]), received=clock.now())])
        assert drawn(sink, "ifHCInOctets", {"ifName": "b"}) == [(START + m * MINUTE, 2 * m) for m in range(120)]
        clock.advance(121)
        await sink.maintain()
        assert (count(sink, "journal"), count(sink, "chunk")) == (0, 1)
        assert drawn(sink, "ifHCInOctets", {"ifName": "b"}) == [(START + m * MINUTE, 2 * m) for m in range(120)]


async def test_a_table_that_comes_while_its_window_is_compacted_is_kept(tmp_path):
    async with store(tmp_path) as sink:
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        with sink._readers.borrow() as connection:
            packed = compact(connection, Group(1, START, START + 2 * HOUR))
        await sink.write([metrics(Table(ports(), START + MINUTE, [[3, 4]]))])
        await sink._metrics_file.run(lambda: sink._tables.put([packed], START))
        assert (count(sink, "journal"), count(sink, "chunk")) == (1, 1)
        assert [value for _, value in drawn(sink, "ifHCInOctets", {"ifName": "a"})] == [1, 3]


async def test_what_is_written_is_on_the_disk_when_it_is_acknowledged(tmp_path):
    async with store(tmp_path) as sink:
        for file in (sink._metrics_file, sink._events_file):
            ask = file._connection.execute
            assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
            assert ask("PRAGMA synchronous").fetchone() == (2,)


async def test_tables_of_a_clock_that_is_ahead_do_not_stay_in_the_journal(tmp_path):
    clock = VirtualClock(START)
    async with store(tmp_path, clock) as sink:
        await sink.write([metrics(Table(ports(), START + 400 * DAY, [[1, 2]]), received=clock.now())])
        clock.advance(4 * 3600)
        await sink.maintain()
        assert (count(sink, "journal"), count(sink, "chunk")) == (0, 1)
        clock.advance(7 * 86_400 + 1)
        await sink.maintain()
        assert count(sink, "chunk") == 0


async def test_a_layout_is_stored_once_however_often_it_is_made(tmp_path):
    async with store(tmp_path) as sink:
        for minute in range(3):
            await sink.write([metrics(Table(ports(), START + minute * MINUTE, [[1, 2]]))])
        await sink.write([metrics(Table(ports(), START, [[1, 2]]), agent=OTHER)])
        assert count(sink, "layout") == 2


async def test_a_port_stays_one_line_when_its_alias_is_renamed(tmp_path):
    def named(alias: str) -> Layout:
        return Layout("interface", {"device": "sw1"}, {"ifName": ["a"], "ifAlias": [alias]}, ("ifHCInOctets",))

    async with store(tmp_path) as sink:
        await sink.write(
            [metrics(Table(named("lab"), START, [[1]]), Table(named("lab"), START + MINUTE, [()], ended=True))]
        )
        await sink.write([metrics(Table(named("library"), START + MINUTE, [[2]]))])
        ask = (AGENT, "interface", "ifHCInOctets", {"device": "sw1", "ifName": "a"}, START, START + HOUR)
        apart = sink.query.series(*ask)
        assert [(series.labels["ifAlias"], list(series.points)) for series in apart] == [
            ("lab", [(START, 1), (START + MINUTE, None)]),
            ("library", [(START + MINUTE, 2)]),
        ]
        (joined,) = sink.query.series(*ask, join=("device", "ifName"))
        assert joined.labels["ifAlias"] == "library"
        assert list(joined.points) == [(START, 1), (START + MINUTE, 2)]
        assert len(sink.query.labels(AGENT, "interface", {"ifName": "a"})) == 2
        assert sink.query.series(*ask[:3], {"ifAlias": "library"}, START, START + HOUR) == [apart[1]]


async def test_an_ended_series_breaks_the_line(tmp_path):
    layout = ports()
    async with store(tmp_path) as sink:
        end = Table(layout, START + MINUTE, [()], ended=True)
        await sink.write([metrics(Table(layout, START, [[1, 2]]), end, end)])
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(START, 1), (START + MINUTE, None)]


async def test_counters_are_drawn_as_rates_and_other_fields_as_they_are(tmp_path):
    layout = ports(fields=("ifHCInOctets", "ifOperStatus"))
    async with store(tmp_path) as sink:
        tables = [Table(layout, START + n * MINUTE, [[n * 600, 0], [1, 2]]) for n in range(3)]
        await sink.write([metrics(*tables)])
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}, rate=True) == [
            (START + MINUTE, 10.0),
            (START + 2 * MINUTE, 10.0),
        ]
        assert [value for _, value in drawn(sink, "ifOperStatus", {"ifName": "b"}, rate=True)] == [2, 2, 2]


async def test_only_the_span_asked_for_is_drawn_both_ends_included(tmp_path):
    async with store(tmp_path) as sink:
        await sink.write([metrics(*[Table(ports(), START + n * MINUTE, [[n, n]]) for n in range(10)])])
        (found,) = sink.query.series(
            AGENT, "interface", "ifHCInOctets", {"ifName": "a"}, START + 3 * MINUTE, START + 5 * MINUTE
        )
        assert [value for _, value in found.points] == [3, 4, 5]


async def test_what_is_not_there_is_an_empty_answer(tmp_path):
    async with store(tmp_path) as sink:
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        for agent, measurement, field, labels in [
            (OTHER, "interface", "ifHCInOctets", {}),
            (AGENT, "system", "ifHCInOctets", {}),
            (AGENT, "interface", "ifInErrors", {}),
            (AGENT, "interface", "ifHCInOctets", {"ifName": "z"}),
            (AGENT, "interface", "ifHCInOctets", {"room": "z"}),
            (AGENT, "interface", "ifHCInOctets", {"device": "sw2"}),
        ]:
            assert sink.query.series(agent, measurement, field, labels, 0, 2**50) == []


async def test_a_sensor_whose_layout_is_made_anew_at_every_message_is_one_series(tmp_path):
    clock = VirtualClock(START)
    async with store(tmp_path, clock) as sink:
        for minute in range(10):
            labels = {"job": "mqtt_sensor", "device": "t1"}
            table = single("sensor", labels, {"sensor_temperature_celsius": 20 + minute / 10}, START + minute * MINUTE)
            await sink.write([metrics(table)])
        clock.advance(4 * 3600)
        await sink.maintain()
        (found,) = sink.query.series(AGENT, "sensor", "sensor_temperature_celsius", {"device": "t1"}, 0, 2**50)
        assert [value for _, value in found.points] == [20 + minute / 10 for minute in range(10)]
        assert sink.query.fields(AGENT, "sensor") == ["sensor_temperature_celsius"]


async def test_old_metrics_go_bit_by_bit_and_their_layouts_with_them(tmp_path):
    clock = VirtualClock(START)
    async with store(tmp_path, clock, metrics_retention=86_400) as sink:
        old, new = ports(device="old"), ports(device="new")
        tables = [Table(old, START + n * 2 * HOUR, [[n, n]]) for n in range(300)]
        await sink.write([metrics(*tables)])
        clock.advance(300 * 7200)
        await sink.write([metrics(Table(new, clock.now() - HOUR, [[1, 2]]), received=clock.now())])
        await sink.maintain()
        assert drawn(sink, "ifHCInOctets", {"ifName": "a", "device": "new"}) == [(clock.now() - HOUR, 1)]
        left = drawn(sink, "ifHCInOctets", {"ifName": "a", "device": "old"})
        assert [time for time, _ in left] == [START + n * 2 * HOUR for n in range(288, 300)]
        clock.advance(7 * 86_400)
        await sink.maintain()
        await sink.maintain()
        assert (count(sink, "chunk"), count(sink, "layout")) == (0, 0)
        await sink.write([metrics(Table(new, clock.now(), [[3, 4]]), received=clock.now())])
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(clock.now(), 3)]


async def test_a_table_of_an_impossible_time_is_refused_alone(tmp_path):
    async with store(tmp_path) as sink:
        good, bad = Table(ports(), START, [[1, 2]]), Table(ports(), 2**63, [[1, 2]])
        events = documents()
        with pytest.raises(PartialWrite) as caught:
            await sink.write([events, metrics(good, bad), metrics(bad, sequence=2)])
        assert [rejection.index for rejection in caught.value.rejected] == [1, 2]
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(START, 1)]


async def test_a_table_that_does_not_fit_its_layout_is_refused_alone(tmp_path):
    async with store(tmp_path) as sink:
        good = Table(ports(), START, [[1, 2]])
        wrong = [Table(ports(), START + MINUTE, [[1]]), Table(ports(), START + MINUTE, [[1, 2], [3, 4]])]
        with pytest.raises(PartialWrite) as caught:
            await sink.write([metrics(good, *wrong)])
        assert [rejection.index for rejection in caught.value.rejected] == [1, 2]
        assert sink.query.count_tables() == 1


async def test_a_write_that_fails_in_its_midst_leaves_nothing(tmp_path):
    async with store(tmp_path) as sink:
        with pytest.raises(TypeError):
            await sink.write(
                [metrics(Table(ports(), START, [[1, 2]]), Table(ports(), START + MINUTE, [[1, object()]]))]
            )
        assert sink.query.count_tables() == 0
        assert count(sink, "layout") == 0
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        assert sink.query.count_tables() == 1


async def test_of_a_time_that_comes_with_other_values_the_first_count_compacted_or_not(tmp_path):
    clock = VirtualClock(START)
    async with store(tmp_path, clock) as sink:
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        clock.advance(4 * 3600)
        await sink.maintain()
        await sink.write([metrics(Table(ports(), START, [[9, 9]]), received=clock.now())])
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(START, 1)]
        clock.advance(4 * 3600)
        await sink.maintain()
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(START, 1)]


async def test_journal_rows_that_cannot_be_read_hold_up_no_other_layout(tmp_path, caplog):
    clock = VirtualClock(START)
    async with store(tmp_path, clock) as sink:
        tables = [Table(ports(device=name), START, [[1, 2]]) for name in ("sw1", "sw2")]
        await sink.write([metrics(*tables)])
        sink._metrics_file._connection.execute("UPDATE journal SET body = x'c1' WHERE layout = 1")
        clock.advance(4 * 3600)
        await sink.maintain()
        assert (count(sink, "journal"), count(sink, "chunk")) == (1, 1)
        assert "cannot be compacted" in caplog.text
        assert drawn(sink, "ifHCInOctets", {"ifName": "a", "device": "sw1"}) == []


async def test_a_damaged_chunk_is_a_hole_and_does_not_stop_compaction(tmp_path, caplog):
    clock = VirtualClock(START)
    async with store(tmp_path, clock) as sink:
        await sink.write([metrics(Table(ports(), START, [[1, 2]]))])
        clock.advance(4 * 3600)
        await sink.maintain()
        connection = sink._metrics_file._connection
        connection.execute("UPDATE chunk SET body = x'00'")
        await sink.write([metrics(Table(ports(), START + MINUTE, [[3, 4]]), received=clock.now())])
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(START + MINUTE, 3)]
        clock.advance(4 * 3600)
        await sink.maintain()
        assert drawn(sink, "ifHCInOctets", {"ifName": "a"}) == [(START + MINUTE, 3)]
        assert "lost its readings" in caplog.text


async def test_backfill_and_metrics_are_taken_and_streams_may_be_left_out(tmp_path):
    async with store(tmp_path, events=False) as sink:
        assert sink.takes(Stream.METRICS)
        assert sink.takes(Stream.BACKFILL)
        assert not sink.takes(Stream.EVENTS)
        assert not sink.takes(Stream.ACK)
        late = Batch(AGENT, Stream.BACKFILL, 1, START, tables=[Table(ports(), START, [[1, 2]])])
        await sink.write([late, late])
        assert sink.query.count_tables() == 1


def count(sink, table: str) -> int:
    with sink._readers.borrow() as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
