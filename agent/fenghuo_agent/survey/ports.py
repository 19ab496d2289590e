"""A device's interfaces (IF-MIB), with 64-bit counters where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fenghuo_agent.profiles.rows import Column, Rows, mac_of, number_of, text_of
from fenghuo_agent.snmp.ber import Oid, Varbind
from fenghuo_agent.survey.if_types import if_type_name

_IF: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1)
_IF_X: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
_COLUMNS = {
    "ifDescr": (*_IF, 2), "ifType": (*_IF, 3), "ifMtu": (*_IF, 4), "ifSpeed": (*_IF, 5), "ifPhysAddress": (*_IF, 6),
    "ifAdminStatus": (*_IF, 7), "ifOperStatus": (*_IF, 8), "ifLastChange": (*_IF, 9), "ifInOctets": (*_IF, 10),
    "ifInUcastPkts": (*_IF, 11), "ifInDiscards": (*_IF, 13), "ifInErrors": (*_IF, 14), "ifInUnknownProtos": (*_IF, 15),
    "ifOutOctets": (*_IF, 16), "ifOutUcastPkts": (*_IF, 17), "ifOutDiscards": (*_IF, 19), "ifOutErrors": (*_IF, 20),
    "ifName": (*_IF_X, 1), "ifHCInOctets": (*_IF_X, 6), "ifHCInUcastPkts": (*_IF_X, 7), "ifHCInMulticastPkts": (*_IF_X, 8),
    "ifHCInBroadcastPkts": (*_IF_X, 9), "ifHCOutOctets": (*_IF_X, 10), "ifHCOutUcastPkts": (*_IF_X, 11),
    "ifHCOutMulticastPkts": (*_IF_X, 12), "ifHCOutBroadcastPkts": (*_IF_X, 13), "ifHighSpeed": (*_IF_X, 15),
    "ifAlias": (*_IF_X, 18),
}  # fmt: skip
PORT_COLUMNS: Mapping[str, Column] = {name: Column(name, oid) for name, oid in _COLUMNS.items()}
ADMIN_STATUS = {1: "up", 2: "down", 3: "testing"}
OPER_STATUS = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown"}
FULL = 4294967295
"""ifSpeed of an interface that is faster than it can say; ifHighSpeed says it then."""

_COUNTERS = {
    "in_octets": ("ifHCInOctets", "ifInOctets"),
    "out_octets": ("ifHCOutOctets", "ifOutOctets"),
    "in_packets": ("ifHCInUcastPkts", "ifInUcastPkts"),
    "out_packets": ("ifHCOutUcastPkts", "ifOutUcastPkts"),
    "in_multicast": ("ifHCInMulticastPkts",),
    "out_multicast": ("ifHCOutMulticastPkts",),
    "in_broadcast": ("ifHCInBroadcastPkts",),
    "out_broadcast": ("ifHCOutBroadcastPkts",),
    "in_errors": ("ifInErrors",),
    "out_errors": ("ifOutErrors",),
    "in_discards": ("ifInDiscards",),
    "out_discards": ("ifOutDiscards",),
}


def ports_of(rows: Rows) -> list[dict[str, Any]]:
    """The interfaces in order of ifIndex; what a device does not say is null."""
    indexes = {index for column in PORT_COLUMNS.values() for index in rows.of(column) if len(index) == 1}
    return [_port(rows, index) for index in sorted(indexes)]


def _port(rows: Rows, index: Oid) -> dict[str, Any]:
    def found(name: str) -> Varbind | None:
        return rows.of(PORT_COLUMNS[name]).get(index)

    def number(name: str) -> int | None:
        value = number_of(found(name))
        return int(value) if value is not None else None

    description = text_of(found("ifDescr"))
    counters = {
        key: next((value for name in names if (value := number(name)) is not None), None)
        for key, names in _COUNTERS.items()
    }
    return {
        "index": index[0],
        "name": text_of(found("ifName")) or description,
        "description": description,
        "alias": text_of(found("ifAlias")),
        "type": if_type_name(number("ifType")),
        "mac": _mac(found("ifPhysAddress")),
        "mtu": number("ifMtu"),
        "oper_status": OPER_STATUS.get(number("ifOperStatus") or 0, "unknown"),
        "admin_status": ADMIN_STATUS.get(number("ifAdminStatus") or 0, "unknown"),
        "speed_bps": speed_bps(number("ifSpeed"), number("ifHighSpeed")),
        **counters,
    }


def speed_bps(speed: int | None, high_speed: int | None) -> int | None:
    """IfSpeed where it can say it, else ifHighSpeed, which counts millions of bits a second (RFC 2863, 3.1.6)."""
    if high_speed and (not speed or speed >= FULL or high_speed * 1_000_000 > FULL):
        return high_speed * 1_000_000
    return speed if speed is not None else high_speed


def _mac(varbind: Varbind | None) -> str:
    text = mac_of(varbind)
    return text if len(text) == 17 and text != "00:00:00:00:00:00" else ""
