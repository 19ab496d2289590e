"""Version 3: only what a known user signed, lately and once, is believed; informs meet an engine that keeps its word."""

from __future__ import annotations

import asyncio
import json

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.errors import Permanent
from fenghuo_agent.inputs.snmp_trap.engines import Engines
from fenghuo_agent.snmp.message import INFORM
from fenghuo_agent.snmp.usm import USM_STATS

from .conftest import LINK_DOWN
from .datagrams import CREDENTIAL, ENGINE, V3Sender, if_index, report_of

UNSUPPORTED, NOT_IN_TIME, UNKNOWN_USER, UNKNOWN_ENGINE, WRONG_DIGEST = 1, 2, 3, 4, 5


def stat(number: int) -> tuple[int, ...]:
    return (*USM_STATS, number, 0)


async def taken(running, sock, datagram: bytes) -> None:
    """Send one and wait until it is judged."""
    before = running.tally.received
    sock.send(datagram)
    await running.until(lambda: running.tally.received == before + 1)


async def answer(sock) -> bytes:
    sock.setblocking(False)
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65535), 5)


@pytest.fixture
def begin(start):
    return lambda **options: start(credentials=[CREDENTIAL], **options)


async def test_a_trap_sent_again_is_not_believed_twice(begin):
    trap = V3Sender().send(if_index(3))
    async with begin() as running:
        with running.sender() as sock:
            await taken(running, sock, trap)
            await taken(running, sock, trap)
            await taken(running, sock, V3Sender().send(if_index(3), number=2, time=1001))
        assert running.tally.accepted == 2
        assert running.tally.shed == {"duplicate": 1}


async def test_an_old_trap_is_refused_once_the_engine_s_time_is_known(begin):
    clock, sender = VirtualClock(), V3Sender()
    async with begin(clock=clock) as running:
        with running.sender() as sock:
            await taken(running, sock, sender.send(boots=5, time=10_000))
            await taken(running, sock, sender.send(boots=5, time=9_851))
            assert running.tally.accepted == 2, "150 seconds late is within the window"
            await taken(running, sock, sender.send(boots=5, time=9_849))
            await taken(running, sock, sender.send(boots=4, time=20_000))
            assert running.tally.denied == {"notInTimeWindows": 2}
            clock.advance(200)
            await taken(running, sock, sender.send(boots=5, time=10_001))
            assert running.tally.denied == {"notInTimeWindows": 3}, "our clock went on as well"
            await taken(running, sock, sender.send(boots=6, time=1))
            await taken(running, sock, sender.send(boots=2**31 - 1, time=1))
        assert running.tally.accepted == 3
        assert running.tally.denied == {"notInTimeWindows": 4}


async def test_a_trap_that_was_old_before_a_restart_is_old_after_it(begin):
    sender = V3Sender()
    old = sender.send(boots=7, time=500)
    async with begin() as running:
        with running.sender() as sock:
            await taken(running, sock, old)
            await taken(running, sock, sender.send(boots=7, time=5000))
    async with begin() as running:
        with running.sender() as sock:
            await taken(running, sock, old)
            assert running.tally.denied == {"notInTimeWindows": 1}
            await taken(running, sock, sender.send(boots=7, time=5001))
        assert running.tally.accepted == 1


