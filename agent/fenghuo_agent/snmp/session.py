"""A conversation with one device: one question at a time, asked again when unanswered, on a socket of its own.

The socket lives as long as a poll, so that the number of open ones is the number of polls in flight, a late answer never
meets a later poll, and what floods one socket fills no other's buffer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Self

from fenghuo_agent.snmp.access import Target
from fenghuo_agent.snmp.ber import Malformed
from fenghuo_agent.snmp.errors import Denied, Flooded, Late, Refused, SnmpError, Unanswered
from fenghuo_agent.snmp.manners import Manners
from fenghuo_agent.snmp.message import Envelope, Foreign, Pdu, request
from fenghuo_agent.snmp.traffic import Traffic
from fenghuo_agent.snmp.usm import Report, Usm

MAX_DATAGRAM = 65535
MAX_IGNORED = 256
REFUSED_PAUSE = 0.25
SILENCE = "silence"
RECOVERABLE = frozenset(("notInTimeWindows", "unknownEngineIDs"))

Unwrap = Callable[[bytes, int], Pdu]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds to wait for one answer, and how often to ask again."""

    timeout: float
    retries: int


class Session:
    """Asks one device. `deadline`, in the event loop's time, bounds everything until `close`.

    `requests`, `retried` and `returned` count since `open`: requests sent (those sent again included), those sent again,
    and variable bindings read of answers. `manners` are shared with other sessions of the same device.
    """

    __slots__ = (
        "_ignored",
        "_loop",
        "_random",
        "_request_id",
        "_socket",
        "_timing",
        "_traffic",
        "_unwrap",
        "_waiter",
        "deadline",
        "envelope",
        "manners",
        "requests",
        "retried",
        "returned",
        "target",
    )  # fmt: skip

    def __init__(
        self,
        target: Target,
        envelope: Envelope,
        timing: Timing,
        random: Random,
        traffic: Traffic,
        manners: Manners | None = None,
    ) -> None:
        self.target = target
        self.envelope = envelope
        self.deadline = 0.0
        self.requests = self.retried = self.returned = 0
        self.manners = manners or Manners()
        self._timing = timing
        self._random = random
        self._traffic = traffic
        self._socket: socket.socket | None = None
        self._waiter: asyncio.Future[Pdu] | None = None
        self._request_id = 0
        self._unwrap: Unwrap = envelope.unwrap
        self._ignored = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, seconds: float) -> Self:
        """Make the socket; everything until `close` may take `seconds`. Raises `Refused` where there is no route."""
        self.close()
        self._loop = asyncio.get_running_loop()
        self.deadline = self._loop.time() + seconds
        self.requests = self.retried = self.returned = self._ignored = 0
        family = socket.AF_INET6 if ":" in self.target.host else socket.AF_INET
        try:
            self._socket = made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.connect(self.target)
        except OSError as error:
            self.close()
            raise Refused(f"cannot ask {self.target.instance}: {error.strerror or error}") from None
        self._loop.add_reader(made.fileno(), self._readable)
        self._traffic.sockets += 1
        return self

    def retime(self, timing: Timing) -> None:
        """Wait otherwise from now on."""
        self._timing = timing

    def close(self) -> None:
        """Give the socket back."""
        made, self._socket = self._socket, None
        if made is None:
            return
        if self._loop is not None and self._loop.remove_reader(made.fileno()):
            self._traffic.sockets -= 1
        made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def ask(self, kind: int, varbinds: bytes, first: int = 0, second: int = 0) -> Pdu:
        """The answer to one request, whatever its error status.

        Raises `Unanswered`, `Refused`, `Flooded`, or `Denied` (v3).
        """
        envelope = self.envelope
        if isinstance(envelope, Usm):
            return await self._ask_as_user(envelope, kind, varbinds, first, second)
        return await self._exchange(envelope, kind, varbinds, first, second)

    async def _ask_as_user(self, usm: Usm, kind: int, varbinds: bytes, first: int, second: int) -> Pdu:
        for last in (False, True):
            discovered = usm.engine is None
            if discovered:
                await self._discover(usm)
            try:
                return await self._exchange(usm, kind, varbinds, first, second)
            except Unanswered:
                if not discovered:
                    raise
                usm.forget()
                raise Denied(SILENCE) from None
            except Report as report:
                self._traffic.reports += 1
                if last or report.kind == "unknownEngineIDs":
                    usm.forget()
                if last or report.kind not in RECOVERABLE:
                    raise Denied(report.kind) from None
        raise AssertionError("unreachable: the second round returns or raises")

    async def _discover(self, usm: Usm) -> None:
        request_id = self._random.getrandbits(31)
        await self._send(lambda: usm.discovery(request_id), usm.discovered, request_id)

    async def _exchange(self, envelope: Envelope, kind: int, varbinds: bytes, first: int, second: int) -> Pdu:
        request_id = self._random.getrandbits(31)
        pdu = request(kind, request_id, varbinds, first, second)
        return await self._send(lambda: envelope.wrap(pdu, request_id), envelope.unwrap, request_id)

    async def _send(self, wrap: Callable[[], bytes], unwrap: Unwrap, request_id: int) -> Pdu:
        """Send until answered; an answer to an earlier try of the same question counts as well."""
        if not await self.manners.begin(self.deadline):
            raise Unanswered(f"{self.target.instance} is kept busy by other questions")
        try:
            return await self._until_answered(wrap, unwrap, request_id)
        finally:
            self.manners.end()

    async def _until_answered(self, wrap: Callable[[], bytes], unwrap: Unwrap, request_id: int) -> Pdu:
        loop, sock = self._loop, self._socket
        if loop is None or sock is None:
            raise Refused("the session is closed")
        self._unwrap, self._request_id = unwrap, request_id
        error: SnmpError = Unanswered(f"{self.target.instance} does not answer")
        for attempt in range(self._timing.retries + 1):
            wait, left = self._timing.timeout * self._random.uniform(0.9, 1.1), self.deadline - loop.time()
            if left < wait and not attempt:
                error = Late(f"{self.target.instance} does not answer before the deadline")
            wait = min(wait, left)
            if wait <= 0:
                break
            if attempt:
                self.retried += 1
                self._traffic.retries += 1
            self.requests += 1
            self._traffic.requests += 1
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(wait, self._expire, waiter)
            try:
                sock.send(wrap())
                return await waiter
            except Unanswered:
                self._traffic.timeouts += 1
            except BlockingIOError:
                await asyncio.sleep(min(wait, REFUSED_PAUSE))
            except OSError as refusal:
                error = Refused(f"{self.target.instance} cannot be asked: {refusal.strerror or refusal}")
                await asyncio.sleep(min(wait, REFUSED_PAUSE))
            finally:
                timer.cancel()
                self._waiter = None
        raise error

    def _expire(self, waiter: asyncio.Future[Pdu]) -> None:
        if not waiter.done():
            waiter.set_exception(Unanswered(""))

    def _readable(self) -> None:
        """Take one datagram; what answers nothing that was asked is counted and left."""
        sock, waiter = self._socket, self._waiter
        if sock is None:
            return
        try:
            datagram = sock.recv(MAX_DATAGRAM)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if waiter is not None and not waiter.done():
                waiter.set_exception(error)
            return
        if waiter is None or waiter.done():
            self._ignore(waiter, foreign=True)
            return
        try:
            pdu = self._unwrap(datagram, self._request_id)
        except Malformed as reason:
            self._ignore(waiter, foreign=isinstance(reason, Foreign))
        except Report as report:
            waiter.set_exception(report)
        else:
            waiter.set_result(pdu)

    def _ignore(self, waiter: asyncio.Future[Pdu] | None, *, foreign: bool) -> None:
        if foreign:
            self._traffic.foreign += 1
        else:
            self._traffic.malformed += 1
        self._ignored += 1
        if self._ignored > MAX_IGNORED:
            self.close()
            if waiter is not None and not waiter.done():
                waiter.set_exception(Flooded(f"{self.target.instance} sends what answers nothing"))
