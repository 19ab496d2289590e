"""Storms: what is shed is counted exactly, by device, and nobody suffers from another's storm."""

from __future__ import annotations

import asyncio

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.snmp_trap.storms import DEVICE, STRANGERS, TOTAL, Admission
from fenghuo_agent.snmp import ber

from .datagrams import AUTHENTICATION_FAILURE, COLD_START, if_index, trap_1, trap_2c


def storms(running) -> dict[str, dict]:
    """What the summaries say was shed, by address."""
    return {
        document.get("source", {}).get("ip", ""): document["fenghuo"]["trap"]["shed"]
        for document in running.basket.documents
        if document["event"]["action"] == "trap-storm"
    }


async def test_a_storm_is_cut_to_the_burst_and_told_with_exact_counts(start):
    clock = VirtualClock()
    async with start(clock=clock, device_burst=10, device_rate=1, name_of={"127.0.0.3": "loud"}.get) as running:
        with running.sender("127.0.0.3") as loud, running.sender("127.0.0.2") as quiet:
            for number in range(300):
                loud.send(trap_2c(number=number) if number % 3 else trap_2c(AUTHENTICATION_FAILURE, number=number))
            quiet.send(trap_2c(COLD_START))
        await running.until(lambda: running.tally.received == 301)
        assert running.tally.accepted == 11
        assert running.tally.shed == {DEVICE: 290}
        assert running.basket.actions.count("coldStart") == 1
        running.source.summarise()
        (host,) = storms(running)
        shed = storms(running)[host]
        assert host == "127.0.0.3"
        assert shed["count"] == 290
        assert shed["reasons"] == {DEVICE: 290}
        assert shed["kinds"] == [
            {"name": "linkDown", "count": 194},
            {"name": "authenticationFailure", "count": 96},
        ]
        assert running.basket.documents[-1]["host"] == {"name": "loud", "ip": ["127.0.0.3"]}
        before = len(running.basket.events)
        running.source.summarise()
        assert len(running.basket.events) == before, "what was told is not told again"
        assert running.metric("shed_total", reason=DEVICE) == 290
        assert running.metric("received_total", version="2c") == 301
        assert running.metric("accepted_total") == 11


async def test_after_a_pause_a_device_is_heard_again(start):
    clock = VirtualClock()
    async with start(clock=clock, device_burst=2, device_rate=0.5) as running:
        with running.sender() as device:
            for number in range(5):
                device.send(trap_2c(number=number))
            await running.until(lambda: running.tally.received == 5)
            assert running.tally.accepted == 2
            clock.advance(2)
            for number in range(3):
                device.send(trap_2c(number=number))
            await running.until(lambda: running.tally.received == 8)
        assert running.tally.accepted == 3
        assert running.tally.shed == {DEVICE: 5}


async def test_forged_senders_share_one_allowance_and_do_not_touch_known_devices(start):
    clock = VirtualClock()
    async with start(clock=clock, strangers_rate=4, total_rate=1000, total_burst=1000) as running:
        with running.sender("127.0.0.2") as known:
            known.send(trap_2c())
            await running.until(lambda: running.tally.accepted == 1)
            for number in range(1, 101):
                with running.sender(f"127.0.3.{number}") as forged:
                    forged.send(trap_2c(community="wrong"))
            known.send(trap_2c(COLD_START))
            await running.until(lambda: running.tally.received == 102)
        assert running.tally.accepted == 2
        assert running.tally.denied == {"community": 19}
        assert running.tally.shed == {STRANGERS: 81}
        running.source.summarise()
        assert sum(shed["count"] for shed in storms(running).values()) == 81


async def test_traps_of_version_1_that_are_shed_are_told_by_name(start):
    clock = VirtualClock()
    async with start(clock=clock, device_burst=1, device_rate=0.001) as running:
        with running.sender() as device:
            device.send(trap_1((1, 3, 6, 1, 4, 1, 318), 2, 0, if_index(1)))
            device.send(trap_1((1, 3, 6, 1, 4, 1, 318), 2, 0, if_index(1)))
            device.send(trap_1((1, 3, 6, 1, 4, 1, 99999), 6, 300))
            device.send(b"\x30\x06\x02\x01\x00\x04\x01a")
            await running.until(lambda: running.tally.received == 4)
        running.source.summarise()
        kinds = {each["name"]: each["count"] for each in storms(running)["127.0.0.1"]["kinds"]}
        assert kinds == {"linkDown": 1, "1.3.6.1.4.1.99999.0.300": 1, "unknown of version 1": 1}


async def test_strangers_beyond_those_told_apart_are_summed(start):
    clock = VirtualClock()
    async with start(clock=clock, strangers_rate=0.2) as running:
        for number in range(300):
            with running.sender(f"127.0.{4 + number // 250}.{1 + number % 250}") as forged:
                forged.send(trap_2c(community="wrong"))
            if number % 50 == 49:
                await running.until(lambda sent=number + 1: running.tally.received == sent)
        running.source.summarise()
        told = storms(running)
        assert sum(shed["count"] for shed in told.values()) == running.tally.shed[STRANGERS] == 299
        assert told[""]["count"] > 1
        assert len(told) <= 257