@pytest.mark.parametrize("place", range(4))
async def test_a_wrong_signature_is_refused(begin, place):
    trap = bytearray(V3Sender().send(if_index(3)))
    at = (len(trap) // 4) * (place + 1) - 1
    trap[at] ^= 1
    async with begin() as running:
        with running.sender() as sock:
            await taken(running, sock, bytes(trap))
        assert running.tally.accepted == 0
        assert not running.basket.events
        assert running.tally.malformed + running.tally.denied.total() == 1


async def test_wrong_password_unknown_user_and_lower_level_are_told_apart(begin):
    wrong = V3Sender({**CREDENTIAL, "auth": {"sha256": "not the right one"}})
    plain = V3Sender({"user": "monitor", "auth": CREDENTIAL["auth"]})
    unsigned = V3Sender({"user": "monitor"})
    sealed = V3Sender({**CREDENTIAL, "priv": {"aes128": "not the right one"}})
    async with begin() as running:
        with running.sender() as sock:
            await taken(running, sock, wrong.send())
            await taken(running, sock, V3Sender({"user": "somebody"}).send())
            await taken(running, sock, plain.send())
            await taken(running, sock, unsigned.send())
            await taken(running, sock, sealed.send())
        assert running.tally.denied == {
            "wrongDigests": 1,
            "unknownUserNames": 1,
            "unsupportedSecLevels": 2,
            "decryptionErrors": 1,
        }
        running.source.summarise()
        told = {trap["denied"]["reason"]: trap["denied"]["count"] for trap in running.basket.traps}
        assert told == dict(running.tally.denied)
        assert {document["event"]["action"] for document in running.basket.documents} == {"trap-denied"}
        assert "battery" not in json.dumps(running.basket.documents)


async def test_two_users_of_one_name_are_told_apart_by_their_keys(start):
    other = {"user": "monitor", "auth": {"sha1": "another password"}}
    async with start(
        credentials=[CREDENTIAL, other, {**CREDENTIAL, "priv": {"aes256": "a third password"}}]
    ) as running:
        with running.sender() as sock:
            await taken(running, sock, V3Sender().send())
            await taken(running, sock, V3Sender(other, engine=b"\x80\0\0\0\x01").send())
        assert running.tally.accepted == 2


async def test_only_configured_engines_are_believed_where_some_are(begin):
    async with begin(engines=[ENGINE.hex()]) as running:
        with running.sender() as sock:
            await taken(running, sock, V3Sender().send())
            await taken(running, sock, V3Sender(engine=b"\x80\0\0\0\x01").send())
        assert running.tally.accepted == 1
        assert running.tally.denied == {"unbelievedEngine": 1}


async def test_the_three_steps_of_an_inform(begin):
    """Who are you? What time is it? The inform, and its Response."""
    async with begin() as running:
        with running.sender() as sock:
            sender = V3Sender()
            sock.send(sender.discovery())
            name, count, engine, boots, _ = report_of(await answer(sock))
            assert (name, count) == (stat(UNKNOWN_ENGINE), 1)
            assert engine == running.source.engine_id
            assert engine[0] & 0x80
            assert 5 <= len(engine) <= 32
            sock.send(sender.send(kind=INFORM, engine=engine, boots=0, time=0))
            name, _, _, boots, time = report_of(await answer(sock))
            assert name == stat(NOT_IN_TIME)
            assert boots == 1
            inform = sender.send(if_index(3), kind=INFORM, engine=engine, boots=boots, time=time)
            sock.send(inform)
            first = await answer(sock)
            sock.send(inform)
            assert await answer(sock), "an inform whose Response was lost is answered again"
        assert running.tally.handshakes == 2
        assert running.tally.accepted == 1
        assert running.tally.shed == {"duplicate": 1}
        assert running.tally.acknowledged == 2
        assert running.metric("informs_acknowledged_total") == 2
        assert len(first) > 60
        assert running.basket.actions == ["linkDown"]


async def test_an_inform_out_of_the_time_window_is_refused_with_a_signed_report(begin):
    clock = VirtualClock()
    async with begin(clock=clock) as running:
        clock.advance(1000)
        with running.sender() as sock:
            old = V3Sender().send(kind=INFORM, engine=running.source.engine_id, boots=1, time=500)
            sock.send(old)
            report = await answer(sock)
            name, _, _, boots, time = report_of(report)
            assert (name, boots, time) == (stat(NOT_IN_TIME), 1, 1000)
            assert report[report.index(b"\x04\x01") + 2] == 1, "authNoPriv"
        assert running.tally.denied == {"notInTimeWindows": 1}
        assert not running.basket.events


async def test_an_inform_for_another_engine_is_told_who_we_are(begin):
    """A sender that remembers the engine that we were before our state was lost."""
    async with begin() as running:
        with running.sender() as sock:
            sock.send(V3Sender().send(kind=INFORM, engine=ENGINE))
            name, _, engine, _, _ = report_of(await answer(sock))
            assert (name, engine) == (stat(UNKNOWN_ENGINE), running.source.engine_id)
        assert not running.basket.events


@pytest.mark.parametrize(
    ("credential", "number"),
    [
        ({"user": "somebody"}, UNKNOWN_USER),
        ({"user": "monitor"}, UNSUPPORTED),
        ({**CREDENTIAL, "auth": {"sha256": "not the right one"}}, WRONG_DIGEST),
    ],
)
async def test_an_inform_that_is_refused_is_told_why(begin, credential, number):
    async with begin() as running:
        with running.sender() as sock:
            sock.send(V3Sender(credential).send(kind=INFORM, engine=running.source.engine_id))
            assert report_of(await answer(sock))[0] == stat(number)


async def test_a_trap_that_is_refused_is_met_with_silence(begin):
    async with begin() as running:
        with running.sender() as sock:
            await taken(running, sock, V3Sender({"user": "somebody"}).send())
            await taken(running, sock, V3Sender({"user": "monitor"}).send())
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)


