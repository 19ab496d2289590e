"""Steps of groups → alerts, with message, evidence and the parties named."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from fenghuo.alerts import iso
from fenghuo.config import format_duration
from fenghuo.model import Alert, AlertState, Document
from fenghuo.rules.files.section import Party
from fenghuo.rules.rule import Rule
from fenghuo.rules.runtime.lifecycle import Group
from fenghuo.rules.runtime.observe import MAX_EVENTS
from fenghuo.rules.runtime.throttle import Gate

_LONGEST_ADDRESS = 45
"""Characters of an IPv6 address that ends as an IPv4 address."""


def underscored(name: str) -> str:
    """The label of a field: `source.ip` is the label `source_ip`."""
    return name.replace(".", "_").replace("@", "_").replace("-", "_")


def fingerprint(rule_id: str, agent: str, labels: Mapping[str, str]) -> str:
    """What stays the same for a rule about an entity, over restarts and versions."""
    parts = [rule_id, agent, *(f"{key}={labels[key]}" for key in sorted(labels))]
    return hashlib.blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Telling:
    """One step of a group, told at `time`; `gate`: what was withheld of it before."""

    rule: Rule
    group: Group
    time: int
    gate: Gate | None = None

    def firing(self) -> Alert:
        """The group fires, or fires at another level."""
        return self._alert(AlertState.FIRING, {})

    def resolved(self, reason: str) -> Alert:
        """The group is resolved: `cleared`, `ended`, `forgotten`, `evicted`."""
        alert = self._alert(AlertState.RESOLVED, {"reason": reason})
        alert.ends_at = self.time
        if self.group.alert is not None:
            alert.starts_at = self.group.alert.starts_at
        return alert

    @staticmethod
    def withdrawn(alert: Alert, time: int, reason: str) -> Alert:
        """The end of an alert whose rule is no more."""
        ended = copy(alert)
        ended.state = AlertState.RESOLVED
        ended.time = ended.ends_at = time
        ended.evidence = {**alert.evidence, "reason": reason}
        return ended

    @property
    def _since(self) -> int:
        if self.group.alert is not None:
            return self.group.alert.starts_at
        return self.time if self.group.since is None else self.group.since

    def _alert(self, state: AlertState, more: Document) -> Alert:
        rule, group = self.rule, self.group
        is_over = state is AlertState.RESOLVED
        message, message_zh = (
            (rule.message_resolved or _over, rule.message_resolved_zh or _over_zh)
            if is_over
            else (rule.message, rule.message_zh)
        )
        value = group.value if group.value is not None and math.isfinite(group.value) else None
        lasted = format_duration(max(0, round((self.time - self._since) / 1000)))
        values: dict[str, Any] = {
            **group.values,
            **group.labels,
            **{name: group.labels.get(underscored(name), "") for name in rule.section.group_by or () if "." in name},
            "value": value,
            "level": group.level,
            "for": lasted,
            "rule": rule.name,
            "title": rule.title,
            "title_zh": rule.section.title_zh,
        }
        evidence: Document = {"values": _finite(group.values), "since": iso(self._since), "for": lasted, **more}
        before = self.gate or Gate()
        if before.withheld:
            evidence["throttled"] = before.withheld
        if group.seen + before.seen:
            evidence["events"] = group.seen + before.seen
        if rule.condition:
            evidence["condition"] = rule.condition
        if group.flapping:
            evidence["flapping"] = True
        return Alert(
            fingerprint=group.fingerprint,
            rule_id=rule.id,
            rule_name=rule.name,
            title=rule.title,
            title_zh=rule.section.title_zh,
            state=state,
            level=group.level,
            labels=dict(group.labels),
            time=self.time,
            starts_at=self._since,
            value=value,
            message=message(values) or rule.title,
            message_zh=message_zh(values) or rule.section.title_zh,
            evidence=evidence,
            culprit=_party(rule.section.culprit, values),
            victim=_party(rule.section.victim, values),
            tags=tuple(rule.section.tags),
            runbook=rule.section.runbook.model_dump() if rule.section.runbook else {},
            event_ids=tuple([*before.events, *group.events][-MAX_EVENTS:]),
        )


def _over(values: Mapping[str, Any]) -> str:
    return f"{values['title']} is over"


def _over_zh(values: Mapping[str, Any]) -> str:
    return f"{values['title_zh']}：已恢复" if values["title_zh"] else ""


def _finite(values: Mapping[str, int | float | str]) -> dict[str, int | float | str]:
    return {name: value for name, value in values.items() if isinstance(value, str) or math.isfinite(value)}


def _party(party: Party, values: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    if party.ip and (address := _address(str(values.get(party.ip, "")))):
        found["ip"] = address
    if party.mac and (mac := str(values.get(party.mac, ""))):
        found["mac"] = mac
    if party.name and (name := str(values.get(party.name, ""))):
        found["name"] = name
    return found


def _address(text: str) -> str:
    """The IP address in `10.0.0.1`, `10.0.0.1:1161` or `[::1]:1161`; "" where it is a name: ECS takes addresses only."""
    bare = text.rpartition(":")[0].strip("[]") if text.startswith("[") or text.count(":") == 1 else text
    bare = bare.partition("%")[0]
    return _parsed(bare) if len(bare) <= _LONGEST_ADDRESS else ""


@lru_cache(maxsize=1024)
def _parsed(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return ""
