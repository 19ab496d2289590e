"""Traps: what one costs, and what a flood of 20,000 a second does to the agent's event loop and to other devices.

The sender is a process of its own on the other core. Every trap that it sent must be found again: as an event, as shed, or
as dropped by the kernel. Run: `python -m bench.traps`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from bench.process import cost, machine
from fenghuo.clock import SystemClock
from fenghuo.model import Asset, Event, Table
from fenghuo_agent.inputs.snmp_trap import SnmpTrapConfig
from fenghuo_agent.inputs.snmp_trap.input import SnmpTrapInput
from fenghuo_agent.profiles.library import Library
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.message import TRAP_2, request
from fenghuo_agent.snmp.usm import Engine, User, message

COMMUNITY = "bench"
USER = {"user": "monitor", "auth": {"sha256": "correct horse battery"}, "priv": {"aes128": "staple correct horse"}}
RATE = 20_000
SECONDS = 5.0
QUIET_DEVICES = 50
QUIET_RATE = 1.0
FLOODER = "127.0.9.1"
SOME = 20_000
ENGINE = bytes.fromhex("80001f8804") + b"bench-device"


class Counter:
    """An accumulator that counts events by the address that they are of."""

    def __init__(self) -> None:
        self.events: dict[str, int] = {}
        self.storms: dict[str, int] = {}

    def table(self, table: Table) -> None: ...

    def asset(self, asset: Asset) -> None: ...

    def event(self, event: Event) -> None:
        document = event.document
        host = document.get("source", {}).get("ip", "")
        shed = document["fenghuo"]["trap"].get("shed")
        if shed:
            self.storms[host] = self.storms.get(host, 0) + shed["count"]
        else:
            self.events[host] = self.events.get(host, 0) + 1


def link_down(number: int) -> bytes:
    """The variable bindings of a linkDown, with an uptime of its own."""

    def bind(name: tuple[int, ...], tag: int, value: bytes) -> bytes:
        return ber.tlv(ber.SEQUENCE, ber.oid(name) + ber.tlv(tag, value))

    column = (1, 3, 6, 1, 2, 1, 2, 2, 1)
    return (
        bind((1, 3, 6, 1, 2, 1, 1, 3, 0), ber.TIMETICKS, number.to_bytes(5))
        + bind((1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0), ber.OID, ber.oid((1, 3, 6, 1, 6, 3, 1, 1, 5, 3))[2:])
        + bind((*column, 1, 7), ber.INTEGER, b"\x07")
        + bind((*column, 2, 7), ber.OCTETS, b"GigabitEthernet1/0/7")
        + bind((*column, 7, 7), ber.INTEGER, b"\x01")
        + bind((*column, 8, 7), ber.INTEGER, b"\x02")
    )


def v2c(number: int, community: str = COMMUNITY) -> bytes:
    """A linkDown of version 2c."""
    pdu = request(TRAP_2, number, link_down(number))
    return ber.tlv(ber.SEQUENCE, ber.integer(1) + ber.tlv(ber.OCTETS, community.encode()) + pdu)


class V3:
    """Makes linkDowns of version 3, signed and encrypted."""

    def __init__(self) -> None:
        self.user = User(Credential.model_validate(USER))
        self.auth, self.priv = self.user.keys(ENGINE)

    def trap(self, number: int) -> bytes:
        cipher = self.user.cipher
        assert cipher is not None
        pdu = request(TRAP_2, number, link_down(number))
        scoped = ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, ENGINE) + ber.tlv(ber.OCTETS, b"") + pdu)
        salt = cipher.salt(1, number)
        sealed = ber.tlv(ber.OCTETS, cipher.encrypt(self.priv, 1, 100, salt, scoped))
        engine = Engine(ENGINE, 1, 100, 0.0)
        return message(number, self.user.flags, engine, self.user.name, salt, sealed, self.user.digest, self.auth)


def build(folder: Path, port: int, **options: Any) -> SnmpTrapInput:
    settings = {"listen": [f"127.0.0.1:{port}"], "credentials": [{"community": COMMUNITY}, USER], **options}
    library = Library.load()
    return SnmpTrapInput(
        SnmpTrapConfig.model_validate(settings),
        credentials=list,
        library=lambda: library,
        state=folder / "engine.json",
        clock=SystemClock(),
        random=random.Random(1),
        registry=CollectorRegistry(),
    )


class _Deaf:
    """Stands in for the socket: nothing is answered."""

    def reply(self, datagram: bytes, peer: tuple[Any, ...]) -> bool:
        del datagram, peer
        return True


def per_cpu_second(folder: Path, datagrams: list[bytes], **options: Any) -> int:
    """Datagrams judged per CPU-second, from the buffer to the event handed on; the kernel's share is left out."""
    source = build(folder, 1162, **options)
    counter = Counter()
    source.hand_to(counter)
    buffers = [bytearray(datagram) for datagram in datagrams]
    began = time.process_time()
    for buffer in buffers:
        source.take(_Deaf(), buffer, len(buffer), (FLOODER, 1))  # type: ignore[arg-type]
    seconds = time.process_time() - began
    assert source.tally.received == source.tally.judged == len(datagrams)
    return round(len(datagrams) / seconds)