async def test_our_engine_keeps_its_id_and_counts_its_boots(begin, tmp_path):
    async with begin() as running:
        first = running.source.engine_id
    async with begin() as running:
        assert running.source.engine_id == first
    kept = json.loads((tmp_path / "engine.json").read_text())
    assert kept["boots"] == 2
    (tmp_path / "engine.json").write_text('{"engine_id": "80')
    async with begin() as running:
        assert running.source.engine_id != first, "boots that are lost are never counted anew under the same id"
    async with begin(engine_id="8000000001020304") as running:
        assert running.source.engine_id.hex() == "8000000001020304"


async def test_net_snmp_s_inform_survives_our_restart(start, sender):
    async with start() as running:
        port = running.port
        status, output = await sender.trap(port, "1", LINK_DOWN, user="sha256aes", program="snmpinform")
        assert status == 0, output
    async with start(port=port) as running:
        status, output = await sender.trap(port, "1", LINK_DOWN, user="sha256aes", program="snmpinform")
        assert status == 0, output
        assert running.tally.acknowledged == 1


def test_state_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Permanent, match="engine's state"):
        Engines(tmp_path / "file" / "engine.json", VirtualClock().monotonic).start()


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "{}", "nonsense", '{"engine_id": "zz", "boots": 1}', '{"engine_id": "8000000001", "boots": -1}',
        '{"engine_id": "8000000001", "boots": "1"}', '{"engine_id": "8000000001", "boots": 1, "engines": {"80": [1]}}',
        '{"engine_id": "8000000001", "boots": 1, "engines": []}', '{"engine_id": 7, "boots": 1}',
    ],
)  # fmt: skip
def test_state_that_is_broken_gives_another_engine(tmp_path, content):
    path = tmp_path / "engine.json"
    path.write_text(content)
    engines = Engines(path, VirtualClock().monotonic)
    engines.start(lambda size: b"\x07" * size)
    assert engines.id.endswith(b"\x05" + b"\x07" * 12)
    assert engines.boots == 1


async def test_who_wants_no_report_gets_none(begin):
    """Only what is marked reportable is answered (RFC 3412, 7.1), so that nobody is made to answer a forged trap."""
    async with begin() as running:
        ours = running.source.engine_id
        stranger = V3Sender({"user": "somebody"})
        with running.sender() as sock:
            await taken(running, sock, stranger.send(engine=ours))
            await taken(running, sock, V3Sender({"user": "monitor"}).send(engine=ours))
            await taken(running, sock, stranger.send(engine=b"", kind=INFORM, reportable=False))
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        assert running.tally.accepted == 0
