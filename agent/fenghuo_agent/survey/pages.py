"""A survey's document as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fenghuo_agent.once import aligned

Document = dict[str, Any]
_SPEEDS = ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"))


def pages(document: Document) -> Iterator[str]:
    """Lines: the device, then each part that has something."""
    device = document["device"]
    yield " ".join(part for part in (device["name"], device["vendor"], device["model"]) if part) or "(no name)"
    told = {key: value for key, value in device.items() if value and key not in ("name", "vendor", "model")}
    yield from (f"  {line}" for line in aligned(list(told.items())))
    yield from _part("sensors", [_sensor(each) for each in document["sensors"]], (2,))
    yield from _part("supplies", [(each["name"], f"{each['percent']:g} %") for each in document["supplies"]], (1,))
    yield from _part("wireless", [(each["name"], f"{each['clients']:g}") for each in document["wireless"]], (1,))
    yield from _part("ports", [_port(each) for each in document["ports"]], ())
    yield from _part("addresses", [_address(each) for each in document["addresses"]], ())
    yield from _part("neighbours", [_neighbour(each) for each in document["neighbours"]], ())
    for fault in document["faults"]:
        yield f"fault  {fault}"
    yield f"\n{document['requests']} requests, {document['seconds']:.1f} s"


def _part(title: str, rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> Iterator[str]:
    if rows:
        yield f"\n{title} ({len(rows)})"
        yield from (f"  {line}" for line in aligned(rows, numbers))


def _sensor(sensor: Document) -> tuple[str, ...]:
    judged = sensor["quantity"] == "state" or sensor["state"] != "unknown"
    return (
        sensor["quantity"],
        sensor["name"],
        _number(sensor["value"]),
        sensor["unit"] or sensor["text"],
        sensor["state"] if judged else "",
    )


def _number(value: float) -> str:
    """Six digits, or all that stand before the point; never with an exponent of ten."""
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 1e5 else f"{value:.6g}"


def _port(port: Document) -> tuple[str, ...]:
    status = (
        port["oper_status"] if port["admin_status"] == "up" else f"{port['oper_status']} (admin {port['admin_status']})"
    )
    return str(port["index"]), port["name"], status, _speed(port["speed_bps"]), port["type"], port["alias"]


def _speed(bits: int | None) -> str:
    for size, unit in _SPEEDS:
        if bits and bits >= size:
            return f"{bits / size:g} {unit}"
    return "" if bits is None else f"{bits} bit/s"


def _address(address: Document) -> tuple[str, ...]:
    length = address["prefix_length"]
    return address["address"] + (f"/{length}" if length is not None else ""), f"interface {address['interface']}"


def _neighbour(neighbour: Document) -> tuple[str, ...]:
    addresses = " ".join(neighbour["addresses"])
    return (
        neighbour["port"],
        neighbour["protocol"],
        neighbour["name"] or neighbour["chassis_id"],
        neighbour["remote_port"],
        addresses,
    )