WIDE = {"device_rate": 10_000, "device_burst": 100_000, "total_rate": 100_000, "total_burst": 1_000_000}


def single_costs() -> dict[str, int]:
    """What one trap costs: taken (v2c, v3), denied, shed."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        plain = [v2c(number) for number in range(SOME)]
        maker = V3()
        sealed = [maker.trap(number) for number in range(SOME // 4)]
        foreign = [v2c(number, "wrong") for number in range(SOME)]
        wide = {**WIDE, "strangers_rate": 100_000}
        return {
            "taken_v2c_per_cpu_second": per_cpu_second(folder, plain, **wide),
            "taken_v3_authpriv_per_cpu_second": per_cpu_second(folder, sealed, **wide),
            "denied_per_cpu_second": per_cpu_second(folder, foreign, **wide),
            "shed_per_cpu_second": per_cpu_second(folder, plain, device_rate=1, device_burst=1),
        }


def flood(port: int, rate: int, seconds: float, core: int | None, results: Any) -> None:
    """Send `rate` traps a second from one device, and a few from others; put how many of each were sent."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    quiet = [_sender(f"127.0.8.{1 + number}", port) for number in range(QUIET_DEVICES)]
    loud = _sender(FLOODER, port)
    datagrams = [v2c(number) for number in range(256)]
    sent = sent_quiet = 0
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * rate)
        while sent < due:
            loud.send(datagrams[sent & 255])
            sent += 1
        due = int(elapsed * QUIET_RATE * QUIET_DEVICES)
        while sent_quiet < due:
            quiet[sent_quiet % QUIET_DEVICES].send(datagrams[sent_quiet & 255])
            sent_quiet += 1
        time.sleep(0.001)
    results.put((sent, sent_quiet, time.monotonic() - began))


