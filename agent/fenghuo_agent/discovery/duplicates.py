"""One device that answers at many addresses is one device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address

from fenghuo_agent.discovery.found import Found
from fenghuo_agent.snmp.access import Target

_NO_SERIAL = frozenset(
    ("", "0", "n/a", "na", "none", "null", "unknown", "not specified", "default string", "to be filled by o.e.m.")
)
_MOST_ADDRESSES = 64


def merged(devices: Iterable[Found], prefer: Callable[[Target], bool] = lambda _: False) -> list[Found]:
    """The devices, each once, in the order of their addresses. `prefer` says which addresses are to be kept as its own.

    Two are the same where they share an engine id, a serial number, or a MAC and a name, and nothing else speaks
    against it: copied disks share engine ids, and makers ship whole series with one serial number.
    """
    result: list[Found] = []
    by_mark: dict[tuple[str, ...], list[Found]] = {}
    for device in sorted(devices, key=lambda each: (not prefer(each.target), rank(each.target))):
        marks = marks_of(device)
        same = next(
            (known for mark in marks for known in by_mark.get(mark, ()) if not contradict(known, device)),
            None,
        )
        if same is None:
            result.append(device)
            same = device
        else:
            _absorb(same, device)
        for mark in marks:
            others = by_mark.setdefault(mark, [])
            if same not in others:
                others.append(same)
    return sorted(result, key=lambda each: rank(each.target))


def rank(target: Target) -> tuple[int, bool, int, int]:
    """Which address stands for a device: IPv4 before IPv6, a link-local one last, then the lowest."""
    address = ip_address(target.host.partition("%")[0])
    return address.version, address.is_link_local, int(address), target.port


def contradict(one: Found, other: Found, *, hardware: bool = False) -> bool:
    """Whether something that both say of themselves differs; with `hardware` only what no new configuration changes."""
    pairs = [(_serial(one), _serial(other)), (one.mac, other.mac)]
    if not hardware:
        pairs += [(one.name, other.name), (one.engine, other.engine), (one.object_id, other.object_id)]
    return any(mine and its and mine != its for mine, its in pairs)


def marks_of(device: Found) -> list[tuple[str, ...]]:
    """What tells a device apart, wherever it answers."""
    marks: list[tuple[str, ...]] = []
    if device.engine:
        marks.append(("engine", device.engine))
    if _serial(device):
        marks.append(("serial", device.vendor, _serial(device)))
    if device.mac and device.name:
        marks.append(("mac", device.mac, device.name))
    return marks


def _serial(device: Found) -> str:
    return "" if device.serial.strip().lower() in _NO_SERIAL else device.serial


def _absorb(device: Found, other: Found) -> None:
    """Take another of the device's addresses, and what was learnt there only."""
    for target in (other.target, *other.also):
        if target != device.target and target not in device.also and len(device.also) < _MOST_ADDRESSES:
            device.also.append(target)
    device.also.sort(key=rank)
    for name in ("engine", "mac", "serial", "name"):
        if not getattr(device, name):
            setattr(device, name, getattr(other, name))
