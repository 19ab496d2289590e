"""What one device says, over the wire: every subtype, index and quirk that makers came up with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from agent.topology import agents
from agent.topology.agents import BRIDGE, CDP, LLDP, MIB2, mac, number, octets

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.message import Community
from fenghuo_agent.snmp.walk import Limits
from fenghuo_agent.topology.decode import parse_mac
from servers.snmpd import COMMUNITY, snmpd

SWITCH = "00:11:22:00:00:01"
PORTS = (
    (10101, "Gi1/0/1", "GigabitEthernet1/0/1", "00:11:22:00:00:11"),
    (10102, "Gi1/0/2", "GigabitEthernet1/0/2", "00:11:22:00:00:12"),
    (10103, "Gi1/0/3", "GigabitEthernet1/0/3", "00:11:22:00:00:13"),
)


@pytest.fixture
async def switch(make_device):
    device = await make_device()
    agents.interfaces(device.objects, *PORTS)
    device.objects[(*MIB2, 1, 5, 0)] = octets("sw1")
    return device


async def heard(switch, read):
    found = (await read(switch)).neighbours
    assert len(found) == 1
    return found[0]


async def test_a_neighbour_by_mac_and_interface_name(switch, read):
    agents.chassis(switch.objects, 4, mac(SWITCH))
    agents.local_port(switch.objects, 2, 7, "Slot 2", "Gi1/0/2")
    agents.remote(
        switch.objects, (900, 2, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "ge-0/0/3"),
        descr="to sw1", name="sw2.example.org", caps=b"\x28\x00",
    )  # fmt: skip
    agents.management(switch.objects, (900, 2, 1), bytes((10, 20, 0, 2)))
    agents.management(switch.objects, (900, 2, 1), bytes.fromhex("20010db8" + "00" * 11 + "02"), family=2)
    found = await heard(switch, read)
    assert (found.port, found.protocol) == (10102, "lldp")
    assert found.chassis == parse_mac("aa:bb:cc:00:00:01")
    assert (found.port_id, found.port_kind, found.port_descr, found.name) == (
        "ge-0/0/3",
        5,
        "to sw1",
        "sw2.example.org",
    )
    assert found.addresses == ("10.20.0.2", "2001:db8::2")
    assert found.capabilities == {"bridge", "router"}
    seen = await read(switch)
    assert (seen.name, seen.chassis) == ("sw1", SWITCH)
    assert seen.advertised == {"slot 2": 10102}
    assert parse_mac(SWITCH) in seen.macs


@pytest.mark.parametrize(
    ("kind", "value", "chassis", "text", "addresses"),
    [
        (4, mac("aa:bb:cc:00:00:01"), "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:01", ()),
        (4, "AA-BB-CC-00-00-01", "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:01", ()),
        (4, "aabb.cc00.0001", "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:01", ()),
        (5, bytes((1, 10, 20, 0, 2)), "", "10.20.0.2", ("10.20.0.2",)),
        (5, bytes((10, 20, 0, 2)), "", "10.20.0.2", ("10.20.0.2",)),
        (5, b"\x02" + bytes.fromhex("20010db8" + "00" * 11 + "02"), "", "2001:db8::2", ("2001:db8::2",)),
        (7, "NVR-3F", "", "NVR-3F", ()),
        (7, mac("aa:bb:cc:00:00:01"), "aa:bb:cc:00:00:01", "aa:bb:cc:00:00:01", ()),
        (1, "SN12345", "", "SN12345", ()),
        (6, "eth0\0", "", "eth0", ()),
        (4, b"\x00" * 6, "", "00:00:00:00:00:00", ()),
        (7, b"\xff\xfe\x01", "", "ff:fe:01", ()),
    ],
)
async def test_every_kind_of_chassis_id(switch, read, kind, value, chassis, text, addresses):
    agents.remote(switch.objects, (0, 1, 1), (kind, value), (5, "p1"))
    found = await heard(switch, read)
    assert (found.chassis, found.chassis_id, found.addresses) == (parse_mac(chassis), text, addresses)
    assert found.port == 10101


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (1, "uplink to core", "uplink to core"),
        (2, "slot 1", "slot 1"),
        (3, mac("aa:bb:cc:00:00:09"), "aa:bb:cc:00:00:09"),
        (4, bytes((1, 10, 0, 0, 1)), "10.0.0.1"),
        (5, "GigabitEthernet0/0/1", "GigabitEthernet0/0/1"),
        (7, "513", "513"),
        (7, b"\x00\x01", "00:01"),
    ],
)
async def test_every_kind_of_port_id(switch, read, kind, value, text):
    agents.remote(switch.objects, (0, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (kind, value))
    assert (await heard(switch, read)).port_id == text


@pytest.mark.parametrize(
    ("number_", "kind", "value", "descr", "port"),
    [
        (7, 5, "Gi1/0/3", "", 10103),
        (7, 3, mac("00:11:22:00:00:13"), "", 10103),
        (7, 7, "3", "GigabitEthernet1/0/3", 10103),
        (7, 7, "nothing known", "", 0),
        (2, 7, "2", "", 10102),
        (10103, 7, "x", "", 10103),
    ],
)
async def test_the_own_port_is_found_by_its_id_its_description_or_its_number(
    switch, read, number_, kind, value, descr, port
):
    agents.local_port(switch.objects, number_, kind, value, descr)
    agents.remote(switch.objects, (0, number_, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p1"))
    found = (await heard(switch, read)).port
    assert found == (port or number_)


async def test_a_row_told_under_two_time_marks_is_one_neighbour(switch, read):
    for mark in (0, 5000):
        agents.remote(switch.objects, (mark, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (5, f"p{mark}"))
    assert (await heard(switch, read)).port_id == "p5000"


async def test_a_management_address_without_its_length_is_read(switch, read):
    agents.remote(switch.objects, (0, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p"))
    agents.management(switch.objects, (0, 1, 1), bytes((10, 20, 0, 2)), length=False)
    assert (await heard(switch, read)).addresses == ("10.20.0.2",)


async def test_addresses_that_name_nobody_are_left_out(switch, read):
    agents.remote(switch.objects, (0, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p"))
    agents.management(switch.objects, (0, 1, 1), bytes(4))
    agents.management(switch.objects, (0, 1, 1), bytes((127, 0, 0, 1)))
    assert (await heard(switch, read)).addresses == ()


async def test_the_second_lldp_mib_is_read_where_the_first_has_nothing(switch, read):
    agents.local_port(switch.objects, 10102, 5, "Gi1/0/2", tree=agents.LLDP2)
    agents.remote(
        switch.objects,
        (0, 10102, 1, 7),
        (4, mac("aa:bb:cc:00:00:01")),
        (5, "p9"),
        name="sw9",
        caps=b"\x20",
        second=True,
    )
    agents.management(switch.objects, (0, 10102, 1, 7), bytes((10, 20, 0, 9)), second=True)
    found = await heard(switch, read)
    assert (found.port, found.port_id, found.name, found.addresses) == (10102, "p9", "sw9", ("10.20.0.9",))
    assert found.capabilities == {"bridge"}


async def test_routeros_counts_its_neighbours_through_and_names_their_port_elsewhere(switch, read):
    agents.remote(switch.objects, (4,), (4, mac("aa:bb:cc:00:00:01")), (5, "ether1"), name="mt")
    switch.objects[(1, 3, 6, 1, 4, 1, 14988, 1, 1, 11, 1, 1, 8, 4)] = number(10103)
    found = await heard(switch, read)
    assert (found.port, found.protocol, found.name) == (10103, "lldp", "mt")


async def test_mndp_is_read_and_not_told_twice(switch, read):
    table = (1, 3, 6, 1, 4, 1, 14988, 1, 1, 11, 1, 1)
    for index, address in ((1, "aa:bb:cc:00:00:01"), (2, "aa:bb:cc:00:00:02")):
        switch.objects[(*table, 2, index)] = ber.IP_ADDRESS, bytes((10, 0, 0, index))
        switch.objects[(*table, 3, index)] = octets(mac(address))
        switch.objects[(*table, 6, index)] = octets(f"mt{index}")
        switch.objects[(*table, 8, index)] = number(10101)
    agents.remote(switch.objects, (0, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p"))
    found = (await read(switch)).neighbours
    assert [(one.protocol, one.chassis_id, one.port) for one in found] == [
        ("lldp", "aa:bb:cc:00:00:01", 10101),
        ("mndp", "aa:bb:cc:00:00:02", 10101),
    ]
    assert found[1].addresses == ("10.0.0.2",)


async def test_cdp_by_name_serial_number_and_address(switch, read):
    for column, value in {
        3: number(1), 4: octets(bytes((10, 20, 0, 3))), 6: octets("core.example.org(FDO1234X)"),
        7: octets("GigabitEthernet0/1"), 8: octets("cisco WS-C3850"), 9: octets(bytes((0, 0, 0, 0x29))),
    }.items():  # fmt: skip
        switch.objects[(*CDP, column, 10102, 4)] = value
    found = await heard(switch, read)
    assert (found.port, found.protocol, found.name, found.port_id) == (
        10102,
        "cdp",
        "core.example.org",
        "GigabitEthernet0/1",
    )
    assert found.addresses == ("10.20.0.3",)
    assert found.capabilities == {"router", "bridge", "igmp"}


async def test_a_cdp_neighbour_by_an_address_of_version_6(switch, read):
    switch.objects[(*CDP, 3, 10102, 4)] = number(20)
    switch.objects[(*CDP, 4, 10102, 4)] = octets(bytes.fromhex("20010db8" + "00" * 11 + "02"))
    switch.objects[(*CDP, 6, 10102, 4)] = octets("core")
    assert (await heard(switch, read)).addresses == ("2001:db8::2",)


async def test_a_cdp_neighbour_that_calls_itself_by_its_mac(switch, read):
    for value in (b"aabbcc000001", mac("aa:bb:cc:00:00:01")):
        switch.objects[(*CDP, 6, 10102, 4)] = octets(value)
        found = await heard(switch, read)
        assert (found.chassis_id, found.name) == ("aa:bb:cc:00:00:01", "")


async def test_stations_of_vlans_by_bridge_port(switch, read):
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 1, vlan=10)
    agents.learnt(switch.objects, "aa:00:00:00:00:02", 3, vlan=4000)
    agents.learnt(switch.objects, "aa:00:00:00:00:03", 3, vlan=10, status=4)
    agents.learnt(switch.objects, "01:00:5e:00:00:03", 3, vlan=10)
    agents.learnt(switch.objects, "aa:00:00:00:00:04", 0, vlan=10)
    agents.learnt(switch.objects, "aa:00:00:00:00:05", 77, vlan=10)
    seen = await read(switch)
    assert sorted(seen.stations) == [(0xAA0000000001, 10101, 10), (0xAA0000000002, 10103, 4000)]
    assert 0xAA0000000003 in seen.macs
    assert seen.bridge


async def test_a_filtering_database_is_translated_to_its_vlan(switch, read):
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 1, vlan=5)
    agents.learnt(switch.objects, "aa:00:00:00:00:02", 1, vlan=6)
    for vlan, database in ((100, 5), (200, 6), (300, 6)):
        switch.objects[(*BRIDGE, 7, 1, 4, 2, 1, 3, 0, vlan)] = ber.GAUGE32, bytes((database,))
    assert sorted((await read(switch)).stations) == [
        (0xAA0000000001, 10101, 100),
        (0xAA0000000002, 10101, 0),
    ]


async def test_a_bridge_without_vlans(switch, read):
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 2)
    assert list((await read(switch)).stations) == [(0xAA0000000001, 10102, 0)]


async def test_a_table_that_names_ifindex_in_place_of_bridge_ports(make_device, read):
    device = await make_device()
    agents.interfaces(device.objects, *PORTS, base=False)
    agents.learnt(device.objects, "aa:00:00:00:00:01", 10103)
    assert list((await read(device)).stations) == [(0xAA0000000001, 10103, 0)]


async def test_huaweis_own_table_is_read_where_the_standard_ones_are_empty(switch, read):
    index = (*mac("aa:00:00:00:00:01"), 20, 0)
    switch.objects[(1, 3, 6, 1, 4, 1, 2011, 5, 25, 42, 2, 1, 3, 1, 4, *index)] = number(10103)
    assert list((await read(switch)).stations) == [(0xAA0000000001, 10103, 20)]


def vtp(switch, *vlans: tuple[int, int]) -> None:
    for vlan, state in vlans:
        switch.objects[(1, 3, 6, 1, 4, 1, 9, 9, 46, 1, 3, 1, 1, 2, 1, vlan)] = number(state)


async def test_a_bridge_for_each_vlan_behind_a_context(switch, read):
    vtp(switch, (1, 1), (20, 1), (30, 2), (1002, 1))
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 2)
    asked: list[int] = []

    def context(vlan: int):
        asked.append(vlan)
        return Community(COMMUNITY, version=2)

    seen = await read(switch, contexts=context)
    assert asked == [1, 20]
    assert {vlan for _, _, vlan in seen.stations} == {0, 1, 20}


async def test_where_contexts_are_not_answered_one_is_enough_to_know(switch, read):
    vtp(switch, (1, 1), (20, 1), (21, 1))
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 2)
    seen = await read(switch, contexts=lambda vlan: Community(f"{COMMUNITY}@{vlan}", version=2), patience=0.02)
    assert len(seen.stations) == 1
    assert [fault.partition(":")[0] for fault in seen.faults] == ["VLAN 1"]
    assert seen.silent == frozenset()


async def test_where_the_table_names_vlans_no_context_is_asked(switch, read):
    vtp(switch, (1, 1))
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 2, vlan=20)
    seen = await read(switch, contexts=lambda _: 1 / 0)
    assert len(seen.stations) == 1


async def test_addresses_by_arp_and_by_neighbour_discovery(switch, read):
    old, new = (*MIB2, 4, 22, 1), (*MIB2, 4, 35, 1)
    six = bytes.fromhex("20010db8" + "00" * 11 + "07")
    zoned = bytes.fromhex("fe80" + "00" * 13 + "07" + "0000000a")
    switch.objects[(*old, 2, 1, 10, 0, 0, 7)] = octets(mac("aa:00:00:00:00:07"))
    switch.objects[(*old, 2, 1, 10, 0, 0, 8)] = octets(mac("aa:00:00:00:00:08"))
    switch.objects[(*old, 4, 1, 10, 0, 0, 8)] = number(2)
    switch.objects[(*old, 2, 1, 10, 0, 0, 9)] = octets(b"")
    switch.objects[(*new, 4, 1, 1, 4, 10, 0, 0, 7)] = octets(mac("aa:00:00:00:00:07"))
    switch.objects[(*new, 4, 1, 2, 16, *six)] = octets(mac("aa:00:00:00:00:07"))
    switch.objects[(*new, 4, 1, 4, 20, *zoned)] = octets(mac("aa:00:00:00:00:07"))
    switch.objects[(*new, 4, 1, 2, *six[:15], 9)] = octets(mac("aa:00:00:00:00:09"))
    seen = await read(switch)
    assert seen.bindings.of(0xAA0000000007) == ["10.0.0.7", "2001:db8::7", "fe80::7"]
    assert seen.bindings.of(0xAA0000000008) == []
    assert seen.bindings.of(0xAA0000000009) == ["2001:db8::9"]
    assert seen.bindings.macs("10.0.0.7") == seen.bindings.macs("2001:db8::7") == [0xAA0000000007]


async def test_own_addresses_of_both_tables(switch, read):
    switch.objects[(*MIB2, 4, 20, 1, 2, 10, 0, 0, 1)] = number(1)
    switch.objects[(*MIB2, 4, 20, 1, 2, 127, 0, 0, 1)] = number(1)
    switch.objects[(*MIB2, 4, 34, 1, 3, 1, 4, 10, 1, 0, 1)] = number(1)
    switch.objects[(*MIB2, 4, 34, 1, 3, 2, 16, *bytes.fromhex("20010db8" + "00" * 11 + "01"))] = number(1)
    assert (await read(switch)).addresses == {"10.0.0.1", "10.1.0.1", "2001:db8::1"}


async def test_a_mac_that_routers_share_is_no_ones_own(switch, read):
    agents.interfaces(switch.objects, (10101, "Gi1/0/1", "x", "00:00:5e:00:01:0a"))
    assert 0x00005E00010A not in (await read(switch)).macs


@pytest.mark.parametrize("way", ["attached", "selected", "list", "stack"])
async def test_members_of_an_aggregate(switch, read, way):
    objects = switch.objects
    objects[(*MIB2, 2, 2, 1, 2, 5001)] = octets("Port-channel1")
    objects[(*MIB2, 31, 1, 1, 1, 1, 5001)] = octets("Po1")
    objects[(*MIB2, 2, 2, 1, 3, 5001)] = number(53)
    lag = (1, 2, 840, 10006, 300, 43, 1)
    for member in (10101, 10102):
        if way in ("attached", "selected"):
            objects[(*lag, 2, 1, 1, 13 if way == "attached" else 12, member)] = number(5001)
        elif way == "stack":
            objects[(*MIB2, 31, 1, 2, 1, 3, 5001, member)] = number(1)
    if way == "stack":
        objects[(*MIB2, 31, 1, 2, 1, 3, 0, 5001)] = number(1)
        objects[(*MIB2, 31, 1, 2, 1, 3, 10103, 10102)] = number(1)
    if way == "list":
        bits = bytearray(1300)
        for member in (10101, 10102):
            bits[(member - 1) // 8] |= 0x80 >> (member - 1) % 8
        objects[(*lag, 1, 2, 1, 1, 5001)] = octets(bytes(bits))
    agents.remote(objects, (0, 2, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p"))
    seen = await read(switch)
    assert seen.aggregates == {10101: 5001, 10102: 5001}
    assert seen.neighbours[0].port == 5001


async def test_the_spanning_tree_says_who_is_behind_a_port(switch, read):
    switch.objects[(*BRIDGE, 2, 7, 0)] = number(2)
    switch.objects[(*BRIDGE, 1, 1, 0)] = octets(mac(SWITCH))
    for port, state, bridge in ((1, 5, SWITCH), (2, 5, "aa:bb:cc:00:00:01"), (3, 2, "aa:bb:cc:00:00:02")):
        switch.objects[(*BRIDGE, 2, 15, 1, 3, port)] = number(state)
        switch.objects[(*BRIDGE, 2, 15, 1, 8, port)] = octets(b"\x80\x00" + mac(bridge))
        switch.objects[(*BRIDGE, 2, 15, 1, 9, port)] = octets(bytes((0x80, port + 4)))
    seen = await read(switch)
    assert seen.root_port == 10102
    assert seen.blocked == {10103}
    assert seen.designated == [(10102, 0xAABBCC000001, 6), (10103, 0xAABBCC000002, 7)]


async def test_version_1_is_walked_as_well(switch, read):
    agents.remote(switch.objects, (0, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p1"))
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 1, vlan=10)
    seen = await read(switch, version=1)
    assert (len(seen.neighbours), len(seen.stations), len(seen.ports)) == (1, 1, 3)


async def test_a_table_without_end_is_cut_and_named(switch, read):
    endless = (*BRIDGE, 4, 3, 1, 2)
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 1)

    def following(name):
        if name[: len(endless)] == endless and len(name) == len(endless) + 6:
            return (*endless, *(int.from_bytes(bytes(name[-6:])) + 2).to_bytes(6))
        return switch.successor(name)

    switch.next = following
    seen = await read(switch, Limits(20, 300, 1400))
    assert "dot1dTpFdbPort: more than 300 rows" in seen.faults
    assert len(seen.stations) == 300


async def test_rows_that_do_not_increase_end_the_table_and_not_the_reading(switch, read):
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 1, vlan=10)
    agents.learnt(switch.objects, "aa:00:00:00:00:02", 1, vlan=10)
    agents.remote(switch.objects, (0, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p1"))
    last = (*BRIDGE, 7, 1, 2, 2, 1, 2, 10, *mac("aa:00:00:00:00:02"))
    switch.next = lambda name: (*last[:-1], 1) if name == last else switch.successor(name)
    seen = await read(switch)
    assert (len(seen.neighbours), len(seen.stations)) == (1, 2)
    assert any("do not increase" in fault for fault in seen.faults)


async def test_values_of_wrong_types_and_indexes_of_wrong_lengths_are_left_out(switch, read):
    agents.remote(switch.objects, (0, 1, 1), (4, b""), (5, ""))
    switch.objects[(*LLDP, 4, 1, 1, 5, 0, 1, 2)] = number(7)
    switch.objects[(*LLDP, 4, 1, 1, 5, 0, 1)] = octets("short")
    switch.objects[(*LLDP, 4, 2, 1, 3, 0, 1, 1, 1, 200, 10)] = number(1)
    switch.objects[(*LLDP, 4, 2, 1, 3, 0, 1)] = number(1)
    switch.objects[(*BRIDGE, 7, 1, 2, 2, 1, 2, 10, 1, 2, 3)] = number(1)
    switch.objects[(*BRIDGE, 7, 1, 2, 2, 1, 2, 10, 1, 2, 3, 4, 5, 600)] = number(1)
    switch.objects[(*BRIDGE, 1, 4, 1, 2, 4)] = octets("four")
    switch.objects[(*CDP, 6, 10101)] = octets("short")
    switch.objects[(*MIB2, 4, 35, 1, 4, 1)] = octets(mac("aa:00:00:00:00:01"))
    switch.objects[(*MIB2, 4, 35, 1, 4, 1, 1, 4, 10, 0, 0, 700)] = octets(mac("aa:00:00:00:00:01"))
    switch.objects[(*MIB2, 4, 34, 1, 3)] = number(1)
    switch.objects[(*MIB2, 4, 20, 1, 2, 10)] = number(1)
    switch.objects[(*MIB2, 31, 1, 2, 1, 3, 1)] = number(1)
    switch.objects[(*BRIDGE, 2, 15, 1, 8, 1)] = octets(b"\x80")
    switch.objects[(*MIB2, 2, 2, 1, 2, 1 << 32)] = octets("beyond")
    switch.objects[(*MIB2, 2, 2, 1, 3, 10104)] = number(-6)
    switch.objects[(*BRIDGE, 1, 4, 1, 2, 1 << 32)] = number(10101)
    seen = await read(switch)
    assert list(seen.ports) == [10101, 10102, 10103]
    assert (len(seen.stations), len(seen.bindings), seen.addresses, seen.designated) == (0, 0, frozenset(), [])


async def test_when_it_falls_silent_what_was_read_stands_and_the_rest_is_named(switch, read):
    agents.remote(switch.objects, (0, 1, 1), (4, mac("aa:bb:cc:00:00:01")), (5, "p1"))
    agents.learnt(switch.objects, "aa:00:00:00:00:01", 1, vlan=10)
    vlans = (*BRIDGE, 7, 1)

    def deaf(answer, _):
        return [] if any(name[: len(vlans)] == vlans for name in switch.requests[-1][1]) else [answer]

    switch.mangle = deaf
    seen = await read(switch, patience=0.02)
    assert seen.silent == {"stations"}
    assert len(seen.neighbours) == 1


async def test_a_real_agent_tells_its_interfaces_and_addresses(tmp_path, read):
    with snmpd(tmp_path) as agent:
        seen = await read(SimpleNamespace(address=agent.address()))
    assert seen.name == "core-switch"
    assert "lo" in {port.label for port in seen.ports.values()}
    assert not seen.addresses & {"127.0.0.1", "::1"}
    assert (seen.silent, seen.faults, seen.bridge) == (frozenset(), (), False)


async def test_a_device_without_any_of_it_costs_few_requests(make_device, read):
    device = await make_device()
    agents.interfaces(device.objects, (1, "eth0", "eth0", "aa:00:00:00:00:01"), base=False)
    seen = await read(device)
    assert (seen.bridge, seen.neighbours, seen.macs) == (False, [], {0xAA0000000001})
    assert len(device.requests) < 10
