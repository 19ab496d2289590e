"""Events and assets, completed to whole ECS documents."""

from __future__ import annotations

from collections.abc import Callable

from fenghuo.model import AgentId, Asset, Document, Event

ASSET_DATASET = "asset"


def complete(event: Event, agent: AgentId) -> Event:
    """The event with `observer` (who saw it) and `event.kind` where its input left them out."""
    document = event.document
    document.setdefault("event", {}).setdefault("kind", "event")
    observer: Document = document.setdefault("observer", {})
    observer.setdefault("name", agent.name)
    observer.setdefault("type", "agent")
    return event


def asset_event(asset: Asset, new_id: Callable[[int], str]) -> Event:
    """An asset as the ECS document that carries it; `new_id` makes an event id for a moment in Unix milliseconds."""
    document: Document = {
        "event": {"kind": "asset", "category": ["host"], "type": ["info"], "dataset": ASSET_DATASET},
        "device": {"id": asset.id},
        "fenghuo": {"asset": {"id": asset.id, **asset.attributes}},
    }
    return Event(new_id(asset.time), asset.time, document)
