"""What discovery protocols heard: LLDP (both MIBs), CDP and MikroTik's MNDP."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from fenghuo_agent.snmp.ber import Oid, Varbind
from fenghuo_agent.snmp.objects import Object
from fenghuo_agent.snmp.walk import Walked, Walker
from fenghuo_agent.topology import decode, mibs
from fenghuo_agent.topology.compact import LIMIT, Numbers
from fenghuo_agent.topology.seen import Neighbour, Seen

Columns = Mapping[Object, Mapping[Oid, Varbind]]
MOST = 4096
"""Most neighbours of one device that are kept."""
IP = (1, 20)
"""CiscoNetworkProtocol: IPv4 and IPv6."""
PORT_NAME = 5


async def read(walker: Walker, seen: Seen) -> list[str]:
    """Fill in what the device heard and what it says of itself; what was wrong with its tables is returned."""
    base = await walker.walk((mibs.BASE_PORT,))
    seen.base_ports = Numbers(
        {
            index[0]: port
            for index, varbind in base.columns[mibs.BASE_PORT].items()
            if len(index) == 1 and index[0] < LIMIT and (port := decode.number(varbind)) in seen.ports
        }
    )
    faults = base.faults + await _lldp(walker, seen)
    faults += await _cdp(walker, seen)
    del seen.neighbours[MOST:]
    return faults


async def _lldp(walker: Walker, seen: Seen) -> list[str]:
    first = await walker.walk((*mibs.LLDP_LOCAL, *mibs.LLDP_REMOTE, mibs.LLDP_ADDRESS))
    local = _local(first.columns, mibs.LLDP_LOCAL, seen, second=False)
    interfaces: dict[int, int] = {}
    faults = first.faults
    if any(len(index) < 3 for index in first.columns[mibs.LLDP_REMOTE[1]]):
        routeros = await walker.walk((mibs.MNDP_INTERFACE,))
        interfaces = {index[0]: decode.number(found) for index, found in routeros.columns[mibs.MNDP_INTERFACE].items()}
    addresses = _addresses(first.columns[mibs.LLDP_ADDRESS], width=3)
    for index, row in _rows(first.columns, mibs.LLDP_REMOTE).items():
        if len(index) == 3:
            port, heard = local.get(index[1], 0), addresses.get((index[1], index[2]), ())
        elif len(index) == 1:
            port, heard = interfaces.get(index[0], 0), ()
        else:
            continue
        seen.neighbours.append(_neighbour(seen.port(port), row, heard))
    if not seen.neighbours:
        faults = faults + await _lldp2(walker, seen)
    return faults


async def _lldp2(walker: Walker, seen: Seen) -> list[str]:
    walked = await walker.walk((*mibs.LLDP2_LOCAL, *mibs.LLDP2_REMOTE, mibs.LLDP2_ADDRESS))
    _local(walked.columns, mibs.LLDP2_LOCAL, seen, second=True)
    addresses = _addresses(walked.columns[mibs.LLDP2_ADDRESS], width=4)
    for index, row in _rows(walked.columns, mibs.LLDP2_REMOTE).items():
        if len(index) == 4:
            seen.neighbours.append(_neighbour(seen.port(index[1]), row, addresses.get((index[1], index[3]), ())))
    return walked.faults


def _rows(columns: Columns, wanted: Sequence[Object]) -> dict[Oid, list[Varbind | None]]:
    """Rows by index; where one is told twice, the time mark (a TimeFilter, RFC 4502) being another, the last stands."""
    indexes: dict[Oid, Oid] = {}
    for item in wanted[1::2]:
        for index in columns[item]:
            indexes[index[1:] if len(index) > 1 else index] = index
    return {index: [columns[item].get(index) for item in wanted] for index in indexes.values()}


def _neighbour(port: int, row: Sequence[Varbind | None], addresses: tuple[str, ...]) -> Neighbour:
    chassis_kind, port_kind = decode.number(row[0]), decode.number(row[2])
    chassis_octets = decode.octets(row[1])
    chassis_id = decode.lldp_id(
        chassis_octets, chassis_kind, mac_kind=decode.CHASSIS_MAC, address_kind=decode.CHASSIS_ADDRESS
    )
    port_id = decode.lldp_id(
        decode.octets(row[3]), port_kind, mac_kind=decode.PORT_MAC, address_kind=decode.PORT_ADDRESS
    )
    if chassis_kind == decode.CHASSIS_ADDRESS and decode.network_address(chassis_octets):
        addresses = tuple(dict.fromkeys((chassis_id, *addresses)))
    enabled, supported = decode.capabilities(decode.octets(row[8])), decode.capabilities(decode.octets(row[7]))
    return Neighbour(
        port,
        "lldp",
        decode.parse_mac(chassis_id),
        chassis_id,
        chassis_kind,
        sys.intern(port_id),
        port_kind,
        decode.text(row[4]),
        decode.text(row[5]),
        decode.text(row[6]),
        tuple(address for address in addresses if decode.useful(address)),
        enabled or supported,
    )


def _addresses(column: Mapping[Oid, Varbind], *, width: int) -> dict[tuple[int, int], tuple[str, ...]]:
    """Management addresses by local port and number of the neighbour, both part of the index, as is the address."""
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for index in column:
        if len(index) > width + 1 and (address := decode.management_address(index[width:])):
            found[index[1], index[width - 1]].append(address)
    return {key: tuple(dict.fromkeys(texts)) for key, texts in found.items()}


def _local(columns: Columns, objects: Sequence[Object], seen: Seen, *, second: bool) -> dict[int, int]:
    """What the device says of itself; the ifIndex of each of LLDP's port numbers.

    A port number is dot1dBasePort's in bridges, ifIndex in others, says LldpPortNumber; many agents do otherwise, so that
    the port's id and description go first. In LLDP-V2-MIB it is the ifIndex.
    """
    chassis_kind, chassis, port_kind, port_id, port_descr = (columns[item] for item in objects)
    kind = decode.number(chassis_kind.get((0,)))
    octets = decode.octets(chassis.get((0,)))
    if octets:
        seen.chassis = decode.lldp_id(octets, kind, mac_kind=decode.CHASSIS_MAC, address_kind=decode.CHASSIS_ADDRESS)
        address = decode.parse_mac(seen.chassis)
        seen.macs |= {address} if address else set()
    names = _names(seen)
    found: dict[int, int] = {}
    for index, varbind in port_id.items():
        if len(index) != 1:
            continue
        subtype = decode.number(port_kind.get(index))
        own = decode.lldp_id(
            decode.octets(varbind), subtype, mac_kind=decode.PORT_MAC, address_kind=decode.PORT_ADDRESS
        )
        port = index[0] if second else _own_port(index[0], (own, decode.text(port_descr.get(index))), names, seen)
        if port:
            found[index[0]] = port
            if names.get(own.lower()) != port:
                seen.advertised.setdefault(own.lower(), port)
    for number in {index[1] for index in columns[mibs.LLDP_REMOTE[1]] if len(index) == 3} if not second else ():
        found.setdefault(number, seen.base_ports.get(number) or number)
    return found


def _names(seen: Seen) -> dict[str, int]:
    """Interfaces by everything that names one of them alone."""
    return unambiguous(
        (text.lower(), port.if_index)
        for port in seen.ports.values()
        for text in {port.name, port.descr, port.alias, decode.mac_text(port.mac) if port.mac else ""}
        if text
    )


def _own_port(number: int, texts: tuple[str, str], names: Mapping[str, int], seen: Seen) -> int:
    for text in texts:
        if port := names.get(text.lower(), 0):
            return port
    if number in seen.base_ports:
        return seen.base_ports[number]
    return number if number in seen.ports else 0


def unambiguous(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Texts that stand for one number only."""
    found: dict[str, int] = {}
    for text, number in pairs:
        found[text] = number if found.get(text, number) == number else 0
    return {text: number for text, number in found.items() if number}


