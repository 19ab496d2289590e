"""Events in the embedded store: once each, and found."""

from __future__ import annotations

import random
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.clock import VirtualClock
from fenghuo.errors import PartialWrite
from fenghuo.ids import uuid7
from fenghuo.model import Event
from fenghuo.wire import Stream
from fenghuo_collector.sinks.sqlite import cursor
from fenghuo_collector.sinks.sqlite.text import match_expression, searchable

from .stores import AGENT, DAY, MINUTE, OTHER, START, documents, store


def event(message: str, time: int = START, dataset: str = "switch", **more: object) -> Event:
    return Event(uuid7(time), time, {"message": message, "event": {"kind": "event", "dataset": dataset}, **more})


FOUND = [
    ("端口关闭", ["端口", "口", "关闭", "端口关闭", "闭", "口关"], ["端关", "口闭", "接口", "端口关闭了"]),
    ("GE0/1端口down", ["ge0/1", "端口 down", "1端口down", '"端口 down"', "口down", "GE0"], ["down端口x", '"down 端口"']),
    ("ARP spoofing by 10.20.0.5 (00-00-5E-00-53-23)", ["10.20.0.5", "10.20", "00-00-5e", "spoof", "arp 10.20.0.5"], ["10.20.5", "poof"]),
    ("ＡＲＰ欺骗攻击", ["arp", "欺骗", "ARP欺骗"], ["骗欺"]),
    ("Zugang für Öffnung", ["offnung", "für", "fur"], ["offnungen"]),
    ("机房温度 𠀀𠀁", ["𠀀", "𠀀𠀁", "温度"], ["度机"]),
    ('say "hi" AND (or) NOT* NEAR^', ['"hi"', "AND", "near^", "NOT*", '("'], ["column:x"]),
]  # fmt: skip


@pytest.mark.parametrize(("message", "finding", "missing"), FOUND)
async def test_text_is_found_by_its_words_in_any_script(tmp_path, message, finding, missing):
    async with store(tmp_path) as sink:
        await sink.write([documents(event(message), event("something else"))])
        for text in finding:
            expected = [message] if match_expression(text) else []
            assert [found.document["message"] for found in sink.query.events(text)] == expected, text
        for text in missing:
            assert sink.query.events(text) == [], text


async def test_all_of_a_document_is_searched_but_not_its_keys(tmp_path):
    async with store(tmp_path) as sink:
        seen = event("x", source={"ip": "10.20.0.5", "port": 4455}, tags=["mlps.8.1.1.8", {"deep": ["wanted"]}])
        await sink.write([documents(seen)])
        for text in ("10.20.0.5", "4455", "mlps.8.1.1.8", "wanted"):
            assert [found.id for found in sink.query.events(text)] == [seen.id]
        assert sink.query.events("port") == []


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_valid_question(text):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5 (text, tokenize='unicode61 remove_diacritics 2')")
    connection.execute("INSERT INTO t VALUES (?)", (searchable({"message": text}),))
    expression = match_expression(text)
    if expression:
        connection.execute("SELECT count(*) FROM t WHERE t MATCH ?", (expression,)).fetchone()
    quoted = match_expression('"' + text.replace('"', " ") + '"')
    if quoted:
        found = connection.execute("SELECT count(*) FROM t WHERE t MATCH ?", (quoted,)).fetchone()[0]
        assert found == 1, "a whole message in quotes finds itself"


async def test_an_event_that_comes_again_is_stored_once(tmp_path):
    async with store(tmp_path) as sink:
        one = event("first")
        await sink.write([documents(one), documents(one, one)])
        await sink.write([documents(Event(one.id, one.time, {"message": "altered"}))])
        assert sink.query.count_events() == 1
        assert sink.query.event(one.id) == one
        assert len(sink.query.events("first")) == 1


async def test_an_asset_gives_way_to_its_newer_state_only(tmp_path):
    def asset(name: str, time: int) -> Event:
        return Event("asset-of-00-00-5e", time, {"message": name, "event": {"dataset": "asset"}})

    async with store(tmp_path) as sink:
        for name, time in (("printer", START), ("camera", START + MINUTE), ("printer", START)):
            await sink.write([documents(asset(name, time), stream=Stream.ASSETS)])
        assert [found.document["message"] for found in sink.query.events(dataset="asset")] == ["camera"]
        assert sink.query.events("printer") == []
        assert [found.time for found in sink.query.events("camera")] == [START + MINUTE]


