"""The documents that webhooks receive; docs/reference/feeds.md shows one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from fenghuo.alerts import iso
from fenghuo_collector.feeds.base import Step

VERSION = 1


def document(step: Step, console: str | None) -> dict[str, Any]:
    """One step. The same step gives the same document at every sending."""
    alert = step.alert
    body: dict[str, Any] = {
        "fingerprint": alert.fingerprint,
        "state": alert.state.value,
        "level": alert.level,
        "rule": {"id": alert.rule_id, "name": alert.rule_name},
        "title": alert.title,
        "title_zh": alert.title_zh,
        "message": alert.message,
        "message_zh": alert.message_zh,
        "time": iso(alert.time),
        "starts_at": iso(alert.starts_at),
        "ends_at": None if alert.ends_at is None else iso(alert.ends_at),
        "value": alert.value,
        "labels": alert.labels,
        "evidence": alert.evidence,
        "culprit": alert.culprit,
        "victim": alert.victim,
        "tags": list(alert.tags),
        "runbook": alert.runbook,
    }
    if console:
        body["url"] = f"{console.rstrip('/')}/alerts/{quote(alert.fingerprint, safe='')}"
    return {
        "version": VERSION,
        "type": f"alert.{alert.state.value}",
        "id": step.key,
        "number": step.number,
        "site": step.agent.site.path,
        "agent": step.agent.name,
        "alert": body,
    }


def single(step: Step, console: str | None) -> tuple[bytes, str]:
    """A request's body for one step, and its idempotency key: the id of the step's event."""
    return msgspec.json.encode(document(step, console)), step.key


def batch(steps: Sequence[Step], console: str | None) -> tuple[bytes, str]:
    """A request's body for several steps, and a key that is the same for the same steps."""
    documents = [document(step, console) for step in steps]
    key = hashlib.sha256("\n".join(step.key for step in steps).encode()).hexdigest()
    return msgspec.json.encode({"version": VERSION, "type": "batch", "steps": documents}), key
