"""An alert as Alertmanager's v2 API takes it (`postableAlert` of its OpenAPI description).

Alertmanager knows an alert by its labels alone, so they are those that stay the same over its life: the rule, the
place, the entity. The level is among them as `severity`, since people route by it; when it changes, the alert under the
old label is ended and goes on under the new one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from fenghuo.alerts import iso
from fenghuo.model import Alert
from fenghuo_collector.feeds.base import Step

MAX_LABEL = 1_000
MAX_ANNOTATION = 4_000
_BAD = re.compile(r"[^a-zA-Z0-9_]")
_OURS = frozenset({"alertname", "severity", "site", "agent", "fingerprint"})

Labels = dict[str, str]


def labels(step: Step, added: Mapping[str, str]) -> Labels:
    """The alert's identity. Where an entity's label had to be changed to fit, so that two might become one, the
    fingerprint keeps them apart.
    """
    alert = step.alert
    found: Labels = {}
    changed = False
    for key, value in alert.labels.items():
        name, text = label_name(key), _text(value, MAX_LABEL)
        if name in _OURS:
            name = f"entity_{name}"
        changed = changed or name != key or text != value or name in found
        if text:
            found[name] = text
    if changed:
        found["fingerprint"] = _text(alert.fingerprint, MAX_LABEL)
    return {
        **{label_name(key): value for key, value in added.items()},
        **found,
        "alertname": _text(alert.rule_name, MAX_LABEL) or alert.rule_id,
        "severity": alert.level,
        "site": step.agent.site.path,
        "agent": step.agent.name,
    }


def label_name(key: str) -> str:
    """A name that every Alertmanager takes: letters, digits, underscores, no digit first."""
    name = _BAD.sub("_", key) or "_"
    return f"_{name}" if name[0].isdigit() else name


def _text(value: str, most: int) -> str:
    return value.encode("utf-8", "replace").decode()[:most]


def description(alert: Alert) -> Labels:
    """What people read."""
    runbook = alert.runbook.get("en", "")
    runbook_zh = alert.runbook.get("zh", "")
    found = {
        "summary": alert.title,
        "summary_zh": alert.title_zh,
        "description": alert.message,
        "description_zh": alert.message_zh,
        "runbook_url" if runbook.startswith(("http://", "https://")) else "runbook": runbook,
        "runbook_zh": runbook_zh,
        "value": "" if alert.value is None else f"{alert.value:g}",
        "culprit": _party(alert.culprit),
        "victim": _party(alert.victim),
        "evidence": msgspec.json.encode(alert.evidence).decode() if alert.evidence else "",
        "rule": alert.rule_id,
        "tags": ", ".join(alert.tags),
        "fingerprint": alert.fingerprint,
    }
    return {key: _text(value, MAX_ANNOTATION) for key, value in found.items() if value}


def _party(party: Mapping[str, str]) -> str:
    return " ".join(party[key] for key in ("name", "ip", "mac") if party.get(key))


def postable(step: Step, names: Labels, ends_at: int, console: str | None) -> dict[str, Any]:
    """One alert of the request. `ends_at` in the future means that it fires until then unless said again."""
    document: dict[str, Any] = {
        "labels": names,
        "annotations": description(step.alert),
        "startsAt": iso(min(step.alert.starts_at, ends_at)),
        "endsAt": iso(ends_at),
    }
    if console:
        document["generatorURL"] = f"{console.rstrip('/')}/alerts/{quote(step.alert.fingerprint, safe='')}"
    return document
