"""What simulated devices know of each other: LLDP, forwarding tables, ARP, own addresses; state of the school → instances."""

from __future__ import annotations

from collections.abc import Iterator

from fenghuo.demo.ber import Oid, Tag
from fenghuo.demo.mib import Instance
from fenghuo.demo.plan import ACCESS_POINT, CORE_SWITCH, HUB, TEACHING_SWITCH, UPLINKS
from fenghuo.demo.school import UP, Device, Port, School

Objects = Iterator[tuple[Oid, Instance]]
LLDP: Oid = (1, 0, 8802, 1, 1, 2, 1)
MIB2: Oid = (1, 3, 6, 1, 2, 1)
MAC_ADDRESS, INTERFACE_NAME = 4, 5  # LldpChassisIdSubtype, LldpPortIdSubtype
BRIDGE, WLAN = bytes((0b00100000,)), bytes((0b00010000,))  # LldpSystemCapabilitiesMap
SPEAKERS = (CORE_SWITCH, TEACHING_SWITCH, ACCESS_POINT)
"""Devices that speak LLDP."""
SWITCHES = (CORE_SWITCH, TEACHING_SWITCH)
BEHIND_HUB = 14
LEARNED, DYNAMIC = 3, 3


def objects_of(school: School, device: Device) -> Objects:
    """All that a device tells of the network around it."""
    yield from _address(device)
    if device.name in SPEAKERS:
        yield from _lldp(school, device)
    if device.name in SWITCHES:
        yield from _forwarding(school, device)
    if device.name == CORE_SWITCH:
        yield from _arp(school, device)


def _chassis(device: Device) -> bytes:
    return device.ports[0].mac


def _links(school: School, device: Device) -> Iterator[tuple[Port, Device, Port]]:
    """Own port, neighbour and neighbour's port of each cable between devices; the core is in the middle."""
    core = school.devices[CORE_SWITCH]
    if device is not core:
        yield _up(device), core, core.port(UPLINKS[device.name])
        return
    for name, port in UPLINKS.items():
        yield core.port(port), school.devices[name], _up(school.devices[name])


def _up(device: Device) -> Port:
    """The port by which a device hangs on the core: the last of a switch, the first of anything else."""
    return device.ports[-1] if device.name == TEACHING_SWITCH else device.ports[0]


def _octets(address: str) -> Oid:
    return tuple(int(part) for part in address.split("."))


def _address(device: Device) -> Objects:
    """IpAddrTable (RFC 4293, deprecated and answered everywhere)."""
    own = _octets(device.address)
    for column, instance in (
        (1, Instance(Tag.IP_ADDRESS, bytes(own))),
        (2, Instance(Tag.INTEGER, device.ports[0].index)),
        (3, Instance(Tag.IP_ADDRESS, bytes((255, 255, 255, 0)))),
    ):
        yield (*MIB2, 4, 20, 1, column, *own), instance


def _lldp(school: School, device: Device) -> Objects:
    """LLDP-MIB (IEEE 802.1AB): the local system, its ports, and the neighbours that speak it."""
    text, number = Tag.OCTET_STRING, Tag.INTEGER
    capability = WLAN if device.name == ACCESS_POINT else BRIDGE
    yield (*LLDP, 3, 1, 0), Instance(number, MAC_ADDRESS)
    yield (*LLDP, 3, 2, 0), Instance(text, _chassis(device))
    yield (*LLDP, 3, 3, 0), Instance(text, device.name)
    yield (*LLDP, 3, 4, 0), Instance(text, device.description)
    yield (*LLDP, 3, 5, 0), Instance(text, capability)
    yield (*LLDP, 3, 6, 0), Instance(text, capability)
    for port in device.ports:
        yield (*LLDP, 3, 7, 1, 2, port.index), Instance(number, INTERFACE_NAME)
        yield (*LLDP, 3, 7, 1, 3, port.index), Instance(text, port.name)
        yield (*LLDP, 3, 7, 1, 4, port.index), Instance(text, port.alias or port.name)
    for place, (port, neighbour, theirs) in enumerate(_links(school, device), 1):
        if neighbour.name in SPEAKERS:
            yield from _heard(port, neighbour, theirs, place)


