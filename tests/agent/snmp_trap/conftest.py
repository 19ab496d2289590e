"""A listening input on loopback, what it hands on, and net-snmp's own senders."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Asset, Event, Table
from fenghuo_agent.inputs.snmp_trap import SnmpTrapConfig
from fenghuo_agent.inputs.snmp_trap.input import SnmpTrapInput
from fenghuo_agent.profiles import Library
from fenghuo_agent.profiles.traps import Notices
from servers.process import free_port, need
from servers.snmpd import PASSWORD, SECRET, USERS

COMMUNITY = "trap-community"
AUTH = {"SHA": "sha1", "MD5": "md5"}
PRIV = {"AES": "aes128", "AES192": "aes192", "AES256": "aes256", "AES256C": "aes256c", "DES": "des"}
LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
SECONDS = 10.0


class Basket:
    """An accumulator that keeps events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def table(self, table: Table) -> None:
        raise AssertionError(table)

    def asset(self, asset: Asset) -> None:
        raise AssertionError(asset)

    def event(self, event: Event) -> None:
        self.events.append(event)

    @property
    def documents(self) -> list[dict]:
        return [event.document for event in self.events]

    @property
    def traps(self) -> list[dict]:
        return [document["fenghuo"]["trap"] for document in self.documents]

    @property
    def actions(self) -> list[str]:
        return [document["event"]["action"] for document in self.documents]


@pytest.fixture(scope="session")
def library() -> Library:
    return Library.load()


@pytest.fixture(scope="session")
def notices(library: Library) -> Notices:
    return Notices.of(library)


def credentials() -> list[dict]:
    """The test community, and each of snmpd's test users."""
    found: list[dict] = [{"community": COMMUNITY}]
    for name, (auth, priv) in USERS.items():
        entry: dict = {"user": name, "auth": {AUTH.get(auth) or auth.replace("-", "").lower(): PASSWORD}}
        if priv:
            entry["priv"] = {PRIV[priv]: SECRET}
        found.append(entry)
    return found


class Running:
    """A listening input, with what it made so far."""

    def __init__(self, source: SnmpTrapInput, basket: Basket, port: int, registry: CollectorRegistry) -> None:
        self.source = source
        self.basket = basket
        self.port = port
        self.registry = registry

    @property
    def tally(self):
        return self.source.tally

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"fenghuo_agent_snmp_trap_{name}", labels)

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for a condition; fail where it does not come true."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(
                    f"waited in vain {what}: {self.basket.documents} denied {self.tally.denied} "
                    f"malformed {self.tally.malformed} handshakes {self.tally.handshakes}"
                )
            await asyncio.sleep(0.01)

    async def events(self, count: int = 1) -> list[dict]:
        await self.until(lambda: len(self.basket.events) >= count, f"for {count} events")
        return self.basket.documents

    def sender(self, host: str = "127.0.0.1") -> socket.socket:
        """A socket that is connected to it, bound to `host`."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        sock.connect(("::1" if ":" in host else "127.0.0.1", self.port))
        return sock


Start = Callable[..., "contextlib.AbstractAsyncContextManager[Running]"]


@pytest.fixture
def start(tmp_path: Path, library: Library) -> Start:
    """Starts an input; options of the section by name, beside `clock`, `name_of` and `poke`."""

    @contextlib.asynccontextmanager
    async def begin(
        *, clock=None, name_of=None, poke=None, state: str = "engine.json", **options
    ) -> AsyncIterator[Running]:
        port = options.pop("port", None) or free_port(socket.SOCK_DGRAM)
        settings = {"listen": [f"127.0.0.1:{port}"], "credentials": credentials(), **options}
        registry = CollectorRegistry()
        source = SnmpTrapInput(
            SnmpTrapConfig.model_validate(settings),
            credentials=list,
            library=lambda: library,
            state=tmp_path / state,
            clock=clock or SystemClock(),
            random=random.Random(7),
            registry=registry,
            name_of=name_of,
            poke=poke,
        )
        basket = Basket()
        task = asyncio.create_task(source.run(basket))
        running = Running(source, basket, port, registry)
        try:
            await running.until(lambda: task.done() or source.listening, "for it to listen")
            if task.done():
                task.result()
            yield running
            assert source.tally.received == source.tally.judged
            assert not task.done() or task.exception() is None
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return begin


class Sender:
    """net-snmp's snmptrap and snmpinform, with persistent state of their own."""

    def __init__(self, folder: Path) -> None:
        need("snmptrap", "snmp")
        need("snmpinform", "snmp")
        self.folder = folder

    async def run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Exit status and what it says."""
        import os

        environment = {
            **os.environ,
            "SNMP_PERSISTENT_DIR": str(self.folder),
            "MIBS": "",
            "SNMPCONFPATH": str(self.folder),
        }
        process = await asyncio.create_subprocess_exec(
            need(program, "snmp"),
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode or 0, output.decode(errors="replace")

    async def trap(
        self, target: object, *what: str, program: str = "snmptrap", version: str = "2c", user: str = "", extra=()
    ):
        """Send one; exit status and what the program says."""
        access = ["-v3", *user_options(user)] if user else [f"-v{version}", "-c", COMMUNITY]
        return await self.run(
            program,
            *access,
            *extra,
            "-t",
            "1",
            "-r",
            "2",
            f"127.0.0.1:{target}" if isinstance(target, int) else str(target),
            *what,
        )


def user_options(user: str) -> list[str]:
    """net-snmp's options for a test user."""
    auth, priv = USERS[user]
    options = ["-u", user, "-l", "authPriv" if priv else "authNoPriv", "-a", auth, "-A", PASSWORD]
    return [*options, "-x", priv, "-X", SECRET] if priv else options


@pytest.fixture
def sender(tmp_path: Path) -> Sender:
    folder = tmp_path / "net-snmp"
    folder.mkdir()
    return Sender(folder)
