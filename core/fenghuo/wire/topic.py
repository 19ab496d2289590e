"""Topic names: `fenghuo/1/<site path>/<agent>/<stream>`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fenghuo.model import MAX_SITE_DEPTH, AgentId, Site

ROOT = "fenghuo/1"


class Stream(StrEnum):
    """What flows on a topic. The data streams carry numbered batches, in order of their number, most urgent first."""

    ALERTS = "alerts"
    EVENTS = "events"
    ASSETS = "assets"
    METRICS = "metrics"
    BACKFILL = "backfill"
    """Metrics kept while the collector was away, sent behind the live ones."""

    STATUS = "status"
    ACK = "ack"
    CONTROL = "control"

    @property
    def is_data(self) -> bool:
        return self in DATA_STREAMS

    @property
    def holds_tables(self) -> bool:
        return self in (Stream.METRICS, Stream.BACKFILL)


DATA_STREAMS = (Stream.ALERTS, Stream.EVENTS, Stream.ASSETS, Stream.METRICS, Stream.BACKFILL)
"""Most urgent first."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One agent's topic for one stream."""

    agent: AgentId
    stream: Stream

    def __str__(self) -> str:
        return f"{ROOT}/{self.agent}/{self.stream}"

    @classmethod
    def parse(cls, text: str) -> Topic:
        """Read a topic name; ValueError where it is none of ours."""
        if not text.startswith(ROOT + "/"):
            raise ValueError(f"topic {text!r} does not start with {ROOT}/")
        agent, _, stream = text[len(ROOT) + 1 :].rpartition("/")
        return cls(AgentId.parse(agent), Stream(stream))

    @staticmethod
    def filter(site: Site | None, stream: Stream) -> list[str]:
        """The MQTT topic filters for `stream` of every agent at or below `site` (None: everywhere).

        MQTT's `#` stands only at the end, so each depth has a filter of its own.
        """
        prefix = f"{ROOT}/{site}" if site else ROOT
        above = site.path.count("/") + 1 if site else 0
        fewest = 1 if site else 2
        return ["/".join([prefix, *["+"] * depth, stream]) for depth in range(fewest, MAX_SITE_DEPTH + 2 - above)]
