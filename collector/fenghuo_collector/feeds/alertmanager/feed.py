"""Alertmanager as a feed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError, Permanent, Retryable
from fenghuo.model import AgentId, AlertState
from fenghuo_collector.feeds.alertmanager.config import AlertmanagerConfig
from fenghuo_collector.feeds.alertmanager.encode import Labels, labels, postable
from fenghuo_collector.feeds.base import Step
from fenghuo_collector.feeds.http import Poster

log = logging.getLogger(__name__)

_AT_ONCE = 500
_MOST_RESOLVED = 10_000

_Alert = tuple[AgentId, str]


@dataclass(frozen=True, slots=True)
class _Ended:
    """An alert that is over under these labels since `ends_at`; said again until `until`."""

    step: Step
    labels: Labels
    ends_at: int
    until: int


class AlertmanagerFeed:
    """Tells every member of a cluster of what fires and what is over.

    As Prometheus does: a firing alert is given an end some refreshes ahead and is sent again with every refresh, so
    that it resolves by itself if we fall silent; the end of an alert is sent again for a quarter of an hour. A batch
    counts as delivered once one member took it: the others get it with the next refresh.
    """

    def __init__(self, config: AlertmanagerConfig, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._poster = Poster(seconds=config.timeout, tls=config.tls, clock=clock)
        self._urls = [f"{url.rstrip('/')}/api/v2/alerts" for url in config.urls]
        self._headers = dict(config.headers)
        if config.authorization:
            self._headers["Authorization"] = config.authorization.reveal()
        self._silent: set[str] = set()
        self._firing: dict[_Alert, tuple[Labels, Step]] = {}
        self._ended: dict[frozenset[tuple[str, str]], _Ended] = {}

    @property
    def name(self) -> str:
        return self._config.name

    async def deliver(self, steps: Sequence[Step]) -> None:
        """Send what these steps changed; pending alerts are not for Alertmanager."""
        now = self._clock.now()
        # The last word on each set of labels: Alertmanager need not see what is over within one batch.
        documents: dict[frozenset[tuple[str, str]], dict[str, Any]] = {}
        firing, ended = dict(self._firing), dict(self._ended)
        for step in steps:
            for names, document in self._changes(step, now, firing, ended):
                documents.pop(names, None)
                documents[names] = document
        await self._send(documents.values())
        self._firing, self._ended = firing, ended

    def _changes(
        self,
        step: Step,
        now: int,
        firing: dict[_Alert, tuple[Labels, Step]],
        ended: dict[frozenset[tuple[str, str]], _Ended],
    ) -> Iterable[tuple[frozenset[tuple[str, str]], dict[str, Any]]]:
        """What to send for one step; notes it in `firing` and `ended`."""
        alert = step.alert
        key = (step.agent, alert.fingerprint)
        names = labels(step, self._config.labels)
        before = firing.pop(key, None)
        if alert.state is AlertState.PENDING:
            if before:
                firing[key] = before
            return
        if before and before[0] != names:
            # The level changed, and with it the labels: the alert under the old ones is over.
            yield self._end(before[1], before[0], min(alert.time, now), now, ended)
        if alert.state is AlertState.FIRING:
            firing[key] = (names, step)
            ended.pop(frozenset(names.items()), None)
            yield frozenset(names.items()), self._document(step, names, self._expiry(now))
        else:
            ends_at = alert.time if alert.ends_at is None else alert.ends_at
            yield self._end(step, names, min(ends_at, now), now, ended)

    def _end(
        self,
        step: Step,
        names: Labels,
        ends_at: int,
        now: int,
        ended: dict[frozenset[tuple[str, str]], _Ended],
    ) -> tuple[frozenset[tuple[str, str]], dict[str, Any]]:
        identity = frozenset(names.items())
        ended.pop(identity, None)
        ended[identity] = _Ended(step, names, ends_at, now + round(self._config.repeat_resolved * 1000))
        while len(ended) > _MOST_RESOLVED:
            del ended[next(iter(ended))]
        return identity, self._document(step, names, ends_at)

    async def refresh(self, firing: Sequence[Step]) -> None:
        """Send all that fires with a new end, and what ended lately."""
        now = self._clock.now()
        self._ended = {key: each for key, each in self._ended.items() if each.until > now}
        documents: dict[frozenset[tuple[str, str]], dict[str, Any]] = {
            key: self._document(each.step, each.labels, each.ends_at) for key, each in self._ended.items()
        }
        for step in firing:
            names = labels(step, self._config.labels)
            # After a restart this is how we learn under which labels Alertmanager knows it.
            self._firing.setdefault((step.agent, step.alert.fingerprint), (names, step))
            documents[frozenset(names.items())] = self._document(step, names, self._expiry(now))
        await self._send(documents.values())

    def _expiry(self, now: int) -> int:
        return now + round(self._config.refresh * self._config.expires_after * 1000)

    def _document(self, step: Step, names: Labels, ends_at: int) -> dict[str, Any]:
        return postable(step, names, ends_at, self._config.console_url)

    async def _send(self, documents: Iterable[dict[str, Any]]) -> None:
        whole = list(documents)
        for start in range(0, len(whole), _AT_ONCE):
            await self._send_to_all(msgspec.json.encode(whole[start : start + _AT_ONCE]))

    async def _send_to_all(self, body: bytes) -> None:
        """One member is enough; where all fail, the mildest of their errors is raised."""
        posts = [self._post(url, body) for url in self._urls]
        failures = [error for error in await asyncio.gather(*posts) if error]
        if len(failures) < len(self._urls):
            return
        retryable = [error for error in failures if isinstance(error, Retryable)]
        text = "; ".join(str(error) for error in failures)
        if retryable:
            pauses = [error.retry_after for error in retryable if error.retry_after is not None]
            raise Retryable(text, retry_after=min(pauses, default=None))
        raise Permanent(text)

    async def _post(self, url: str, body: bytes) -> FenghuoError | None:
        try:
            await self._poster.post(url, body, self._headers)
        except (Retryable, Permanent) as error:
            if url not in self._silent:
                self._silent.add(url)
                log.warning("Alertmanager takes no alerts: %s", error, extra={"feed": self.name})
            return error
        if url in self._silent:
            self._silent.discard(url)
            log.info("Alertmanager %s takes alerts again", url, extra={"feed": self.name})
        return None

    async def close(self) -> None:
        await self._poster.close()
