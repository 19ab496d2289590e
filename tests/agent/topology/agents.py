"""Objects of a switch as its SNMP agent would have them, written from the MIBs, for a fake device to answer with."""

from __future__ import annotations

from fenghuo_agent.snmp import ber

Objects = dict[tuple[int, ...], tuple[int, bytes]]

MIB2 = (1, 3, 6, 1, 2, 1)
LLDP = (1, 0, 8802, 1, 1, 2, 1)
LLDP2 = (1, 3, 111, 2, 802, 1, 1, 13, 1)
CDP = (1, 3, 6, 1, 4, 1, 9, 9, 23, 1, 2, 1, 1)
BRIDGE = (*MIB2, 17)


def number(value: int) -> tuple[int, bytes]:
    return ber.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, signed=True)


def octets(value: bytes | str) -> tuple[int, bytes]:
    return ber.OCTETS, value.encode() if isinstance(value, str) else value


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def interfaces(objects: Objects, *ports: tuple[int, str, str, str], kind: int = 6, base: bool = True) -> None:
    """Each as ifIndex, ifName, ifDescr, ifPhysAddress; bridge ports are numbered from 1."""
    for place, (index, name, descr, address) in enumerate(ports, 1):
        objects[(*MIB2, 2, 2, 1, 2, index)] = octets(descr)
        objects[(*MIB2, 2, 2, 1, 3, index)] = number(kind)
        objects[(*MIB2, 2, 2, 1, 6, index)] = octets(mac(address) if address else b"")
        if name:
            objects[(*MIB2, 31, 1, 1, 1, 1, index)] = octets(name)
        if base:
            objects[(*BRIDGE, 1, 4, 1, 2, place)] = number(index)


def chassis(objects: Objects, kind: int, value: bytes) -> None:
    objects[(*LLDP, 3, 1, 0)] = number(kind)
    objects[(*LLDP, 3, 2, 0)] = octets(value)


def local_port(objects: Objects, port: int, kind: int, value: bytes | str, descr: str = "", *, tree=LLDP) -> None:
    objects[(*tree, 3, 7, 1, 2, port)] = number(kind)
    objects[(*tree, 3, 7, 1, 3, port)] = octets(value)
    objects[(*tree, 3, 7, 1, 4, port)] = octets(descr)


def remote(
    objects: Objects,
    index: tuple[int, ...],
    chassis_id: tuple[int, bytes | str],
    port_id: tuple[int, bytes | str],
    *,
    descr: str = "",
    name: str = "",
    caps: bytes = b"",
    second: bool = False,
) -> None:
    """A row of lldpRemTable, or of lldpV2RemTable, where all columns are one further on."""
    base = (*(LLDP2 if second else LLDP), 4, 1, 1)
    shift = 1 if second else 0
    values = {4: number(chassis_id[0]), 5: octets(chassis_id[1]), 6: number(port_id[0]), 7: octets(port_id[1])}
    values |= {8: octets(descr), 9: octets(name), 10: octets("system"), 11: octets(caps), 12: octets(caps)}
    for column, value in values.items():
        objects[(*base, column + shift, *index)] = value


def management(
    objects: Objects,
    index: tuple[int, ...],
    address: bytes,
    family: int = 1,
    *,
    second: bool = False,
    length: bool = True,
) -> None:
    base = (*(LLDP2 if second else LLDP), 4, 2, 1, 3)
    objects[(*base, *index, family, *((len(address),) if length else ()), *address)] = number(2)


def learnt(objects: Objects, address: str, port: int, vlan: int | None = None, status: int = 3) -> None:
    """A row of dot1qTpFdbTable with a filtering database, of dot1dTpFdbTable without."""
    if vlan is None:
        base, index = (*BRIDGE, 4, 3, 1), tuple(mac(address))
    else:
        base, index = (*BRIDGE, 7, 1, 2, 2, 1), (vlan, *mac(address))
    objects[(*base, 2, *index)] = number(port)
    objects[(*base, 3, *index)] = number(status)
