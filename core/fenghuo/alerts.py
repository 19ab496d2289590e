"""Alerts as they travel: an ECS document on the stream `alerts`, and back.

`event.kind: alert`, `event.dataset: alert`, `rule.{id,name}`, and our own part under `fenghuo.alert`. ATT&CK tags of the
rule stand once more where ECS puts them (`threat.technique`). Times in the document are ISO 8601, UTC, milliseconds.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, cast

import msgspec

from fenghuo.model import LEVELS, Alert, AlertState, Document, Event, Level

DATASET = "alert"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999
_SEVERITY: dict[Level, int] = {level: (number + 1) * 20 for number, level in enumerate(LEVELS)}
"""`event.severity`, 20 … 100, so that stores can sort by it."""
_TECHNIQUE = re.compile(r"attack\.(t\d{4})(\.\d{3})?", re.IGNORECASE)
_MAX_DEPTH = 8
_MAX_NODES = 2_000

_Text = Annotated[str, msgspec.Meta(max_length=8_192)]
_Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Labels = Annotated[dict[_Key, _Text], msgspec.Meta(max_length=64)]


class _Party(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    ip: _Text = ""
    mac: _Text = ""
    name: _Text = ""


class _AlertBody(msgspec.Struct):
    fingerprint: _Name
    state: AlertState
    level: Level
    starts_at: str
    title: _Text = ""
    title_zh: _Text = ""
    message: _Text = ""
    message_zh: _Text = ""
    ends_at: str | None = None
    value: float | None = None
    labels: _Labels = {}
    evidence: dict[_Key, Any] = {}
    culprit: _Party = _Party()
    victim: _Party = _Party()
    runbook: _Labels = {}
    tags: Annotated[list[_Name], msgspec.Meta(max_length=64)] = []
    event_ids: Annotated[list[_Name], msgspec.Meta(max_length=1_000)] = []


class _Fenghuo(msgspec.Struct):
    alert: _AlertBody


class _Rule(msgspec.Struct):
    id: _Name
    name: _Name


class _Envelope(msgspec.Struct):
    kind: str
    dataset: str


class _AlertDocument(msgspec.Struct):
    event: _Envelope
    rule: _Rule
    fenghuo: _Fenghuo


def iso(milliseconds: int) -> str:
    """Unix milliseconds as `2026-01-31T08:00:00.000Z`; what lies beyond the years 1970 to 9999 becomes their edge."""
    moment = _EPOCH + timedelta(milliseconds=min(max(milliseconds, 0), _LAST))
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_iso(text: str) -> int:
    """Unix milliseconds of an ISO 8601 moment that names its offset; ValueError where it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no offset from UTC")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def alert_to_event(alert: Alert, id: str) -> Event:  # noqa: A002 — the event's own field name
    """The event that carries one step of an alert; `id` is its UUIDv7."""
    body: Document = {
        "fingerprint": alert.fingerprint,
        "state": alert.state.value,
        "level": alert.level,
        "title": alert.title,
        "title_zh": alert.title_zh,
        "message": alert.message,
        "message_zh": alert.message_zh,
        "starts_at": iso(alert.starts_at),
        "labels": dict(alert.labels),
        "evidence": dict(alert.evidence),
        "culprit": dict(alert.culprit),
        "victim": dict(alert.victim),
        "runbook": dict(alert.runbook),
        "tags": list(alert.tags),
    }
    if alert.event_ids:
        body["event_ids"] = list(alert.event_ids)
    if alert.ends_at is not None:
        body["ends_at"] = iso(alert.ends_at)
    if alert.value is not None and math.isfinite(alert.value):
        body["value"] = alert.value
    event: Document = {
        "kind": "alert",
        "dataset": DATASET,
        "action": alert.state.value,
        "severity": _SEVERITY[alert.level],
        "start": body["starts_at"],
    }
    if "ends_at" in body:
        event["end"] = body["ends_at"]
    document: Document = {
        "event": event,
        "message": alert.message or alert.title,
        "rule": {"id": alert.rule_id, "name": alert.rule_name, "description": alert.title},
        "fenghuo": {"alert": body},
    }
    threat = _threat(alert.tags)
    if threat:
        document["threat"] = threat
    return Event(id, alert.time, document)


def _threat(tags: tuple[str, ...]) -> Document:
    found = [match for match in map(_TECHNIQUE.fullmatch, tags) if match]
    if not found:
        return {}
    technique: Document = {"id": sorted({match[1].upper() for match in found})}
    below = sorted({(match[1] + match[2]).upper() for match in found if match[2]})
    if below:
        technique["subtechnique"] = {"id": below}
    return {"framework": "MITRE ATT&CK", "technique": technique}


def event_to_alert(event: Event) -> Alert:
    """The alert step that an event carries.

    Raises ValueError, in one line that says what is wrong, for every document that is no alert.
    """
    try:
        document = msgspec.convert(event.document, _AlertDocument)
        body = document.fenghuo.alert
        starts_at = parse_iso(body.starts_at)
        ends_at = None if body.ends_at is None else parse_iso(body.ends_at)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"no alert: {error}") from None
    if document.event.kind != "alert":
        raise ValueError(f"no alert: event.kind is {document.event.kind[:40]!r}")
    if body.value is not None and not math.isfinite(body.value):
        raise ValueError("no alert: fenghuo.alert.value is no finite number")
    if body.state is AlertState.RESOLVED and ends_at is None:
        raise ValueError("no alert: it is resolved and fenghuo.alert.ends_at is missing")
    _check_size(body.evidence)
    return Alert(
        fingerprint=body.fingerprint,
        rule_id=document.rule.id,
        rule_name=document.rule.name,
        title=body.title,
        title_zh=body.title_zh,
        state=body.state,
        level=body.level,
        labels=body.labels,
        time=event.time,
        starts_at=starts_at,
        ends_at=ends_at,
        value=body.value,
        message=body.message,
        message_zh=body.message_zh,
        evidence=body.evidence,
        culprit=_party(body.culprit),
        victim=_party(body.victim),
        tags=tuple(body.tags),
        runbook=body.runbook,
        event_ids=tuple(body.event_ids),
    )


def _party(party: _Party) -> dict[str, str]:
    return {key: value for key, value in msgspec.structs.asdict(party).items() if value}


def _check_size(evidence: Document) -> None:
    """Refuse evidence that is deep or large: what a page must show is small."""
    nodes = 0
    level: list[Any] = [evidence]
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(cast("dict[str, Any]", item).values())
            elif isinstance(item, list | tuple):
                below.extend(cast("list[Any]", item))
        nodes += len(below)
        if nodes > _MAX_NODES:
            raise ValueError(f"no alert: fenghuo.alert.evidence holds more than {_MAX_NODES} items")
        if not below:
            return
        level = below
    raise ValueError(f"no alert: fenghuo.alert.evidence is more than {_MAX_DEPTH} levels deep")
