"""What the simulated devices show by SNMP: state of the school → object instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fenghuo.demo import neighbours
from fenghuo.demo.ber import Oid, Tag
from fenghuo.demo.mib import Instance, Read, Scalar, View, merge
from fenghuo.demo.plan import CAMERA, PRINTER, STORAGE, THERMOMETER, UPS
from fenghuo.demo.school import Device, Port, School

MIB2: Oid = (1, 3, 6, 1, 2, 1)
Objects = Iterator[tuple[Oid, Instance]]

CELSIUS, WATTS, RPM = 8, 6, 10  # EntitySensorDataType (RFC 3433)
UNITS = 9  # EntitySensorDataScale


def view(school: School, device: Device) -> View:
    """All that one device shows."""
    parts: list[Iterable[tuple[Oid, Instance]]] = [_system(school, device), _interfaces(school, device)]
    if len(device.ports) > 20:
        parts.append(_entities(school, device))
    if device.name == UPS:
        parts.append(_ups(school))
    if device.name == PRINTER:
        parts.append(_printer(device))
    if device.name == CAMERA:
        parts.append(_camera())
    if device.name == STORAGE:
        parts.append(_storage(school))
    if device.name == THERMOMETER:
        parts.append(_thermometer(school))
    parts.append(neighbours.objects_of(school, device))
    return merge(*parts)


def _under(base: Oid, objects: Iterable[tuple[Oid, Tag, Scalar | Read]]) -> Objects:
    for suffix, tag, value in objects:
        yield (*base, *suffix), Instance(tag, value)


def _system(school: School, device: Device) -> Objects:
    """SNMPv2-MIB system group (RFC 3418)."""
    text = Tag.OCTET_STRING
    return _under(
        (*MIB2, 1),
        [
            ((1, 0), text, device.description),
            ((2, 0), Tag.OBJECT_IDENTIFIER, device.object_id),
            ((3, 0), Tag.TIME_TICKS, lambda: school.uptime(device)),
            ((4, 0), text, "网络中心 network centre"),
            ((5, 0), text, device.name),
            ((6, 0), text, device.location),
            ((7, 0), Tag.INTEGER, device.services),
        ],
    )


def _interfaces(school: School, device: Device) -> Objects:
    """IF-MIB (RFC 2863): ifNumber, ifTable, ifXTable, ifTableLastChange."""
    yield (*MIB2, 2, 1, 0), Instance(Tag.INTEGER, len(device.ports))
    yield (*MIB2, 31, 1, 5, 0), Instance(Tag.TIME_TICKS, 0)
    for port in device.ports:
        for column, instance in _if_columns(school, device, port):
            yield (*MIB2, 2, 2, 1, column, port.index), instance
        for column, instance in _ifx_columns(port):
            yield (*MIB2, 31, 1, 1, 1, column, port.index), instance


def _if_columns(school: School, device: Device, port: Port) -> Iterator[tuple[int, Instance]]:
    counter = Tag.COUNTER32
    yield 1, Instance(Tag.INTEGER, port.index)
    yield 2, Instance(Tag.OCTET_STRING, port.name.replace("Gi", "GigabitEthernet").replace("Te", "TenGigabitEthernet"))
    yield 3, Instance(Tag.INTEGER, port.kind)
    yield 4, Instance(Tag.INTEGER, 1500)
    yield 5, Instance(Tag.GAUGE32, port.speed * 1_000_000)
    yield 6, Instance(Tag.OCTET_STRING, port.mac)
    yield 7, Instance(Tag.INTEGER, lambda: port.admin)
    yield 8, Instance(Tag.INTEGER, lambda: port.oper)
    yield 9, Instance(Tag.TIME_TICKS, lambda: school.since_boot(device, port.changed))
    yield 10, Instance(counter, lambda: port.in_octets)
    yield 11, Instance(counter, lambda: port.in_packets)
    yield 13, Instance(counter, lambda: port.in_discards)
    yield 14, Instance(counter, lambda: port.in_errors)
    yield 15, Instance(counter, 0)
    yield 16, Instance(counter, lambda: port.out_octets)
    yield 17, Instance(counter, lambda: port.out_packets)
    yield 19, Instance(counter, lambda: port.out_discards)
    yield 20, Instance(counter, lambda: port.out_errors)


def _ifx_columns(port: Port) -> Iterator[tuple[int, Instance]]:
    narrow, wide = Tag.COUNTER32, Tag.COUNTER64
    yield 1, Instance(Tag.OCTET_STRING, port.name)
    yield 2, Instance(narrow, lambda: port.in_multicast)
    yield 3, Instance(narrow, lambda: port.in_broadcast)
    yield 4, Instance(narrow, lambda: port.out_multicast)
    yield 5, Instance(narrow, lambda: port.out_broadcast)
    yield 6, Instance(wide, lambda: port.in_octets)
    yield 7, Instance(wide, lambda: port.in_packets)
    yield 8, Instance(wide, lambda: port.in_multicast)
    yield 9, Instance(wide, lambda: port.in_broadcast)
    yield 10, Instance(wide, lambda: port.out_octets)
    yield 11, Instance(wide, lambda: port.out_packets)
    yield 12, Instance(wide, lambda: port.out_multicast)
    yield 13, Instance(wide, lambda: port.out_broadcast)
    yield 14, Instance(Tag.INTEGER, 1)
    yield 15, Instance(Tag.GAUGE32, port.speed)
    yield 16, Instance(Tag.INTEGER, 2)
    yield 17, Instance(Tag.INTEGER, 1)
    yield 18, Instance(Tag.OCTET_STRING, port.alias)
    yield 19, Instance(Tag.TIME_TICKS, 0)


def _entities(school: School, device: Device) -> Objects:
    """ENTITY-MIB (RFC 6933) with a chassis and its sensors, ENTITY-SENSOR-MIB (RFC 3433) with their values."""
    text, number = Tag.OCTET_STRING, Tag.INTEGER
    room = school.room
    sensors: list[tuple[int, str, int, int, int, str, Read]] = [
        (2, "Chassis temperature", CELSIUS, UNITS, 1, "°C", lambda: round(10 * (room.temperature + 17.5))),
        (3, "Fan 1", RPM, UNITS, 0, "rpm", lambda: round(3200 + 90 * max(0.0, room.temperature - 23.5))),
        (4, "Power supply 1", WATTS, UNITS, 0, "W", lambda: 60 + sum(port.oper == 1 for port in device.ports)),
    ]
    rows = [(1, device.description, 3, 0, device.name)]
    rows += [(index, name, 8, 1, name) for index, name, *_ in sensors]
    for index, description, kind, inside, name in rows:
        columns = [(2, text, description), (4, number, inside), (5, number, kind), (6, number, index), (7, text, name)]
        columns += [(13, text, device.name if kind == 3 else ""), (16, number, 2)]
        for column, tag, value in columns:
            yield (*MIB2, 47, 1, 1, 1, 1, column, index), Instance(tag, value)
    for index, _, kind, scale, precision, unit, read in sensors:
        values: list[tuple[int, Tag, Scalar | Read]] = [(1, number, kind), (2, number, scale), (3, number, precision)]
        values += [(4, number, read), (5, number, 1), (6, text, unit)]
        values += [(7, Tag.TIME_TICKS, lambda: school.uptime(device)), (8, Tag.GAUGE32, 1000)]
        for column, tag, value in values:
            yield (*MIB2, 99, 1, 1, 1, column, index), Instance(tag, value)


def _ups(school: School) -> Objects:
    """UPS-MIB (RFC 1628): identity, battery, input, output, alarms."""
    text, number, gauge = Tag.OCTET_STRING, Tag.INTEGER, Tag.GAUGE32
    return _under(
        (*MIB2, 33, 1),
        [
            ((1, 1, 0), text, "Fenghuo"),
            ((1, 2, 0), text, "Simulated UPS 6 kVA"),
            ((1, 5, 0), text, UPS),
            ((2, 1, 0), number, 2),
            ((2, 2, 0), number, 0),
            ((2, 3, 0), number, 42),
            ((2, 4, 0), number, 100),
            ((2, 5, 0), number, 1360),
            ((2, 7, 0), number, lambda: round(school.room.temperature + 3)),
            ((3, 1, 0), Tag.COUNTER32, 0),
            ((3, 2, 0), number, 1),
            ((3, 3, 1, 2, 1), number, 500),
            ((3, 3, 1, 3, 1), number, lambda: 228 + school.now // 7000 % 5),
            ((4, 1, 0), number, 3),
            ((4, 2, 0), number, 500),
            ((4, 3, 0), number, 1),
            ((4, 4, 1, 2, 1), number, 230),
            ((4, 4, 1, 3, 1), number, 71),
            ((4, 4, 1, 4, 1), number, lambda: 1580 + school.now // 3000 % 90),
            ((4, 4, 1, 5, 1), number, 31),
            ((6, 1, 0), gauge, 0),
        ],
    )


def _printer(device: Device) -> Objects:
    """Host Resources MIB (RFC 2790) and Printer-MIB supplies (RFC 3805)."""
    text, number = Tag.OCTET_STRING, Tag.INTEGER
    return _under(
        MIB2,
        [
            ((25, 3, 2, 1, 1, 1), number, 1),
            ((25, 3, 2, 1, 2, 1), Tag.OBJECT_IDENTIFIER, (*MIB2, 25, 3, 1, 5)),
            ((25, 3, 2, 1, 3, 1), text, device.description),
            ((25, 3, 2, 1, 5, 1), number, 2),
            ((25, 3, 5, 1, 1, 1), number, 3),
            ((43, 5, 1, 1, 16, 1), text, device.name),
            ((43, 10, 2, 1, 4, 1, 1), Tag.COUNTER32, lambda: 48_211 + device.ports[0].in_packets // 5000),
            ((43, 11, 1, 1, 2, 1, 1), number, 1),
            ((43, 11, 1, 1, 4, 1, 1), number, 3),
            ((43, 11, 1, 1, 5, 1, 1), number, 3),
            ((43, 11, 1, 1, 6, 1, 1), text, "Black toner 黑色墨粉"),
            ((43, 11, 1, 1, 7, 1, 1), number, 19),
            ((43, 11, 1, 1, 8, 1, 1), number, 100),
            ((43, 11, 1, 1, 9, 1, 1), number, 37),
        ],
    )


def _camera() -> Objects:
    """HIK-DEVICE-MIB: model, version, load."""
    text = Tag.OCTET_STRING
    return _under(
        (1, 3, 6, 1, 4, 1, 39165, 1),
        [
            ((1, 0), text, "DS-2CD2T47G2-L"),
            ((3, 0), text, "V5.7.3 build 220112"),
            ((5, 0), text, "FH20220112"),
            ((7, 0), text, "23 PERCENT"),
            ((11, 0), text, "41 PERCENT"),
        ],
    )


def _storage(school: School) -> Objects:
    """SYNOLOGY-SYSTEM-MIB, -DISK-MIB, -RAID-MIB: a box of two disks."""
    text, number, base = Tag.OCTET_STRING, Tag.INTEGER, (1, 3, 6, 1, 4, 1, 6574)
    yield from _under(
        base,
        [
            ((1, 1, 0), number, 1),
            ((1, 2, 0), number, lambda: round(school.room.temperature + 14)),
            ((1, 3, 0), number, 1),
            ((1, 4, 1, 0), number, 1),
            ((1, 4, 2, 0), number, 1),
            ((1, 5, 1, 0), text, "DS720+"),
            ((1, 5, 2, 0), text, "FH20B0R000001"),
            ((1, 5, 3, 0), text, "DSM 7.2-64570"),
            ((1, 5, 4, 0), number, 2),
            ((3, 1, 1, 2, 0), text, "Volume 1"),
            ((3, 1, 1, 3, 0), number, 1),
        ],
    )
    for disk in range(2):
        yield from _under(
            (*base, 2, 1, 1),
            [
                ((2, disk), text, f"Disk {disk + 1}"),
                ((3, disk), text, "FH-4000"),
                ((5, disk), number, 1),
                ((6, disk), number, lambda disk=disk: round(school.room.temperature + 11 + disk)),
            ],
        )


def _thermometer(school: School) -> Objects:
    """STE-MIB (HW group): temperature and humidity of the server room, in tenths."""
    text, number, room = Tag.OCTET_STRING, Tag.INTEGER, school.room
    rows = (
        (1, "Server room 机房", 1, lambda: round(10 * room.temperature)),
        (2, "Server room 机房", 4, lambda: round(10 * room.humidity)),
    )
    for index, name, unit, read in rows:
        yield from _under(
            (1, 3, 6, 1, 4, 1, 21796, 4, 1, 3, 1),
            [((2, index), text, name), ((3, index), number, 1), ((5, index), number, read), ((7, index), number, unit)],
        )
