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
    """An asset as the ECS document that carries it; `new_id` makes an event id for a moment in Unix milliseconds.

    The attributes are ECS fields and stand at the top of the document, beside what makes it one of an asset.
    """
    document: Document = {
        "event": {"kind": "asset", "category": ["host"], "type": ["info"], "dataset": ASSET_DATASET},
        "device": {"id": asset.id},
        "fenghuo": {"asset": {"id": asset.id}},
    }
    return Event(new_id(asset.time), asset.time, _merged(document, asset.attributes))


def _merged(first: Document, second: Document) -> Document:
    """Both documents in one, neither changed; where both say something else of a field, the first is right."""
    result = {**second, **first}
    for key in first.keys() & second.keys():
        if isinstance(first[key], dict) and isinstance(second[key], dict):
            result[key] = _merged(first[key], second[key])
    return result