async def test_events_come_newest_first_and_page_by_page(tmp_path):
    shuffled = random.Random(5)
    events = [event(f"number {n}", START + n // 3) for n in range(200)]
    async with store(tmp_path) as sink:
        mixed = events.copy()
        shuffled.shuffle(mixed)
        for start in range(0, 200, 30):
            await sink.write([documents(*mixed[start : start + 30])])
        for text in (None, "number"):
            seen: list[Event] = []
            before = None
            while page := sink.query.events(text, limit=17, before=before):
                seen += page
                before = cursor(page[-1])
            assert sorted(each.id for each in seen) == sorted(each.id for each in events)
            assert [each.time for each in seen] == sorted((each.time for each in events), reverse=True)


async def test_events_of_one_millisecond_are_all_kept(tmp_path):
    async with store(tmp_path) as sink:
        await sink.write([documents(*[event(str(n)) for n in range(3000)])])
        assert sink.query.count_events() == 3000
        assert len(sink.query.events(limit=5000)) == 3000


async def test_events_are_narrowed_by_place_dataset_and_time(tmp_path):
    async with store(tmp_path) as sink:
        here = [event("door", START + n * MINUTE, "door" if n % 2 else "switch") for n in range(6)]
        there = event("door", START)
        await sink.write([documents(*here), documents(there, agent=OTHER)])
        ask = sink.query.events
        assert [each.id for each in ask(agent=OTHER)] == [there.id]
        assert [each.id for each in ask("door", agent=str(OTHER))] == [there.id]
        assert len(ask(site="bj/haidian")) == 7
        assert len(ask(site="bj/haidian/zgc-no1")) == 6
        assert ask(site="bj/hai") == []
        assert ask(site="bj/haidian/zgc-no1", agent=OTHER) == []
        assert len(ask(dataset="door")) == 3
        assert len(ask(dataset="door", agent=AGENT)) == 3
        assert ask(dataset="nothing") == []
        assert [each.id for each in ask(since=START + MINUTE, until=START + 3 * MINUTE)] == [here[2].id, here[1].id]
        assert len(ask("door", since=START + 4 * MINUTE)) == 2
        assert len(ask(limit=2)) == 2
        assert sink.query.count_events("door") == 3
        assert sink.query.event("nowhere") is None


async def test_old_events_go_and_are_no_longer_found(tmp_path):
    clock = VirtualClock(START)
    async with store(tmp_path, clock) as sink:
        old = [event(f"past 温度 {n}", START - n) for n in range(1200)]
        ahead = event("of a clock that is ahead", START + 900 * DAY)
        await sink.write([documents(*old, ahead)])
        clock.advance(80 * 86_400)
        recent = event("recent 温度", clock.now())
        await sink.write([documents(recent, received=clock.now())])
        await sink.maintain()
        assert sink.query.count_events() == 1202
        clock.advance(11 * 86_400)
        await sink.maintain()
        assert [each.id for each in sink.query.events()] == [recent.id]
        assert [each.id for each in sink.query.events("温度")] == [recent.id]
        assert sink.query.events("past") == []
        connection = sink._events_file._connection
        connection.execute("INSERT INTO event_text (event_text) VALUES ('integrity-check')")


async def test_a_document_that_cannot_be_stored_is_refused_alone(tmp_path):
    async with store(tmp_path) as sink:
        good, last = event("good"), event("last")
        deep: dict = {}
        for _ in range(100_000):
            deep = {"a": deep}
        bad = [
            Event(uuid7(START), START, {"event": "no object"}),
            Event(uuid7(START), 2**63, {}),
            Event(uuid7(START), START, {"x": {(1, 2): 3}}),
            Event(uuid7(START), START, deep),
            Event(uuid7(START), START, {"x": object()}),
        ]
        with pytest.raises(PartialWrite) as caught:
            await sink.write([documents(good, *bad), documents(last)])
        assert [rejection.index for rejection in caught.value.rejected] == [1, 2, 3, 4, 5]
        assert {each.id for each in sink.query.events()} == {good.id, last.id}


async def test_bytes_in_a_document_come_back_as_text_and_its_deletion_leaves_no_words(tmp_path):
    clock = VirtualClock(START)
    async with store(tmp_path, clock) as sink:
        odd = Event("odd", START, {"raw": b"\x00abc", "number": float("nan"), "event": {"dataset": "x"}})
        await sink.write([documents(odd)])
        assert sink.query.event("odd").document["raw"] == "AGFiYw=="
        clock.advance(91 * 86_400)
        await sink.maintain()
        assert sink.query.events("AGFiYw") == []


async def test_the_room_of_what_went_is_given_back_to_the_disk(tmp_path):
    clock = VirtualClock(START)
    noise = random.Random(1)
    async with store(tmp_path, clock) as sink:
        words = [noise.randbytes(4).hex() for _ in range(2000)]
        events = [event(" ".join(noise.choices(words, k=100)), START + n) for n in range(1500)]
        await sink.write([documents(*events)])
        await sink._events_file.run(
            lambda: sink._events_file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        )
        full = (tmp_path / "events.sqlite").stat().st_size
        clock.advance(91 * 86_400)
        await sink.maintain()
        await sink._events_file.run(
            lambda: sink._events_file.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        )
        assert (tmp_path / "events.sqlite").stat().st_size < full / 2
        await sink.write([documents(event("again", clock.now()))])
        assert len(sink.query.events("again")) == 1
