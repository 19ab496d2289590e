"""The demo as one process tree on loopback: simulated school, collector, agent, in a folder that goes with them."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fenghuo.demo import settings
from fenghuo.demo.children import Child, start, stop
from fenghuo.demo.counts import read_counts
from fenghuo.demo.receiver import Receiver
from fenghuo.demo.report import Report
from fenghuo.demo.sensors import SENSORS
from fenghuo.demo.settings import Addresses
from fenghuo.demo.simulator import COMMUNITY, HOST
from fenghuo.errors import FenghuoError

Result = TypeVar("Result")

USER = "demo"
START_SECONDS = 60.0
POLL_SECONDS = 10.0
AGENT_SECONDS, REST_SECONDS, COUNT_SECONDS = 0.7, 0.6, 0.3
"""What ending may take: the agent first, so that it can deliver what it has, then the others; under two seconds in all."""
DRAIN_SECONDS = 3.0
LOOK_EVERY = 0.05
_WORDS = ("beacon", "tower", "signal", "watch", "torch", "wall", "gate", "ridge")


class DemoError(FenghuoError):
    """The demo cannot go on."""


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds` after which it ends by itself (None: never); `seed` of the simulated school."""

    seconds: float | None = None
    as_json: bool = False
    seed: int = 1


@dataclass(slots=True)
class Demo:
    """One run of the demo."""

    options: Options
    folder: Path
    began: float = field(default_factory=time.monotonic)
    story: float | None = None
    children: list[Child] = field(default_factory=list[Child])
    addresses: Addresses | None = None
    polled: asyncio.Event = field(default_factory=asyncio.Event)
    listening: asyncio.Task[None] | None = None
    report: Report = field(init=False)
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.report = Report(as_json=self.options.as_json, now=self._story_seconds)
        self.receiver = Receiver(self.report.alert)

    def _story_seconds(self) -> float | None:
        return None if self.story is None else time.monotonic() - self.story

    async def play(self) -> None:
        """Start everything, then tell of what happens; returns when the time is up or nobody reads on."""
        self.report.say("烽火 Fenghuo — 正在启动一所模拟学校 starting a simulated school …")
        simulator, devices, password = await self._start()
        self._say_where(devices, password)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.polled.wait(), POLL_SECONDS)
        simulator.tell("begin")
        self.story = time.monotonic()
        while not self.report.unread:
            left = LOOK_EVERY
            if self.options.seconds is not None:
                left = self.options.seconds - (time.monotonic() - self.began)
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.5))

    async def _start(self) -> tuple[Child, dict[str, str], str]:
        """The simulator, where its devices are, and the password of the console's user."""
        self.addresses = addresses = Addresses(_free_port(), _free_port(), await self.receiver.start(HOST))
        arguments = ("-m", "fenghuo.demo.simulator", str(self.options.seed), str(addresses.broker))
        simulator = await self._child("school", *arguments, talks=True)
        password = f"{secrets.choice(_WORDS)}-{secrets.choice(_WORDS)}-{secrets.randbelow(10_000):04}"
        users = {USER: await asyncio.to_thread(_hash, password)}
        config = settings.collector_settings(addresses, users, self.folder)
        await self._fenghuo("collector", config)
        devices = await self._hear_devices(simulator)
        await self._wait_for(addresses.broker, "broker")
        await self._fenghuo("agent", settings.agent_settings(addresses, devices, self.folder))
        await self._wait_for(addresses.console, "console")
        return simulator, devices, password

    async def _fenghuo(self, side: str, config: dict[str, Any]) -> None:
        path = settings.write(self.folder / f"{side}.yaml", config)
        await self._child(
            side, "-c", "from fenghuo.cli import main; main()", side, "run", "-c", str(path), "--log-format", "text"
        )

    async def _child(self, name: str, *arguments: str, talks: bool = False) -> Child:
        child = await start(name, arguments, self.folder, talks=talks)
        self.children.append(child)
        return child

    async def _hear_devices(self, simulator: Child) -> dict[str, str]:
        """The first thing that the simulator says; what it says later is told as it comes."""
        stream = simulator.process.stdout
        assert stream is not None
        first = await asyncio.wait_for(stream.readline(), START_SECONDS)
        if not first:
            raise DemoError("the simulated school does not start")
        self.listening = asyncio.create_task(self._listen(stream))
        return dict(json.loads(first)["devices"])

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            told = json.loads(line)
            if "polled" in told:
                self.polled.set()
            else:
                self.report.happening(told)

    async def _wait_for(self, port: int, what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not await _listens(port):
            if time.monotonic() > deadline:
                raise DemoError(f"the collector's {what} does not answer within {START_SECONDS:.0f} s")
            await asyncio.sleep(LOOK_EVERY)

    def _say_where(self, devices: dict[str, str], password: str) -> None:
        assert self.addresses is not None
        self.report.welcome(self.addresses.console_url, USER, password, len(devices), len(SENSORS))
        if found := settings.subnet(devices):
            program = _program()
            self.report.try_this(f"{program} agent discover {found} -c {self.folder / 'agent.yaml'}")
            self.report.try_this(f"{program} survey {next(iter(devices.values()))} --community {COMMUNITY}")

    async def watched(self, part: Coroutine[Any, Any, Result]) -> Result:
        """The result of `part`; `DemoError` with its last words where a child ends meanwhile."""
        task = asyncio.ensure_future(part)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK_EVERY * 4)
                for child in self.children:
                    if child.ended and not task.done():
                        raise DemoError(_obituary(child))
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def end(self, *, drain: float) -> None:
        """Let the agent deliver what it has (at most `drain` seconds), say what was counted, end everything."""
        agents = [child for child in self.children if child.name == "agent"]
        others = [child for child in self.children if child.name != "agent"]
        await stop(agents, drain)
        if self.story is not None and self.addresses is not None:
            tally = self.report.tally
            counts = await read_counts(self.addresses.console_url, COUNT_SECONDS)
            self.report.summary({**counts, "alerts_fired": tally.fired, "alerts_resolved": tally.resolved})
        await stop(others, REST_SECONDS)

    async def abandon(self) -> None:
        """Kill what is left."""
        self.receiver.close()
        if self.listening is not None:
            self.listening.cancel()
        await stop(self.children, 0)


