"""What ingest adds to events from what it knows for certain: who sent them, from where, and when they came."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

from fenghuo.model import AgentId, Document, Event


class Normaliser:
    """Fills `@timestamp`, `event.id`, `event.ingested`, `observer.*` and `organization.*` of one agent's events.

    Observer and organization follow from the topic, which the broker authorises; what the payload says of them is
    overwritten, so that no agent can speak in another's name.
    """

    def __init__(self, agent: AgentId) -> None:
        self._observer: Document = {"name": agent.name, "type": "sensor", "vendor": "Fenghuo", "product": "fenghuo"}
        self._organization: Document = {"id": agent.site.path, "name": agent.site.name}
        self._second = -1
        self._prefix = ""

    def version(self, version: str) -> None:
        """The agent's version, as its status said."""
        self._observer["version"] = version

    def complete(self, events: Iterable[Event], received: int) -> None:
        """Fill in `events`, which arrived at `received` (Unix milliseconds)."""
        ingested = self._text(received)
        observer, organization = self._observer, self._organization
        for event in events:
            document = event.document
            document["@timestamp"] = self._text(event.time)
            inner = _section(document, "event")
            inner["id"] = event.id
            inner["ingested"] = ingested
            _section(document, "observer").update(observer)
            document["organization"] = organization.copy()

    def _text(self, time: int) -> str:
        """`time` (Unix milliseconds) as ISO 8601 in UTC with milliseconds."""
        second, rest = divmod(time, 1000)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._prefix}{rest:03d}Z"


def _section(document: Document, key: str) -> dict[str, Any]:
    found = document.get(key)
    if type(found) is dict:
        return cast("dict[str, Any]", found)
    document[key] = made = dict[str, Any]()
    return made
