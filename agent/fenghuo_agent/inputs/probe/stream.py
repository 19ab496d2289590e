"""Connections over TCP and TLS: opened with each phase timed, closed at once whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from fenghuo.config import Tls
from fenghuo.errors import FenghuoError
from fenghuo_agent.inputs.probe.certificate import Chain, chain_of
from fenghuo_agent.inputs.probe.outcome import CannotProbe, Findings, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import Address, IpProtocol, Resolver

BUFFER = 1 << 16
"""Bytes that a stream holds for us at most, twice over."""
CONTEXT_SECONDS = 3600.0
"""After so long the files of trusted authorities are read anew."""
_REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTDOWN: "unreachable",
    errno.ENETDOWN: "unreachable",
}
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EADDRNOTAVAIL}


def failure(error: OSError) -> ProbeFailed | CannotProbe:
    """What an error of a socket means: the target's failure, or that this host cannot ask."""
    code = error.errno or 0
    text = os.strerror(code) if code else str(error)
    if code in _OURS:
        return CannotProbe("local", f"this host cannot ask: {text}")
    return ProbeFailed(_REASONS.get(code, "network"), text.lower())


class Contexts:
    """TLS contexts, shared by targets with the same options: each holds every authority of the system."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._made: dict[str, tuple[float, ssl.SSLContext]] = {}

    def get(self, tls: Tls) -> ssl.SSLContext:
        """The context for these options; `CannotProbe` where one of their files cannot be used."""
        key = tls.model_dump_json()
        now = self._clock()
        found = self._made.get(key)
        if found is None or now - found[0] > CONTEXT_SECONDS:
            try:
                context = tls.context() if tls.verify or tls.certificate else _blind()
                found = self._made[key] = (now, context)
            except FenghuoError as error:
                raise CannotProbe("tls_files", str(error)) from None
        return found[1]


def _blind() -> ssl.SSLContext:
    """A context that trusts anybody, without the system's authorities, which take a megabyte."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(slots=True)
class Dialler:
    """Opens streams. `clock` is in seconds, and only differences mean something."""

    resolver: Resolver
    contexts: Contexts
    clock: Callable[[], float]

    @contextlib.asynccontextmanager
    async def dial(
        self, host: str, port: int, findings: Findings, *, protocol: IpProtocol = "any", tls: Tls | None = None
    ) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connected stream for the length of the block; raises `ProbeFailed` and `CannotProbe`, also out of the block.

        With `tls` the handshake is made; of a certificate that is not trusted its dates are found out all the same.
        """
        address = await self.resolver.find(host, port, protocol, findings, self.clock)
        try:
            reader, writer = await self._open(address, host, findings, tls)
        except ssl.SSLCertVerificationError as error:
            if tls is not None:
                await self._look(address, host, findings, tls)
            raise ProbeFailed("certificate", f"its certificate is not accepted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise ProbeFailed("tls", f"no TLS: {error.reason or error}") from None
        except OSError as error:
            raise failure(error) from None
        try:
            if tls is not None:
                _note_tls(writer, findings, self.contexts.get(tls).verify_mode is ssl.CERT_REQUIRED)
            yield reader, writer
        except ssl.SSLError as error:
            raise ProbeFailed("tls", f"TLS broke: {error.reason or error}") from None
        except OSError as error:
            raise failure(error) from None
        finally:
            writer.transport.abort()

    async def _open(
        self, address: Address, host: str, findings: Findings, tls: Tls | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = self.contexts.get(tls) if tls is not None else None
        began = self.clock()
        sock = await _connected(address)
        connected = self.clock()
        findings.took("connect", connected - began)
        try:
            streams = await asyncio.open_connection(
                sock=sock, ssl=context, server_hostname=host.partition("%")[0] if context else None, limit=BUFFER
            )
        except BaseException:
            sock.close()
            raise
        if context is not None:
            findings.took("tls", self.clock() - connected)
        return streams

    async def _look(self, address: Address, host: str, findings: Findings, tls: Tls) -> None:
        """Read the certificate that was refused."""
        blind = tls.replace(verify=False, server_name=None)
        with contextlib.suppress(OSError):
            _, writer = await self._open(address, host, Findings(), blind)
            try:
                _note_tls(writer, findings, trusted=False)
            finally:
                writer.transport.abort()


async def _connected(address: Address) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


def _note_tls(writer: asyncio.StreamWriter, findings: Findings, trusted: bool) -> None:
    """What was agreed on, and how long the certificates last."""
    session = writer.get_extra_info("ssl_object")
    if session is None:
        return
    findings.infos["probe_tls_version_info"] = {"version": _version(session.version())}
    cipher = session.cipher()
    if cipher:
        findings.infos["probe_tls_cipher_info"] = {"cipher": cipher[0]}
    chain: Chain | None = chain_of(session)
    if chain is None:
        return
    findings.values["probe_ssl_earliest_cert_expiry"] = chain.earliest
    if trusted:
        findings.values["probe_ssl_last_chain_expiry_timestamp_seconds"] = chain.earliest
    findings.infos["probe_ssl_last_chain_info"] = {"fingerprint_sha256": chain.fingerprint}


def _version(name: str | None) -> str:
    """`TLSv1.3` as blackbox_exporter writes it."""
    return (name or "unknown").replace("TLSv", "TLS ")