def _heard(port: Port, neighbour: Device, theirs: Port, place: int) -> Objects:
    text, number = Tag.OCTET_STRING, Tag.INTEGER
    row = (0, port.index, place)
    capability = WLAN if neighbour.name == ACCESS_POINT else BRIDGE
    columns: list[tuple[int, Tag, int | bytes | str]] = [
        (4, number, MAC_ADDRESS),
        (5, text, _chassis(neighbour)),
        (6, number, INTERFACE_NAME),
        (7, text, theirs.name),
        (8, text, theirs.alias or theirs.name),
        (9, text, neighbour.name),
        (10, text, neighbour.description),
        (11, text, capability),
        (12, text, capability),
    ]
    for column, tag, value in columns:
        yield (*LLDP, 4, 1, 1, column, *row), Instance(tag, value)
    address = (*row, 1, 4, *_octets(neighbour.address))
    yield (*LLDP, 4, 2, 1, 3, *address), Instance(number, 2)
    yield (*LLDP, 4, 2, 1, 4, *address), Instance(number, theirs.index)


def _forwarding(school: School, device: Device) -> Objects:
    """BRIDGE-MIB (RFC 4188): ports, and where each MAC was learnt."""
    yield (*MIB2, 17, 1, 1, 0), Instance(Tag.OCTET_STRING, _chassis(device))
    yield (*MIB2, 17, 1, 2, 0), Instance(Tag.INTEGER, len(device.ports))
    for port in device.ports:
        yield (*MIB2, 17, 1, 4, 1, 2, port.index), Instance(Tag.INTEGER, port.index)
    for mac, port in _stations(school, device):
        yield (*MIB2, 17, 4, 3, 1, 1, *mac), Instance(Tag.OCTET_STRING, mac)
        yield (*MIB2, 17, 4, 3, 1, 2, *mac), Instance(Tag.INTEGER, port.index)
        yield (*MIB2, 17, 4, 3, 1, 3, *mac), Instance(Tag.INTEGER, LEARNED)


def _stations(school: School, device: Device) -> Iterator[tuple[bytes, Port]]:
    """Every MAC that a switch knows, with its port: its own stations, and those of the other switch through the link."""
    core, teaching = school.devices[CORE_SWITCH], school.devices[TEACHING_SWITCH]
    if device is core:
        for port, neighbour, _ in _links(school, core):
            yield _chassis(neighbour), port
        for port in core.ports:
            if port.oper == UP and port.name not in UPLINKS.values():
                yield station(port), port
        for mac, _ in _behind(teaching):
            yield mac, core.port(UPLINKS[TEACHING_SWITCH])
        return
    uplink = _up(teaching)
    for mac, port in _stations(school, core):
        if port.name != UPLINKS[TEACHING_SWITCH]:
            yield mac, uplink
    yield _chassis(core), uplink
    yield from _behind(teaching)


def _behind(teaching: Device) -> Iterator[tuple[bytes, Port]]:
    uplink = _up(teaching)
    for port in teaching.ports:
        if port.oper == UP and port is not uplink:
            yield station(port), port
            if port.name == HUB:
                yield from ((bytes((*station(port)[:5], number)), port) for number in range(1, BEHIND_HUB))


def station(port: Port) -> bytes:
    """The MAC of what hangs on a port: the port's own with another second octet."""
    return bytes((port.mac[0], 0xED, *port.mac[2:5], 0))


def _arp(school: School, core: Device) -> Objects:
    """IpNetToMediaTable (RFC 4293): the other devices' addresses."""
    for device in school.devices.values():
        if device is not core:
            row = (core.ports[0].index, *_octets(device.address))
            yield (*MIB2, 4, 22, 1, 2, *row), Instance(Tag.OCTET_STRING, _chassis(device))
            yield (*MIB2, 4, 22, 1, 3, *row), Instance(Tag.IP_ADDRESS, bytes(row[1:]))
            yield (*MIB2, 4, 22, 1, 4, *row), Instance(Tag.INTEGER, DYNAMIC)
