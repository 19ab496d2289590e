"""The transport: keeps a connection to the broker and delivers the spool over it, whatever happens to either."""

from __future__ import annotations

import asyncio
import logging
from importlib import metadata
from random import Random
from typing import cast

import aiomqtt
from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.errors import Permanent, Retryable
from fenghuo.model import AgentId
from fenghuo.mqtt import reason
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool import Spool
from fenghuo_agent.transport.client import speaks_five
from fenghuo_agent.transport.config import TransportConfig
from fenghuo_agent.transport.delivery import Delivery
from fenghuo_agent.transport.metrics import TransportMetrics
from fenghuo_agent.transport.session import Parts, Session
from fenghuo_agent.transport.status import Status, encode_status

_log = logging.getLogger(__name__)
_DRAIN_SECONDS = 1.0
_OPERATOR_NEEDED = ("certificate", "not authorized", "not authorised", "bad user name", "bad username", "banned")


class Transport:
    """Delivers what the spool holds. `boot` is the id of this run of the agent."""

    def __init__(
        self,
        config: TransportConfig,
        agent: AgentId,
        spool: Spool,
        clock: Clock,
        random: Random,
        registry: CollectorRegistry,
        boot: str,
    ) -> None:
        self._config = config
        self._agent = agent
        self._spool = spool
        self._clock = clock
        self._random = random
        self._boot = boot
        self._since = clock.now()
        self._version = metadata.version("fenghuo")
        self._metrics = TransportMetrics(registry)
        self._delivery = Delivery(config, spool, clock, self._metrics)
        self._session: Session | None = None
        self._failures = 0
        self._five = None if config.version == "auto" else config.version == "5"
        spool.listen(self._wake)
        for stream in DATA_STREAMS:
            window = self._delivery.windows[stream]
            self._metrics.watch(
                stream,
                lambda window=window: window.flying,
                lambda window=window: window.held,
                lambda stream=stream: self._delivery.lag(stream),
            )

    @property
    def connected(self) -> bool:
        return self._session is not None and self._session.established

    async def run(self) -> None:
        """Connect, deliver, connect again; never returns, ends by being cancelled."""
        while True:
            pause = await self._attempt()
            await asyncio.sleep(pause)

    async def _attempt(self) -> float:
        """One connection from beginning to end; how many seconds to wait before the next."""
        started = self._clock.monotonic()
        error: Exception = Retryable("the session ended")
        try:
            five = await self._speaks_five()
            self._session = Session(self._parts(five))
            await self._session.run()
        except* (aiomqtt.MqttError, Permanent, OSError, ValueError) as group:
            error = _first(group)
        finally:
            established = self.connected
            self._session = None
        self._metrics.failures.inc()
        if not established and self._config.version == "auto":
            self._five = None
        healthy = established and self._clock.monotonic() - started > self._config.keepalive
        self._failures = 1 if healthy else self._failures + 1
        pause = self._pause()
        _report(error, established=established, pause=pause, url=self._config.url)
        return pause

    async def _speaks_five(self) -> bool:
        if self._five is None:
            self._five = await speaks_five(self._config)
            _log.debug("the broker %s is spoken to by MQTT %s", self._config.url, "5" if self._five else "3.1.1")
        return self._five

    def _pause(self) -> float:
        doubled = self._config.reconnect_first * 2.0 ** min(self._failures - 1, 32)
        return min(doubled, self._config.reconnect_longest) * self._random.uniform(0.5, 1.0)

    def _parts(self, five: bool) -> Parts:
        return Parts(
            self._config,
            self._agent,
            self._boot,
            self._spool,
            self._clock,
            self._delivery,
            self._metrics,
            self._status,
            five,
        )

    def _status(self, online: bool) -> bytes:
        return encode_status(
            Status(
                "online" if online else "offline",
                self._boot,
                self._spool.id,
                self._version,
                self._since,
                self._clock.now(),
                {stream: (self._spool.oldest(stream), self._spool.dropped(stream)) for stream in DATA_STREAMS},
            )
        )

    def _wake(self) -> None:
        if self._session:
            self._session.wake()

    async def drain(self, timeout: float = _DRAIN_SECONDS) -> bool:  # noqa: ASYNC109 — how long the caller can wait
        """Before the end: wait until all but backfill is sent, at most `timeout` seconds; whether it is.

        Cancel `run` afterwards: it says goodbye (`offline`) to the broker.
        """
        deadline = self._clock.monotonic() + timeout
        while self._clock.monotonic() < deadline:
            if self._session and self._session.established and self._session.drained():
                return True
            await asyncio.sleep(0.02)
        return False


def _first(error: Exception) -> Exception:
    """The innermost first error of a group, or the error itself."""
    while isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        error = group.exceptions[0]
    return error


def _report(error: Exception, *, established: bool, pause: float, url: str) -> None:
    """An operator is needed where the broker or its certificate does not want us; otherwise it may pass."""
    text = reason(error)
    what = "the connection to the broker %s is lost (%s); the next attempt is in %.1f s"
    if not established:
        what = "no connection to the broker %s (%s); the next attempt is in %.1f s"
    needed = isinstance(error, Permanent) or any(sign in text.lower() for sign in _OPERATOR_NEEDED)
    _log.log(logging.ERROR if needed else logging.WARNING, what, url, text, pause)
