"""One question and its answer over UDP, on a socket of its own, whose port nobody can guess."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from fenghuo_agent.inputs.probe.kernel import ANCILLARY, SO_TIMESTAMPNS, read_aside
from fenghuo_agent.inputs.probe.resolve import Address
from fenghuo_agent.inputs.probe.stream import failure

Answer = TypeVar("Answer")


class Received(NamedTuple):
    """A datagram; `sent` (the question) and `arrived` are nanoseconds of the wall clock."""

    data: bytes
    sent: int
    arrived: int


async def exchange(
    address: Address, question: bytes, read: Callable[[Received], Answer | None], wall: Callable[[], int] = time.time_ns
) -> Answer:
    """Send `question`, and wait, for as long as the caller lets us, for a datagram of which `read` makes something.

    What `read` makes nothing of is passed over; what it raises ends the wait. Raises `ProbeFailed` and `CannotProbe`.
    """
    loop = asyncio.get_running_loop()
    try:
        sock = socket.socket(address.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise failure(error) from None
    answer: asyncio.Future[Answer] = loop.create_future()
    sent = 0

    def readable() -> None:
        try:
            data, ancillary, _flags, _peer = sock.recvmsg(65_535, ANCILLARY)
            now = wall()
            made = read(Received(data, sent, read_aside(ancillary).arrived or now))
        except BlockingIOError:
            return
        except Exception as error:  # noqa: BLE001 — whoever waits shall have it
            if not answer.done():
                answer.set_exception(error)
        else:
            if made is not None and not answer.done():
                answer.set_result(made)

    with contextlib.closing(sock):
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            sock.connect(address.sockaddr)
            loop.add_reader(sock.fileno(), readable)
            sent = wall()
            sock.send(question)
            return await answer
        except OSError as error:
            raise failure(error) from None
        finally:
            loop.remove_reader(sock.fileno())
