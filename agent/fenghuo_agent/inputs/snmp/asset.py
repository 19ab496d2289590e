"""What a device says of itself, as an asset with ECS field names."""

from __future__ import annotations

from fenghuo.model import Asset, Document
from fenghuo_agent.inputs.snmp.learn import Learnt
from fenghuo_agent.snmp.access import Target


def attributes_of(target: Target, label: str, learnt: Learnt) -> Document:
    """The asset's attributes; what the device does not say is left out."""
    facts, identity = learnt.facts, learnt.identity
    device = {
        "type": identity.type,
        "manufacturer": identity.vendor or facts.get("entPhysicalMfgName"),
        "serial_number": identity.serial or facts.get("entPhysicalSerialNum"),
        "model": _given(
            {"name": identity.model or facts.get("entPhysicalModelName"), "identifier": facts.get("sysObjectID")}
        ),
    }
    snmp = {
        "address": target.instance,
        "description": facts.get("sysDescr"),
        "object_id": facts.get("sysObjectID"),
        "location": facts.get("sysLocation"),
        "contact": facts.get("sysContact"),
        "profile": identity.profile,
        "chassis": facts.get("entPhysicalDescr"),
        "hardware": facts.get("entPhysicalHardwareRev"),
        "firmware": facts.get("entPhysicalFirmwareRev"),
        "software": facts.get("entPhysicalSoftwareRev"),
        "ports": len(learnt.shape.rows) or None,
        "sensors": learnt.sensors or None,
    }
    return {
        "message": ": ".join([f"{label} ({target.instance})", *filter(None, [facts.get("sysDescr")])]),
        "host": _given(
            {
                "os": _given({"name": identity.os, "version": identity.version}),
                "name": facts.get("sysName") or label,
                "ip": [target.host.partition("%")[0]],
            }
        ),
        "device": _given(device),
        "fenghuo": {"asset": {"kind": "snmp", "label": label, "snmp": _given(snmp)}},
    }


def asset_of(target: Target, attributes: Document, time: int) -> Asset:
    """The asset of the device at an address."""
    return Asset(f"snmp:{target.instance}", time, attributes)


def _given(document: Document) -> Document:
    return {key: value for key, value in document.items() if value not in (None, "", {}, [])}
