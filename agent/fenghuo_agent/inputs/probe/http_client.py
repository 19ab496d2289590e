"""One request and its answer over HTTP/1.1 (RFC 9112), read by h11 with bounds on whatever a server may send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fenghuo.config import Tls
from fenghuo_agent.inputs.probe.address import Url
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import IpProtocol
from fenghuo_agent.inputs.probe.stream import Dialler

MAX_HEAD = 32_768
"""Bytes of a status line and its headers at most."""
CHUNK = 16_384
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked; `headers` beside those that every request has."""

    method: str
    url: Url
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came. `body` is cut at the most that was wanted, and then `whole` is false."""

    status: int
    version: str
    headers: dict[str, str]
    body: bytes
    whole: bool


async def fetch(
    dialler: Dialler, request: Request, findings: Findings, *, tls: Tls, protocol: IpProtocol, max_body: int
) -> Answer:
    """Ask, and read the answer. Raises `ProbeFailed`: `protocol` where what comes is no HTTP."""
    import h11  # noqa: PLC0415 — only agents that probe web pages load it

    url = request.url
    options = tls if url.scheme == "https" else None
    async with dialler.dial(url.host, url.port, findings, protocol=protocol, tls=options) as (reader, writer):
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        began = dialler.clock()
        writer.write(_encode(h11, connection, request))

        async def feed() -> None:
            connection.receive_data(await reader.read(CHUNK))

        try:
            head = await _next(h11, connection, feed)
            while isinstance(head, h11.InformationalResponse):
                head = await _next(h11, connection, feed)
            started = dialler.clock()
            findings.took("processing", started - began)
            if not isinstance(head, h11.Response):
                raise ProbeFailed("protocol", "the connection ended before an answer")
            body, whole = await _read_body(h11, connection, feed, max_body)
        except h11.RemoteProtocolError as error:
            raise ProbeFailed("protocol", f"what comes is no HTTP: {error}") from None
        findings.took("transfer", dialler.clock() - started)
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        return Answer(head.status_code, head.http_version.decode(), headers, body, whole)


def _encode(h11: Any, connection: Any, request: Request) -> bytes:
    headers = [
        ("Host", request.url.authority),
        ("User-Agent", "Fenghuo"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
        *request.headers,
    ]
    if request.body:
        headers.append(("Content-Length", str(len(request.body))))
    sent = connection.send(h11.Request(method=request.method, target=request.url.path, headers=headers))
    if request.body:
        sent += connection.send(h11.Data(data=request.body))
    return sent + connection.send(h11.EndOfMessage())


async def _next(h11: Any, connection: Any, feed: Callable[[], Any]) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        await feed()
    return event


async def _read_body(h11: Any, connection: Any, feed: Callable[[], Any], most: int) -> tuple[bytes, bool]:
    """The body up to `most` bytes, and whether that is all of it."""
    parts: list[bytes] = []
    size = 0
    while isinstance(event := await _next(h11, connection, feed), h11.Data):
        parts.append(bytes(event.data[: most - size]))
        size += len(event.data)
        if size > most:
            return b"".join(parts), False
    return b"".join(parts), True
