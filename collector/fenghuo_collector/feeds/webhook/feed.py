"""A webhook as a feed."""

from __future__ import annotations

from collections.abc import Sequence

from fenghuo.clock import Clock
from fenghuo_collector.feeds.base import Step
from fenghuo_collector.feeds.http import Poster
from fenghuo_collector.feeds.webhook.config import WebhookConfig
from fenghuo_collector.feeds.webhook.encode import batch, single
from fenghuo_collector.feeds.webhook.signature import HEADER, sign


class WebhookFeed:
    """Posts steps in the journal's order, each at least once; `Idempotency-Key` lets the receiver pass over repeats."""

    def __init__(self, config: WebhookConfig, *, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._poster = Poster(seconds=config.timeout, tls=config.tls, clock=clock)

    @property
    def name(self) -> str:
        return self._config.name

    async def deliver(self, steps: Sequence[Step]) -> None:
        """One request for all of `steps`, or one for each where the configuration says so (`batch: 1`)."""
        wanted = [step for step in steps if step.alert.state in self._config.states]
        if self._config.batch > 1:
            if wanted:
                await self._post(*batch(wanted, self._config.console_url))
            return
        for step in wanted:
            await self._post(*single(step, self._config.console_url))

    async def _post(self, body: bytes, key: str) -> None:
        headers = {**self._config.headers, "Idempotency-Key": key}
        if self._config.authorization:
            headers["Authorization"] = self._config.authorization.reveal()
        if self._config.secret:
            headers[HEADER] = sign(self._config.secret.reveal(), body, self._clock.now() // 1000)
        await self._poster.post(self._config.url, body, headers)

    async def refresh(self, firing: Sequence[Step]) -> None:
        """Nothing to do: a receiver of webhooks remembers."""

    async def close(self) -> None:
        await self._poster.close()
