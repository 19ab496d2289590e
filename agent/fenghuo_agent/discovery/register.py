"""What is known of devices over time: which are new, which changed, which have been silent for too long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from fenghuo.model import Document, Event
from fenghuo_agent.discovery.duplicates import contradict, marks_of
from fenghuo_agent.discovery.found import Found, asset_of
from fenghuo_agent.snmp.access import Target

MOST_KNOWN = 16_384
DATASET = "asset"

Action = Literal["device-found", "device-changed", "device-returned", "device-gone"]
_TYPES: Mapping[Action, str] = {
    "device-found": "creation",
    "device-changed": "change",
    "device-returned": "info",
    "device-gone": "deletion",
}
_TEXTS: Mapping[Action, str] = {
    "device-found": "found",
    "device-changed": "is another than before",
    "device-returned": "answers again",
    "device-gone": "has been silent for too long and counts as gone",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a device; `was` is what it said before of each thing that changed, `moved` its address before."""

    action: Action
    device: Found
    was: Mapping[str, str] = field(default_factory=dict[str, str])
    moved: str = ""


class Register:
    """The known devices. Times are Unix milliseconds; a device that is gone is remembered for as long again."""

    def __init__(self, forget_after: float, devices: Iterable[Found] = ()) -> None:
        self._forget_after = forget_after * 1000
        self._by_instance: dict[str, Found] = {}
        self._by_mark: dict[tuple[str, ...], Found] = {}
        self.refused = 0
        for device in devices:
            self._keep(device)

    @property
    def devices(self) -> list[Found]:
        """All that are known, those that are gone among them."""
        return list({id(device): device for device in self._by_instance.values()}.values())

    def at(self, target: Target) -> Found | None:
        """The device that was last seen at an address."""
        return self._by_instance.get(target.instance)

    def seen(self, found: Sequence[Found], now: int) -> list[Change]:
        """Take what a scan found."""
        return [change for device in found if (change := self._take(device, now))]

    def alive(self, instances: Iterable[str], now: int) -> None:
        """Devices that answer to polls are not silent, whatever scans say."""
        for instance in instances:
            device = self._by_instance.get(instance)
            if device is not None and device.state != "gone":
                device.last_seen, device.state = now, "up"

    def silent(self, now: int, since: int) -> list[Change]:
        """After a scan of everything that began at `since`: who did not answer, who is gone, who is forgotten."""
        changes: list[Change] = []
        for device in self.devices:
            quiet = now - device.last_seen
            if device.last_seen >= since:
                continue
            if device.state == "gone":
                if quiet >= 2 * self._forget_after:
                    self._drop(device)
            elif quiet >= self._forget_after:
                device.state = "gone"
                changes.append(Change("device-gone", device))
            else:
                device.state = "silent"
        return changes

    def _take(self, device: Found, now: int) -> Change | None:
        device.last_seen, device.state = now, "up"
        known = self._known(device)
        if known is None:
            if len(self._by_instance) >= MOST_KNOWN:
                self.refused += 1
                return None
            device.first_seen = now
            before = self._by_instance.get(device.instance)
            self._keep(device)
            return Change("device-found", device, _differing(before, device) if before else {})
        returned = known.state == "gone"
        changed = _differing(known, device)
        moved = known.instance if known.target != device.target else ""
        device.first_seen = known.first_seen
        _complete(device, known)
        self._drop(known)
        self._keep(device)
        if returned:
            return Change("device-returned", device, changed, moved)
        return Change("device-changed", device, changed, moved) if changed or moved else None

    def _known(self, device: Found) -> Found | None:
        """The same device as it was known: by its address, unless it is other hardware; else by what tells it apart."""
        for target in (device.target, *device.also):
            known = self._by_instance.get(target.instance)
            if known is not None and not contradict(known, device, hardware=True):
                return known
        marked = (self._by_mark.get(mark) for mark in marks_of(device))
        return next((known for known in marked if known is not None and not contradict(known, device)), None)

    def _keep(self, device: Found) -> None:
        before = self._by_instance.get(device.instance)
        if before is not None and before is not device:
            self._drop(before)
        for target in (device.target, *device.also):
            self._by_instance[target.instance] = device
        for mark in marks_of(device):
            self._by_mark[mark] = device

    def _drop(self, device: Found) -> None:
        for target in (device.target, *device.also):
            if self._by_instance.get(target.instance) is device:
                del self._by_instance[target.instance]
        for mark in marks_of(device):
            if self._by_mark.get(mark) is device:
                del self._by_mark[mark]


def _differing(before: Found, after: Found) -> dict[str, str]:
    """What was said before of what is said otherwise now; what is no longer said is not known to have changed."""
    new = after.identity
    return {name: value for name, value in before.identity.items() if new.get(name, value) != value}


def _complete(device: Found, known: Found) -> None:
    """Keep what the device said before and did not say this time."""
    texts = ("name", "vendor", "model", "os", "os_version", "serial", "type", "location", "contact", "description")
    for name in (*texts, "object_id", "profile", "engine", "mac"):
        if not getattr(device, name):
            setattr(device, name, getattr(known, name))
    device.own = device.own or known.own


def event_of(change: Change, now: int, identifier: str) -> Event:
    """The event of a change, in ECS fields."""
    device = change.device
    attributes: Document = asset_of(device, now).attributes
    label = attributes["host"]["name"]
    attributes["message"] = f"{label} ({device.instance}) {_TEXTS[change.action]}"
    attributes["event"] = {
        "kind": "event",
        "category": ["host"],
        "type": [_TYPES[change.action]],
        "action": change.action,
        "dataset": DATASET,
    }
    was: dict[str, Any] = dict(change.was)
    if change.moved:
        was["address"] = change.moved
    if was:
        attributes["fenghuo"]["asset"]["was"] = was
    return Event(identifier, now, attributes)