async def run(options: Options) -> signal.Signals | None:
    """Run the demo; the signal that ended it, or None where its time was up. Raises `DemoError`."""
    folder = Path(tempfile.mkdtemp(prefix="fenghuo-demo-"))
    try:
        return await _run(Demo(options, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _run(demo: Demo) -> signal.Signals | None:
    received: list[signal.Signals] = []
    playing = asyncio.ensure_future(demo.watched(demo.play()))

    def hear(number: signal.Signals) -> None:
        received.append(number)
        playing.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, hear, number)
    try:
        await asyncio.wait({playing})
        if not playing.cancelled():
            playing.result()
        await demo.end(drain=AGENT_SECONDS if received else DRAIN_SECONDS)
        if demo.report.unread:
            raise BrokenPipeError
        return received[0] if received else None
    finally:
        await demo.abandon()


def _obituary(child: Child) -> str:
    how = f"exit status {child.process.returncode}"
    words = child.last_words()
    return f"the {child.name} ended unexpectedly ({how})" + (f"; its last words:\n{words}" if words else "")


def _program() -> str:
    """How this program is called from here: by its name where the shell finds it, else by its path."""
    beside = Path(sys.executable).with_name("fenghuo")
    if shutil.which("fenghuo") or not beside.exists():
        return "fenghuo"
    return str(beside.relative_to(Path.cwd())) if beside.is_relative_to(Path.cwd()) else str(beside)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


def _hash(password: str) -> str:
    """An Argon2id hash, as the collector's configuration takes it; imported late, it belongs to the collector's extra."""
    return importlib.import_module("argon2").PasswordHasher().hash(password)
