"""A recorder of what an input hands on, and devices that answer as a test wants, well or badly."""

from __future__ import annotations

import asyncio
import contextlib
import random
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Asset, Event, Table
from fenghuo_agent.inputs.snmp import SnmpConfig
from fenghuo_agent.inputs.snmp.input import SnmpInput
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.message import GET, GET_BULK, NO_SUCH_NAME, RESPONSE, TOO_BIG
from servers.snmpd import COMMUNITY, Snmpd, has_ipv6, snmpd

IF = (1, 3, 6, 1, 2, 1, 2, 2, 1)
IFX = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
SYS = (1, 3, 6, 1, 2, 1, 1)


class Recorder:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.assets: list[Asset] = []

    def table(self, table: Table) -> None:
        self.tables.append(table)

    def event(self, event: Event) -> None: ...

    def asset(self, asset: Asset) -> None:
        self.assets.append(asset)

    def last(self, name: str, *, ended: bool = False) -> Table:
        """The newest table of that name."""
        return next(table for table in reversed(self.tables) if table.layout.name == name and table.ended is ended)

    def value(self, table: str, field: str, row: int = 0):
        """A value of the newest table of that name."""
        found = self.last(table)
        return found.columns[found.layout.positions[field]][row]

    def ended(self) -> list[tuple[str, str]]:
        """Table and, where there is one, ifName of each row that ended."""
        return [
            (table.layout.name, row.get("ifName", ""))
            for table in self.tables
            if table.ended
            for row in table.layout.rows
        ]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


MakeInput = Callable[..., SnmpInput]


@pytest.fixture
def make_input() -> MakeInput:
    """An input for addresses, with quick time-outs; options of the section by name."""

    def make(*addresses: str, clock=None, credential: dict | None = None, **options) -> SnmpInput:
        settings = {
            "devices": [{"address": address} if isinstance(address, str) else address for address in addresses],
            "credentials": [credential or {"community": COMMUNITY}],
            "timeout": 0.3,
            "retries": 1,
            "deadline": 10,
            **options,
        }
        config = SnmpConfig.model_validate(settings)
        return SnmpInput(config, clock=clock or SystemClock(), random=random.Random(7), registry=CollectorRegistry())

    return make


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    """One real snmpd for all tests that do not restart it."""
    hosts = ("127.0.0.1", "::1") if has_ipv6() else ("127.0.0.1",)
    folder: Path = tmp_path_factory.mktemp("snmpd")
    with snmpd(folder, hosts=hosts) as running:
        yield running


def integer(value: int) -> tuple[int, bytes]:
    return ber.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True)


