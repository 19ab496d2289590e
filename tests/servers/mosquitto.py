"""A real Mosquitto on a free loopback port: plain, or with TLS, client certificates and an access list."""

from __future__ import annotations

import contextlib
import datetime as dt
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from servers import process

PROGRAM = "mosquitto"
PACKAGE = "mosquitto"


@dataclass
class Mosquitto:
    """One broker that can be killed, stopped in its tracks and started again on the same port."""

    folder: Path
    lines: Sequence[str]
    port: int
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "mosquitto.log"

    def start(self) -> None:
        program = process.need(PROGRAM, PACKAGE)
        file = self.folder / "mosquitto.conf"
        file.write_text("\n".join(self.lines) + "\n")
        # Started as root it would become another user, who cannot read a test's folder.
        self._process = self._stack.enter_context(
            process.running([program, "-c", str(file)], self.log, lambda: process.listens(self.port))
        )

    def kill(self) -> None:
        """As a power cut: no goodbye to its clients."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It keeps its connections, takes new ones and says nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.thaw()
        self._stack.close()


@contextlib.contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[Mosquitto]:
    """A broker that anybody may use; `lines` are added to its configuration."""
    port = process.free_port()
    folder.mkdir(parents=True, exist_ok=True)
    broker = Mosquitto(
        folder,
        [f"listener {port} 127.0.0.1", "user root", "allow_anonymous true", "set_tcp_nodelay true", *lines],
        port,
    )
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@contextlib.contextmanager
def mosquitto_tls(folder: Path, authority: Authority, acl: str) -> Iterator[Mosquitto]:
    """A broker that asks for certificates of `authority` and gives each name in them the rights of `acl`."""
    port = process.free_port()
    folder.mkdir(parents=True, exist_ok=True)
    server = authority.issue(folder, "broker", "localhost", "127.0.0.1")
    access = folder / "acl"
    access.write_text(acl)
    access.chmod(0o700)
    lines = [
        f"listener {port} 127.0.0.1",
        "user root",
        f"cafile {authority.file}",
        f"certfile {server.cert}",
        f"keyfile {server.key}",
        "require_certificate true",
        "set_tcp_nodelay true",
        "use_identity_as_username true",
        f"acl_file {access}",
    ]
    broker = Mosquitto(folder, lines, port)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority for one test."""

    def __init__(self, folder: Path, name: str = "Fenghuo test authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "ca.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, folder: Path, common_name: str, *hosts: str) -> Identity:
        """A certificate for `common_name`, and for the hosts where it is a server's."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(common_name), self._name, key.public_key())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if hosts:
            names = x509.SubjectAlternativeName([_host(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = common_name.replace("/", "-")
        identity = Identity(folder / f"{stem}.pem", folder / f"{stem}.key")
        identity.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return identity


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)


_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""Python 3.13 checks certificates strictly (RFC 5280): an authority must say that it signs."""


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A plain broker for one test."""
    with mosquitto(tmp_path / "mosquitto") as running:
        yield running