def _sender(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    made.connect(("127.0.0.1", port))
    return made


async def beat(delays: list[float], interval: float = 0.005) -> None:
    """How late the event loop wakes a task that sleeps."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        delays.append(loop.time() - due)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what only looking tells."""
    while not condition():  # noqa: ASYNC110 — the input sets no event for its bench
        await asyncio.sleep(0.005)


async def survive(folder: Path, rate: int, core: int | None, port: int = 11162) -> dict[str, Any]:
    """A flood through a real socket."""
    source = build(folder, port, summary_interval=1.0)
    counter = Counter()
    task = asyncio.create_task(source.run(counter))
    await until(lambda: source.listening)
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=flood, args=(port, rate, SECONDS, core, results))
    process.start()
    await until(lambda: source.tally.received)
    delays: list[float] = []
    ticking = asyncio.create_task(beat(delays))
    before = cost(os.getpid()).cpu
    sent, quiet, seconds = await asyncio.to_thread(results.get, True, 120)
    spent = cost(os.getpid()).cpu - before
    ticking.cancel()
    await asyncio.sleep(0.2)
    source.summarise()
    process.join()
    tally = source.tally
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    delays.sort()
    found = {
        "sent": sent + quiet,
        "sent_per_second": round((sent + quiet) / seconds),
        "received": tally.received,
        "accepted": tally.accepted,
        "shed": dict(tally.shed),
        "malformed": tally.malformed,
        "denied": dict(tally.denied),
        "kernel_drops": tally.kernel_drops,
        "told_in_summaries": sum(counter.storms.values()),
        "other_devices_sent": quiet,
        "other_devices_events": sum(count for host, count in counter.events.items() if host.startswith("127.0.8.")),
        "cpu_share": round(spent / seconds, 3),
        "loop_delay_ms_p50": round(delays[len(delays) // 2] * 1000, 2),
        "loop_delay_ms_p99": round(delays[int(len(delays) * 0.99)] * 1000, 2),
        "loop_delay_ms_max": round(delays[-1] * 1000, 2),
    }
    found["exact"] = (
        found["sent"] == tally.received + tally.kernel_drops
        and tally.received == tally.judged
        and found["told_in_summaries"] == tally.shed.total()
    )
    return found


async def idle(seconds: float = 2.0) -> dict[str, float]:
    """How late the event loop wakes a task on this machine when nothing else happens."""
    delays: list[float] = []
    ticking = asyncio.create_task(beat(delays))
    await asyncio.sleep(seconds)
    ticking.cancel()
    delays.sort()
    return {"loop_delay_ms_p99": round(delays[int(len(delays) * 0.99)] * 1000, 2)}


def run() -> dict[str, Any]:
    """All figures."""
    cores = sorted(os.sched_getaffinity(0))
    other = cores[1] if len(cores) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        try:
            if other is not None:
                os.sched_setaffinity(0, {cores[0]})
            return {
                "one": single_costs(),
                "idle": asyncio.run(idle()),
                "flood": asyncio.run(survive(Path(folder), RATE, other)),
                "flood_of_unbounded_speed": asyncio.run(survive(Path(folder), 1_000_000, other)),
            }
        finally:
            os.sched_setaffinity(0, set(cores))


def rows(found: dict[str, Any], verdict: Callable[[float, float], str]) -> list[tuple[str, str, str, str]]:
    """The figures for the table of `make bench`."""
    one, flooded, idle_ = found["one"], found["flood"], found["idle"]
    others = f"{flooded['other_devices_events']} of {flooded['other_devices_sent']}"
    delay = f"{flooded['loop_delay_ms_p99']} (idle {idle_['loop_delay_ms_p99']})"
    rate = flooded["sent_per_second"]
    return [
        ("traps: v2c traps made events, per CPU-second", f"{one['taken_v2c_per_cpu_second']:,}", "", ""),
        ("traps: v3 traps (SHA-256, AES-128) made events, per CPU-second", f"{one['taken_v3_authpriv_per_cpu_second']:,}", "", ""),
        ("traps: traps shed, per CPU-second", f"{one['shed_per_cpu_second']:,}", "", ""),
        ("traps: flood survived with exact counts, traps a second", f"{rate:,}", "≥ 20,000", verdict(rate if flooded["exact"] else 0, 20_000)),
        ("traps: share of a core during that flood", f"{flooded['cpu_share']:.0%}", "", ""),
        ("traps: delay of the event loop during that flood, p99, ms", delay, "", ""),
        ("traps: other devices' traps that came through during that flood", others, "", ""),
    ]  # fmt: skip


if __name__ == "__main__":
    print(machine())
    print(json.dumps(run(), indent=2))