async def _cdp(walker: Walker, seen: Seen) -> list[str]:
    walked = await walker.walk((*mibs.CDP, *mibs.MNDP))
    _take_cdp(walked, seen)
    heard = {(neighbour.port, neighbour.chassis) for neighbour in seen.neighbours}
    columns = walked.columns
    for index, found in columns[mibs.MNDP_MAC].items():
        address, port = decode.mac(decode.octets(found)), decode.number(columns[mibs.MNDP_INTERFACE].get(index))
        if (seen.port(port), address) in heard:
            continue
        own = decode.address(decode.octets(columns[mibs.MNDP_ADDRESS].get(index)))
        seen.neighbours.append(
            Neighbour(
                *(seen.port(port), "mndp", address, decode.mac_text(address) if address else "", decode.CHASSIS_MAC),
                *("", 0, ""),
                decode.text(columns[mibs.MNDP_IDENTITY].get(index)),
                decode.text(columns[mibs.MNDP_PLATFORM].get(index)),
                (own,) if decode.useful(own) else (),
                frozenset(),
            )
        )
    return walked.faults


def _take_cdp(walked: Walked, seen: Seen) -> None:
    columns = walked.columns
    for index, device in columns[mibs.CDP_DEVICE].items():
        if len(index) != 2:
            continue
        name, own = decode.text(device), ""
        if decode.number(columns[mibs.CDP_ADDRESS_KIND].get(index)) in IP:
            own = decode.address(decode.octets(columns[mibs.CDP_ADDRESS].get(index)))
        # Some send their MAC in place of a name, some the name and in brackets the serial number.
        octets = decode.octets(device)
        chassis = decode.parse_mac(name) or (0 if decode.printable(octets) else decode.mac(octets))
        seen.neighbours.append(
            Neighbour(
                *(seen.port(index[0]), "cdp", chassis, decode.mac_text(chassis) if chassis else "", decode.CHASSIS_MAC),
                *(sys.intern(decode.text(columns[mibs.CDP_PORT].get(index))), PORT_NAME, ""),
                decode.text(columns[mibs.CDP_SYS_NAME].get(index))
                or ("" if chassis else name.partition("(")[0].strip()),
                decode.text(columns[mibs.CDP_PLATFORM].get(index)),
                (own,) if decode.useful(own) else (),
                decode.cdp_capabilities(decode.octets(columns[mibs.CDP_CAPABILITIES].get(index))),
            )
        )
