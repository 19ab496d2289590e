"""Real servers on loopback for probes to ask, and one call that probes a target once."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.model import Table
from fenghuo_agent.inputs.probe.config import ProbeConfig
from fenghuo_agent.inputs.probe.input import ProbeInput
from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Basket:
    """An accumulator that keeps everything."""

    def __init__(self) -> None:
        self.tables: list[Table] = []

    def table(self, table: Table) -> None:
        self.tables.append(table)

    def event(self, event) -> None:
        raise AssertionError(event)

    def asset(self, asset) -> None:
        raise AssertionError(asset)

    def of(self, name: str) -> list[Table]:
        return [table for table in self.tables if table.layout.name == name and not table.ended]


@dataclass
class Result:
    """What one probe of one target said."""

    failed: ProbeFailed | CannotProbe | None
    values: dict = field(default_factory=dict)
    phases: dict = field(default_factory=dict)
    infos: dict = field(default_factory=dict)
    labels: dict = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return self.failed.reason if self.failed else "ok"

    def take(self, table: Table) -> None:
        layout = table.layout
        if layout.name == "probe":
            self.labels = dict(layout.labels)
            self.values = {
                name: column[0]
                for name, column in zip(layout.fields, table.columns, strict=True)
                if column[0] is not None
            }
        elif layout.name == "probe_phase":
            self.phases = {
                phase: seconds
                for phase, seconds in zip(layout.row_labels["phase"], table.columns[0], strict=True)
                if seconds is not None
            }
        else:
            for name, labels, column in zip(layout.fields, layout.rows, table.columns, strict=True):
                assert sum(value or 0 for value in column) == 1
                self.infos[name] = {key: text for key, text in labels.items() if key not in layout.labels}


@pytest.fixture
def basket() -> Basket:
    return Basket()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def make(registry) -> Callable[..., ProbeInput]:
    def build(*targets, explained=None, clock=None, random=None, **settings) -> ProbeInput:
        config = ProbeConfig.model_validate({"targets": list(targets), **settings})
        more = {"explained": explained} if explained else {}
        return ProbeInput(config, clock=clock or SystemClock(), random=random or Random(1), registry=registry, **more)

    return build


@pytest.fixture
def ask() -> Callable[..., Awaitable[Result]]:
    """Probe one target once."""

    async def probe(*, explained=None, **entry) -> Result:
        config = ProbeConfig.model_validate({"targets": [{"timeout": "3s", **entry}]})
        more = {"explained": explained} if explained else {}
        made = ProbeInput(config, clock=SystemClock(), random=Random(1), registry=CollectorRegistry(), **more)
        (prober,) = made.probers
        try:
            tables, failed = await prober.probe()
        finally:
            made._shared.close()
        result = Result(failed)
        for table in tables:
            result.take(table)
        return result

    return probe


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Start a server whose connections a handler looks after; its port."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task] = set()

    async def start(handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> int:
        async def tended(reader, writer):
            tasks.add(asyncio.current_task())
            try:
                await handler(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                tasks.discard(asyncio.current_task())
                writer.transport.abort()

        server = await asyncio.start_server(tended, host, 0, ssl=tls)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def responder() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Start a UDP server that sends the datagrams that a function of each question gives; its port."""
    transports: list[asyncio.DatagramTransport] = []

    async def start(answer: Callable[[bytes], list[bytes]], host: str = "127.0.0.1") -> int:
        class Answering(asyncio.DatagramProtocol):
            def connection_made(self, transport):
                self.transport = transport

            def datagram_received(self, data, addr):
                for datagram in answer(data):
                    self.transport.sendto(datagram, addr)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Answering, local_addr=(host, 0))
        transports.append(transport)
        return transport.get_extra_info("sockname")[1]

    yield start
    for transport in transports:
        transport.close()


@dataclass
class Authority:
    """A certificate authority that signs what it is asked to. `ca` is its own certificate, in PEM."""

    folder: Path
    days: float = 3650

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
        self.own = self._build(name, name, self.key, self.key, days=self.days, authority=True)
        self.ca = self.folder / "ca.pem"
        self.ca.write_bytes(self.own.public_bytes(serialization.Encoding.PEM))

    def context(self, *, days: float = 90, signed: bool = True, chain: bool = False) -> ssl.SSLContext:
        """A server's context, for 127.0.0.1, ::1 and localhost; `days` until its certificate expires."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        issuer, signer = (self.own.subject, self.key) if signed else (name, key)
        self.last = self._build(name, issuer, key, signer, days=days)
        file = self.folder / f"server-{self.last.serial_number}.pem"
        file.write_bytes(
            self.last.public_bytes(serialization.Encoding.PEM)
            + (self.own.public_bytes(serialization.Encoding.PEM) if chain else b"")
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    @property
    def expiry(self) -> float:
        """When the certificate made last expires, in Unix seconds."""
        return self.last.not_valid_after_utc.timestamp()

    def _build(self, subject, issuer, key, signer, *, days, authority=False):
        now = dt.datetime.now(dt.UTC)
        names = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1"))]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=4000))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)
