"""Printing readings, for `fenghuo agent once`."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from fenghuo.model import AgentId, Asset, Event, Table


class Printer:
    """Writes each reading as it comes: a line of JSON, or a line for people. Failures go to standard error."""

    def __init__(self, agent: AgentId, *, as_json: bool) -> None:
        self._agent = agent
        self._as_json = as_json

    def table(self, table: Table) -> None:
        if table.ended:
            return
        for position, labels in enumerate(table.layout.rows):
            values = {
                name: column[position]
                for name, column in zip(table.layout.fields, table.columns, strict=True)
                if column[position] is not None
            }
            self._write({"name": table.layout.name, "time": table.time, "labels": self._own(labels), "values": values})

    def event(self, event: Event) -> None:
        self._write({"name": "event", "time": event.time, "id": event.id, "document": event.document})

    def asset(self, asset: Asset) -> None:
        self._write({"name": "asset", "time": asset.time, "id": asset.id, "attributes": asset.attributes})

    def failed(self, name: str, error: Exception) -> None:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 — this is what the command prints

    def _own(self, labels: Any) -> dict[str, str]:
        return {"site": str(self._agent.site), "agent": self._agent.name, **labels}

    def _write(self, item: dict[str, Any]) -> None:
        if self._as_json:
            sys.stdout.write(msgspec.json.encode(item).decode() + "\n")
            return
        labels = " ".join(f"{key}={value}" for key, value in item.get("labels", {}).items())
        rest: dict[str, Any] = item.get("values") or item.get("attributes") or item.get("document") or {}
        values = " ".join(f"{key}={value}" for key, value in rest.items())
        sys.stdout.write(f"{item['name']} {labels} {values}\n".replace("  ", " "))
