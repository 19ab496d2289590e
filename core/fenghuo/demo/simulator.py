"""The simulated school as a process of its own: `python -m fenghuo.demo.simulator SEED BROKER_PORT`.

It says on standard output, one JSON object a line: where its devices answer, that all have been asked, what happens. Things begin to go wrong when it reads a line; it ends by SIGTERM, or when its standard input ends because the
demo is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fenghuo.clock import Clock, SystemClock
from fenghuo.demo import objects, sensors
from fenghuo.demo.faults import Happening, Story
from fenghuo.demo.plan import UPS, build
from fenghuo.demo.school import Device, School
from fenghuo.demo.snmp_server import Agent, serve
from fenghuo.demo.usm import User

HOST = "127.0.0.1"
PORTS = range(16161, 16261)
"""Where all devices answer, each at its own address: the first that is free."""
COMMUNITY = "demo"
USER, PASSWORD = "monitor", "烽火-beacon-tower"
"""Known to everyone who reads this: what it lets in to is simulated, and on loopback."""
BY_USER = frozenset({UPS})
"""Devices that speak SNMPv3."""
ENGINE = bytes.fromhex("800186a0") + b"\x04" + b"fenghuo-demo"
TICK = 0.5
POLLED = 8
"""Answers after which a device counts as polled: learning its rows takes some."""


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def describe(happening: Happening) -> dict[str, Any]:
    """A happening as the simulator tells it."""
    fault, begins = happening.fault, happening.phase == "begins"
    return {
        "time": happening.time,
        "fault": fault.name,
        "phase": happening.phase,
        "title": fault.title if begins else fault.mended,
        "title_zh": fault.title_zh if begins else fault.mended_zh,
    }


@dataclass(slots=True)
class _Served:
    """Every device's agent, and where it listens (`host:port`)."""

    agents: list[Agent]
    places: dict[str, str]
    transports: list[asyncio.DatagramTransport]

    @property
    def asked(self) -> bool:
        """Whether all devices have been polled."""
        return all(agent.answered >= POLLED for agent in self.agents)

    def close(self) -> None:
        for transport in self.transports:
            transport.close()


def _user(clock: Clock) -> User:
    began = clock.monotonic()
    return User(USER, PASSWORD, ENGINE, lambda: int(clock.monotonic() - began))


async def _serve_devices(school: School, clock: Clock) -> _Served:
    """Start every device's agent, all on one port if that can be."""
    served = _Served([], {}, [])
    port = _common_port([device.address for device in school.devices.values()])

    def up_to_date(device: Device) -> bool:
        school.advance(clock.now())
        return device.alive

    for device in school.devices.values():
        agent = Agent(
            objects.view(school, device),
            COMMUNITY,
            lambda device=device: up_to_date(device),
            device.max_size,
            _user(clock) if device.name in BY_USER else None,
        )
        transport = await serve(agent, port, device.address if port else HOST)
        served.agents.append(agent)
        served.transports.append(transport)
        host, bound = transport.get_extra_info("sockname")[:2]
        served.places[device.name] = f"{host}:{bound}"
    return served


def _common_port(hosts: Sequence[str]) -> int:
    """A UDP port that is free on all these addresses; 0 where this system has only one loopback address."""
    for port in PORTS:
        with contextlib.ExitStack() as held:
            try:
                for host in hosts:
                    sock = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    sock.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    return 0
                continue
            return port
    return 0


async def simulate(seed: int, broker_port: int, clock: Clock, begun: asyncio.Event) -> None:
    """Run the school until cancelled; nothing goes wrong in it before `begun`."""
    school = build(seed, clock.now())
    story: Story | None = None
    served = await _serve_devices(school, clock)
    _say({"devices": served.places})
    told = False
    publishing = asyncio.create_task(sensors.publish(school, seed, HOST, broker_port))
    try:
        while not publishing.done():
            now = clock.now()
            if story is None and begun.is_set():
                story = Story(school, now)
            for happening in story.advance(now) if story else ():
                _say(describe(happening))
            if served.asked and not told:
                told = True
                _say({"polled": len(served.agents)})
            await asyncio.sleep(TICK)
        publishing.result()
    finally:
        publishing.cancel()
        served.close()


async def _main(seed: int, broker_port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped, begun = asyncio.Event(), asyncio.Event()

    def hear() -> None:
        heard = os.read(sys.stdin.fileno(), 4096)
        (begun if heard else stopped).set()
        if not heard:
            loop.remove_reader(sys.stdin.fileno())

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_reader(sys.stdin.fileno(), hear)
    running = asyncio.create_task(simulate(seed, broker_port, SystemClock(), begun))
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    running.cancel()
    await asyncio.wait({running})


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