def unsigned(tag: int, value: int) -> tuple[int, bytes]:
    return tag, value.to_bytes(value.bit_length() // 8 + 1)


def octets(text: str) -> tuple[int, bytes]:
    return ber.OCTETS, text.encode()


class Objects(dict[tuple[int, ...], tuple[int, bytes]]):
    """A device's objects, which know their order."""

    order: list[tuple[int, ...]] | None = None

    def __setitem__(self, name: tuple[int, ...], value: tuple[int, bytes]) -> None:
        if name not in self:
            self.order = None
        super().__setitem__(name, value)

    def __delitem__(self, name: tuple[int, ...]) -> None:
        self.order = None
        super().__delitem__(name)

    def after(self, name: tuple[int, ...]) -> tuple[int, ...] | None:
        if self.order is None:
            self.order = sorted(self)
        place = bisect_right(self.order, name)
        return self.order[place] if place < len(self.order) else None


class FakeDevice(asyncio.DatagramProtocol):
    """A v1/v2c agent over a dictionary of objects, which tests bend: `mangle` gets each answer's octets and gives what is
    sent instead (a list of datagrams), `refuse` sees each request and may give an error status.
    """

    def __init__(self) -> None:
        self.objects = {}
        self.requests: list[tuple[int, list[tuple[int, ...]]]] = []
        self.mangle: Callable[[bytes, int], list[bytes]] = lambda answer, _: [answer]
        self.refuse: Callable[[int, list[tuple[int, ...]]], tuple[int, int] | None] = lambda *_: None
        self.next: Callable[[tuple[int, ...]], tuple[int, ...] | None] = self.successor
        self.most = 10_000
        self.silent = False
        self.address = ""
        self.started = asyncio.get_running_loop().time()
        self.uptime = 1_000_000

    @property
    def objects(self) -> Objects:
        return self._objects

    @objects.setter
    def objects(self, objects: dict[tuple[int, ...], tuple[int, bytes]]) -> None:
        self._objects = Objects(objects)

    def connection_made(self, transport) -> None:
        self.transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        self.address = f"{host}:{port}"

    def ports(self, count: int, *, first: int = 1, name: str = "port", high: bool = True, base: int = 0) -> None:
        """Give it interfaces."""
        number = (1, 3, 6, 1, 2, 1, 2, 1, 0)
        self.objects[number] = integer(count)
        for index in range(first, first + count):
            self.objects[(*IF, 2, index)] = octets(f"{name} {index}")
            self.objects[(*IF, 7, index)] = integer(1)
            self.objects[(*IF, 8, index)] = integer(1)
            self.objects[(*IF, 14, index)] = unsigned(ber.COUNTER32, index)
            self.objects[(*IFX, 1, index)] = octets(f"{name}{index}")
            if high:
                self.objects[(*IFX, 6, index)] = unsigned(ber.COUNTER64, base + 1000 * index)
                self.objects[(*IFX, 10, index)] = unsigned(ber.COUNTER64, (1 << 64) - index)
            else:
                self.objects[(*IF, 10, index)] = unsigned(ber.COUNTER32, base + 10 * index)
                self.objects[(*IF, 16, index)] = unsigned(ber.COUNTER32, (1 << 32) - index)

    def successor(self, name: tuple[int, ...]) -> tuple[int, ...] | None:
        return self.objects.after(name)

    def datagram_received(self, data: bytes, peer) -> None:
        start, stop = ber.inside(data, 0, len(data), ber.SEQUENCE)
        version, at = ber.read_integer(data, start, stop)
        community, at = ber.read_octets(data, at, stop)
        kind, at, stop = ber.header(data, at, stop)
        request_id, at = ber.read_integer(data, at, stop)
        _, at = ber.read_integer(data, at, stop)
        repetitions, at = ber.read_integer(data, at, stop)
        at, stop = ber.inside(data, at, stop, ber.SEQUENCE)
        names = [ber.arcs(varbind.name) for varbind in ber.varbinds(data[at:stop])]
        self.requests.append((kind, names))
        if self.silent or community.decode() != COMMUNITY:
            return
        answer = self.answer(version, kind, request_id, repetitions, names)
        for datagram in self.mangle(answer, request_id):
            self.transport.sendto(datagram, peer)

    def answer(self, version: int, kind: int, request_id: int, repetitions: int, names: list) -> bytes:
        elapsed = int((asyncio.get_running_loop().time() - self.started) * 100)
        self.objects[(*SYS, 3, 0)] = unsigned(ber.TIMETICKS, self.uptime + elapsed)
        refused = self.refuse(kind, names)
        pairs: list[tuple[tuple[int, ...], tuple[int, bytes]]] = []
        if not refused and kind == GET:
            pairs = [(name, self.objects.get(name, (ber.NO_SUCH_INSTANCE, b""))) for name in names]
        elif not refused:
            cursors = names
            for _ in range(repetitions if kind == GET_BULK else 1):
                after = [self.next(name) for name in cursors]
                pairs += [
                    (found, self.objects.get(found, integer(1))) if found else (name, (ber.END_OF_MIB_VIEW, b""))
                    for name, found in zip(cursors, after, strict=True)
                ]
                cursors = [found or name for name, found in zip(cursors, after, strict=True)]
        if not refused and version == 0:
            absent = [place for place, (_, (tag, _)) in enumerate(pairs, 1) if tag in ber.ABSENT]
            refused = (NO_SUCH_NAME, absent[0]) if absent else None
        if not refused and kind == GET and len(pairs) > self.most:
            refused = (TOO_BIG, 0)
        if refused:
            pairs = [(name, (ber.NULL, b"")) for name in names]
        return self.encode(version, request_id, refused or (0, 0), pairs)

    @staticmethod
    def encode(version: int, request_id: int, error: tuple[int, int], pairs: list) -> bytes:
        varbinds = b"".join(ber.tlv(ber.SEQUENCE, ber.oid(name) + ber.tlv(tag, value)) for name, (tag, value) in pairs)
        fields = ber.integer(request_id) + ber.integer(error[0]) + ber.integer(error[1])
        pdu = ber.tlv(RESPONSE, fields + ber.tlv(ber.SEQUENCE, varbinds))
        return ber.tlv(ber.SEQUENCE, ber.integer(version) + ber.tlv(ber.OCTETS, COMMUNITY.encode()) + pdu)

    def asked(self, kind: int = GET) -> list[list[tuple[int, ...]]]:
        """The names of each request of a kind."""
        return [names for found, names in self.requests if found == kind]


@pytest.fixture
async def make_device() -> AsyncIterator[Callable]:
    """Makes fake devices on loopback addresses of their own."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(host: str = "127.0.0.1") -> FakeDevice:
            loop = asyncio.get_running_loop()
            transport, device = await loop.create_datagram_endpoint(FakeDevice, local_addr=(host, 0))
            stack.callback(transport.close)
            device.objects[(*SYS, 5, 0)] = octets(f"fake-{device.address}")
            return device

        yield make