async def test_a_flood_through_the_kernel_is_accounted_for_to_the_last_datagram(start):
    """Sent = received + dropped by the kernel; received = accepted + shed; the loop goes on turning meanwhile."""
    sent = 0
    async with start(receive_buffer=8192) as running:
        with running.sender() as flood:
            for _ in range(10):
                for number in range(400):
                    flood.send(trap_2c(number=number))
                    sent += 1
                await asyncio.sleep(0)
        await running.until(
            lambda: running.source.read_drops() or running.tally.received + running.tally.kernel_drops == sent
        )
        assert running.tally.kernel_drops > 0
        assert running.tally.received == running.tally.accepted + running.tally.shed[DEVICE]
        running.source.summarise()
        overflow = [each for each in running.basket.documents if each["event"]["action"] == "trap-overflow"]
        assert sum(each["fenghuo"]["trap"]["dropped"]["count"] for each in overflow) == running.tally.kernel_drops
        assert running.metric("kernel_drops_total") == running.tally.kernel_drops


async def test_one_turn_of_the_loop_takes_a_bounded_number_of_datagrams(start):
    async with start() as running:
        turns: list[int] = []
        with running.sender() as flood:
            for number in range(600):
                flood.send(trap_2c(number=number))
        while running.tally.received < 600:
            await asyncio.sleep(0)
            turns.append(running.tally.received)
        assert max(after - before for before, after in zip([0, *turns], turns, strict=False)) <= 128


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def admission(clock: VirtualClock, **options) -> Admission:
    settings = {"device": (1, 10), "total": (1000, 1000), "strangers": 1000.0, "max_devices": 16, **options}
    return Admission(clock.monotonic, **settings)


def test_the_table_of_devices_is_bounded_and_keeps_those_that_send_too_much(clock):
    gate = admission(clock, max_devices=2)
    for host in ("a", "b"):
        gate.believe(host)
        for _ in range(9):
            assert not gate.refuse(host)
        assert gate.refuse(host) == DEVICE
    gate.believe("c")
    assert not gate.knows("c")
    assert gate.refuse("a") == DEVICE
    clock.advance(100)
    gate.believe("c")
    assert gate.knows("c")
    assert len(gate) == 2


def test_the_total_is_a_bound_over_all_devices(clock):
    gate = admission(clock, total=(5, 5))
    hosts = [str(number) for number in range(10)]
    for host in hosts:
        gate.believe(host)
    assert [gate.refuse(host) for host in hosts] == [""] * 5 + [TOTAL] * 5


def test_values_are_bounded_in_number_and_size():
    from fenghuo_agent.inputs.snmp_trap.notification import Notification
    from fenghuo_agent.inputs.snmp_trap.translate import Limits, content_of
    from fenghuo_agent.profiles.traps import Notices

    name = ber.oid((1, 3, 6, 1, 4, 1, 99999, 1))[2:]
    many = [ber.Varbind(name, ber.OCTETS, b"x" * 5000)] * 100
    content = content_of(Notification(2, False, (1, 3, 6), varbinds=many), Notices(), Limits(8, 64))
    assert content.omitted == 92
    assert [len(each["value"]) for each in content.others] == [64] * 8


async def test_who_is_not_believed_is_told_when_it_begins_and_then_every_hour(start):
    clock = VirtualClock()
    async with start(clock=clock, name_of={"127.0.0.5": "printer"}.get) as running:

        def told() -> list[tuple[str, int]]:
            return [
                (document["source"]["ip"], document["fenghuo"]["trap"]["denied"]["count"])
                for document in running.basket.documents
                if document["event"]["action"] == "trap-denied"
            ]

        async def send(count: int) -> None:
            before = running.tally.received
            with running.sender("127.0.0.5") as sock:
                for _ in range(count):
                    sock.send(trap_2c(community="wrong"))
                await running.until(lambda: running.tally.received == before + count)
            running.source.summarise()

        await send(3)
        assert told() == [("127.0.0.5", 3)]
        assert "printer" in running.basket.documents[-1]["message"]
        assert "wrong" not in str(running.basket.documents).replace("is wrong", "")
        for _ in range(59):
            clock.advance(60)
            await send(1)
        assert told() == [("127.0.0.5", 3)]
        clock.advance(60)
        await send(1)
        assert told() == [("127.0.0.5", 3), ("127.0.0.5", 60)]
        await send(2)
    assert told()[-1] == ("127.0.0.5", 2), "the rest is told at the end"


def test_the_list_of_those_not_believed_is_bounded():
    from fenghuo_agent.inputs.snmp_trap.summary import MAX_DENIED, Denials

    denials = Denials()
    for number in range(2000):
        denials.add(str(number), "community", 0)
    due = denials.due(1, every=3600)
    assert len(due) == MAX_DENIED + 1
    assert sum(each.count for each in due) == 2000
    assert denials.due(5000, every=3600) == []
    denials.add("new", "community", 5001)
    assert [each.host for each in denials.due(5002, every=3600)] == ["new"]


def test_kinds_beyond_those_told_apart_are_summed():
    from fenghuo_agent.inputs.snmp_trap.summary import MAX_KINDS, Summary, storm_document
    from fenghuo_agent.profiles.traps import Notices

    summary = Summary(lambda _: True)
    for number in range(100):
        summary.shed("10.0.0.1", DEVICE, 1, ber.oid((1, 3, 6, 1, 4, 1, 99999, 0, number))[2:])
    document = storm_document("10.0.0.1", "", summary.take()["10.0.0.1"], Notices(), 60)
    kinds = {each["name"]: each["count"] for each in document["fenghuo"]["trap"]["shed"]["kinds"]}
    assert kinds.pop("others") == 100 - MAX_KINDS
    assert len(kinds) == MAX_KINDS
