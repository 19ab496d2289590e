"""aiomqtt's client without what it leaves in the log and in the event loop where a connection ends badly."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from typing import Any, Self

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
"""Messages and their confirmations are small and many: none waits for others to share a segment."""

_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_CREDENTIALS = ("not authorized", "not authorised", "bad user name", "bad username")


def reason(error: Exception) -> str:
    """Why a broker cannot be used, in words for an operator, with what to look at where that is known."""
    text = _ERRNO.sub("", str(error)) or type(error).__name__
    if any(sign in text.lower() for sign in _CREDENTIALS):
        return f"{text}; are user name and password, or the certificate, what the broker expects?"
    if isinstance(error, ConnectionRefusedError) or text.endswith("Connection refused"):
        return f"{text}; does the broker run, at this host and port?"
    return text


class Client(aiomqtt.Client):
    """Sends without delay, and ends without a trace: see the comment at each method."""

    def __init__(self, hostname: str, port: int = 1883, **options: Any) -> None:
        super().__init__(hostname, port, socket_options=[NO_DELAY], **options)
        self._client.connect_timeout = self.timeout
        self._disconnected.add_done_callback(_hear)

    async def __aenter__(self) -> Self:
        try:
            await super().__aenter__()
        except BaseException:
            self._client.disconnect()  # a broker that did not answer: aiomqtt would keep its socket open
            raise
        self._disconnected.add_done_callback(_hear)  # it may be another future than before
        return self

    def _on_disconnect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        # Who waited for the connection was cancelled: aiomqtt would raise CancelledError into the event loop.
        if not self._connected.cancelled():
            super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_socket_register_write(self, client: PahoClient, userdata: Any, sock: Any) -> None:  # noqa: ARG002 — paho's
        # aiomqtt adds the descriptor in the loop's next round, when the socket may be closed (EBADF), or the number be
        # another socket's; and the connecting thread calls this, which may touch the loop by `call_soon_threadsafe` only.
        def write() -> None:
            try:
                client.loop_write()
            except Exception as error:  # noqa: BLE001 — whatever it is, the connection is no more
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        self._loop.call_soon_threadsafe(self._add_writer, client, sock, write)

    def _add_writer(self, client: PahoClient, sock: Any, write: Callable[[], None]) -> None:
        if client.socket() is sock:
            self._loop.add_writer(sock.fileno(), write)


def _hear(ended: asyncio.Future[None]) -> None:
    """Take the reason of a disconnection: asyncio would complain that nobody asked for it."""
    if not ended.cancelled():
        ended.exception()
