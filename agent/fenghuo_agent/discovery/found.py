"""A device that was found: who it is, where it answers, since when it is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from fenghuo.model import Asset, Document
from fenghuo_agent.snmp.access import Target, parse_address

State = Literal["up", "silent", "gone"]
IDENTITY = ("name", "vendor", "model", "os", "version", "serial", "type", "object_id")
"""What makes it another device, or the same one after an upgrade, when it changes."""


@dataclass(slots=True, kw_only=True)
class Found:
    """One device. Texts that it does not say are empty; times are Unix milliseconds.

    `credential` is the label of what let us in, never a secret. `engine` (hexadecimal) and `mac` tell devices apart that
    answer at many addresses: those are `also`; `own` is what the device itself says its addresses are. `how` it was
    found: sweep, neighbour table, arp, lldp, cdp.
    """

    target: Target
    credential: str
    version: str
    how: str
    name: str = ""
    vendor: str = ""
    model: str = ""
    os: str = ""
    os_version: str = ""
    serial: str = ""
    type: str = ""
    location: str = ""
    contact: str = ""
    description: str = ""
    object_id: str = ""
    profile: str = ""
    engine: str = ""
    mac: str = ""
    also: list[Target] = field(default_factory=list[Target])
    own: list[str] = field(default_factory=list[str])
    first_seen: int = 0
    last_seen: int = 0
    state: State = "up"

    @property
    def instance(self) -> str:
        """The address to ask it at."""
        return self.target.instance

    @property
    def identity(self) -> dict[str, str]:
        """Who it is, of what may change."""
        return {
            name: str(getattr(self, "os_version" if name == "version" else name))
            for name in IDENTITY
            if getattr(self, "os_version" if name == "version" else name)
        }

    def document(self) -> dict[str, Any]:
        """As `--json` and the state file have it."""
        content = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        content["address"] = content.pop("target").instance
        content["also"] = [target.instance for target in self.also]
        return content

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> Found:
        """What `document` gave. Raises ValueError."""
        content = dict(document)
        target = parse_address(str(content.pop("address", "")))
        names = {each.name: each.type for each in dataclasses.fields(cls)} | {"target": "Target"}
        fields: dict[str, Any] = {}
        for name, value in content.items():
            kind = {"int": int, "list[Target]": list, "list[str]": list}.get(str(names.get(name)), str)
            if name not in names or not isinstance(value, kind):
                raise ValueError(f"a device with {name!r} of another kind")
            fields[name] = value
        for name in ("also", "own"):
            fields[name] = [str(each) for each in cast("list[object]", fields.get(name, []))]
        fields["also"] = [parse_address(each) for each in fields["also"]]
        if fields.get("state", "up") not in ("up", "silent", "gone"):
            raise ValueError("a device in another state")
        for name in ("credential", "version", "how"):
            fields.setdefault(name, "")
        return cls(target=target, **fields)


def asset_of(found: Found, time: int) -> Asset:
    """The asset of a found device, in ECS fields; what it does not say is left out. Polls know it by the same id."""
    label = found.name or found.instance
    device = {
        "id": found.engine or found.mac or found.serial,
        "type": found.type,
        "manufacturer": found.vendor,
        "serial_number": found.serial,
        "model": _given({"name": found.model, "identifier": found.object_id}),
    }
    host = {
        "name": label,
        "ip": list(dict.fromkeys([each.host.partition("%")[0] for each in (found.target, *found.also)] + found.own)),
        "mac": [found.mac.replace(":", "-").upper()] if found.mac else [],
        "os": _given({"name": found.os, "version": found.os_version}),
    }
    discovery = {
        "state": found.state,
        "how": found.how,
        "credential": found.credential,
        "version": found.version,
        "profile": found.profile,
        "first_seen": found.first_seen,
        "last_seen": found.last_seen,
        "also": [target.instance for target in found.also],
    }
    snmp = {
        "address": found.instance,
        "description": found.description,
        "object_id": found.object_id,
        "location": found.location,
        "contact": found.contact,
    }
    asset = {"kind": "snmp", "label": label, "snmp": _given(snmp), "discovery": _given(discovery)}
    attributes = {
        "message": ": ".join(filter(None, (f"{label} ({found.instance})", found.description))),
        "host": _given(host),
        "device": _given(device),
        "fenghuo": {"asset": asset},
    }
    return Asset(f"snmp:{found.instance}", time, attributes)


def _given(document: Document) -> Document:
    return {key: value for key, value in document.items() if value not in (None, "", {}, [])}
