"""The agent's flow: inputs → normalise → rules → batcher → spool → transport.

`Pipeline` is what inputs hand their readings to. Everything in it runs in the event loop and never waits; what may have
to wait is the spool's and the transport's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from fenghuo.alerts import alert_to_event
from fenghuo.clock import Clock
from fenghuo.ids import Entropy, uuid7
from fenghuo.model import AgentId, Alert, AlertState, Asset, Event, Table
from fenghuo.rules import Engine, RuleSet
from fenghuo_agent.batcher import Batcher
from fenghuo_agent.normalise import asset_event, complete

_log = logging.getLogger(__name__)
RULES_STATE = "rules"
"""Under this key the spool keeps the rules' memory."""
_TICK_SECONDS = 1.0


class Pipeline:
    """Judges readings and passes them on; an alert is saved in one transaction with the memory that gave rise to it."""

    def __init__(self, agent: AgentId, engine: Engine, batcher: Batcher, clock: Clock, entropy: Entropy) -> None:
        self._agent = agent
        self.engine = engine
        self._batcher = batcher
        self._clock = clock
        self._entropy = entropy
        self._saved = float("-inf")
        self._unsaved = False

    def table(self, table: Table) -> None:
        """Take readings."""
        self._batcher.table(table)
        self._tell(self.engine.process(table))

    def event(self, event: Event) -> None:
        """Take an event."""
        event = complete(event, self._agent)
        self._batcher.event(event)
        self._tell(self.engine.event(event))

    def asset(self, asset: Asset) -> None:
        """Take what is known of a device."""
        self._batcher.asset(complete(asset_event(asset, self._new_id), self._agent))

    def use(self, rules: RuleSet) -> None:
        """Judge by other rules from now on."""
        self.engine = self.engine.with_rules(rules)
        self._tell(self.engine.advance(self._clock.now()))
        self._save()

    async def keep_time(self, snapshot_interval: float) -> None:
        """Let rules see that time passes (holds, absence), and save their memory now and then; until cancelled."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._tell(self.engine.advance(self._clock.now()))
            if self._unsaved or self._clock.monotonic() - self._saved >= snapshot_interval:
                self._save()

    async def drain(self) -> None:
        """Save the rules' memory and everything taken so far."""
        self._save()
        await self._batcher.drain()

    def _tell(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            level = logging.INFO if alert.state is AlertState.RESOLVED else logging.WARNING
            _log.log(level, "%s: %s", alert.state, alert.message or alert.title, extra={"rule": alert.rule_name})
            self._batcher.alert(complete(alert_to_event(alert, self._new_id(alert.time)), self._agent))
            self._unsaved = True
        # In a storm of alerts the memory is saved by the second, not with each of them.
        if self._unsaved and self._clock.monotonic() - self._saved >= _TICK_SECONDS:
            self._save()

    def _save(self) -> None:
        self._saved = self._clock.monotonic()
        self._unsaved = False
        self._batcher.save({RULES_STATE: self.engine.snapshot()})

    def _new_id(self, time: int) -> str:
        return uuid7(time, self._entropy)
