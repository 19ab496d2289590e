"""Keeping long-running parts alive: what raises is started again, later each time.

Inputs, sinks and feeds do not retry what they cannot mend; they raise, and a supervisor starts them again after a
pause that doubles with every failure in a row and is jittered, so that a district's agents do not all come back at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge

from fenghuo.clock import Clock, SystemClock
from fenghuo.errors import Permanent, Retryable

log = logging.getLogger(__name__)

Factory = Callable[[], Awaitable[None]]
Sleep = Callable[[float], Awaitable[object]]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait before a part is started again, in seconds.

    `first`      after the first failure; doubles with each further one
    `longest`    where the doubling ends
    `permanent`  after a `Permanent` error: an operator is needed, so asking often would only fill the log
    `healthy`    a part that ran this long counts as mended: its next failure is a first one
    """

    first: float = 1.0
    longest: float = 60.0
    permanent: float = 300.0
    healthy: float = 60.0

    def after(self, error: BaseException, failures: int, random: Random) -> float:
        """The pause after the `failures`-th failure in a row (from 1): a jittered half to whole of its ceiling.

        Where a peer named a delay (`Retryable.retry_after`), never less than that.
        """
        doubled = self.first * 2.0 ** min(failures - 1, 32)
        ceiling = self.permanent if isinstance(error, Permanent) else min(self.longest, doubled)
        pause = ceiling * random.uniform(0.5, 1.0)
        named = error.retry_after if isinstance(error, Retryable) else None
        return max(pause, named or 0.0)


class _Metrics:
    """`<prefix>_up` and `<prefix>_restarts_total`, by the part's name."""

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self.up = Gauge(f"{prefix}_up", "Whether the part is running now.", ["name"], registry=registry)
        self.restarts = Counter(
            f"{prefix}_restarts_total", "Times the part failed and was started again.", ["name"], registry=registry
        )


class Supervisor:
    """Runs named parts side by side and starts each that raises again.

    A part that returns is finished and is not started again. Time and chance come from outside: `random` jitters,
    `sleep` waits (asyncio's by default) and `clock` tells how long a part ran.
    `prefix` is that of the metrics, e.g. `fenghuo_agent_input`.
    """

    def __init__(
        self,
        random: Random,
        *,
        registry: CollectorRegistry,
        prefix: str,
        pauses: Pauses | None = None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._random = random
        self._pauses = pauses or Pauses()
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._metrics = _Metrics(registry, prefix)
        self._parts: dict[str, Factory] = {}

    def add(self, name: str, factory: Factory) -> None:
        """Name a part; `factory` is called for every start. To be done before `run`; names are unique."""
        if name in self._parts:
            raise ValueError(f"two parts are named {name!r}")
        self._parts[name] = factory
        self._metrics.up.labels(name).set(0)
        self._metrics.restarts.labels(name).inc(0)

    async def run(self) -> None:
        """Run all parts until cancelled, or until every one has returned of itself."""
        async with asyncio.TaskGroup() as group:
            for name, factory in self._parts.items():
                group.create_task(self._keep(name, factory), name=name)

    async def _keep(self, name: str, factory: Factory) -> None:
        failures = 0
        while True:
            started = self._clock.monotonic()
            error = await self._attempt(name, factory)
            if error is None:
                return
            ran = self._clock.monotonic() - started
            failures = 1 if ran >= self._pauses.healthy else failures + 1
            pause = self._pauses.after(error, failures, self._random)
            _tell(name, error, pause)
            self._metrics.restarts.labels(name).inc()
            await self._sleep(pause)

    async def _attempt(self, name: str, factory: Factory) -> BaseException | None:
        """Run the part once; what it failed with, or None where it returned."""
        up = self._metrics.up.labels(name)
        up.set(1)
        try:
            await factory()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error  # cancelled within itself, by a library: a failure like any other
        except Exception as error:  # noqa: BLE001 — whatever a part raises, the others must go on
            return error
        finally:
            up.set(0)
        log.info("%s has finished", name, extra={"part": name})
        return None


async def until_possible(
    name: str,
    attempt: Callable[[], Awaitable[Result]],
    random: Random,
    *,
    pauses: Pauses | None = None,
    sleep: Sleep = asyncio.sleep,
) -> Result:
    """The result of `attempt`, which is made again after a growing pause as long as it raises `Retryable`.

    For what must stand before the parts can run, such as a file on a disk that is full now. Other errors are raised.
    """
    pauses = pauses or Pauses()
    failures = 0
    while True:
        try:
            return await attempt()
        except Retryable as error:
            failures += 1
            pause = pauses.after(error, failures, random)
            _tell(name, error, pause)
            await sleep(pause)


def _tell(name: str, error: BaseException, pause: float) -> None:
    """Expected trouble in one line; what only a programming error explains with its traceback."""
    what = str(error) or type(error).__name__
    extra = {"part": name, "pause": round(pause, 1)}
    if isinstance(error, Permanent):
        log.error("%s cannot run: %s; next try in %.0f s", name, what, pause, extra=extra)
    elif isinstance(error, Retryable | OSError | TimeoutError | asyncio.CancelledError):
        log.warning("%s failed: %s; next try in %.1f s", name, what, pause, extra=extra)
    else:
        log.error("%s broke down: %s; next try in %.1f s", name, what, pause, extra=extra, exc_info=error)
