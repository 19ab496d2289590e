"""Tables full of nonsense: whatever indexes and values a device makes up, it is read to the end and joined."""

from __future__ import annotations

import random

import pytest
from agent.topology import agents
from agent.topology.agents import MIB2, octets

from fenghuo_agent.snmp import ber
from fenghuo_agent.topology import Upstreams, join, mibs
from fenghuo_agent.topology.watch import Watch

TAGS = (ber.INTEGER, ber.OCTETS, ber.OID, ber.GAUGE32, ber.IP_ADDRESS, ber.COUNTER64, ber.OPAQUE, ber.TIMETICKS)
COLUMNS = (
    *mibs.PORTS, *mibs.LLDP_LOCAL, *mibs.LLDP_REMOTE, mibs.LLDP_ADDRESS, *mibs.LLDP2_LOCAL, *mibs.LLDP2_REMOTE,
    mibs.LLDP2_ADDRESS, *mibs.CDP, *mibs.MNDP, mibs.BASE_PORT, mibs.BRIDGE_ADDRESS, mibs.STP_ROOT_PORT, mibs.STP_STATE,
    mibs.STP_BRIDGE, mibs.STP_PORT, mibs.FDB_PORT, mibs.FDB_STATUS, mibs.Q_FDB_PORT, mibs.Q_FDB_STATUS, mibs.VLAN_FDB,
    mibs.HUAWEI_FDB, mibs.LAG_ATTACHED, mibs.LAG_SELECTED, mibs.LAG_PORTS, mibs.IF_STACK_STATUS, mibs.AD_ENT, mibs.ADDRESS,
    mibs.NET_TO_MEDIA, mibs.NET_TO_MEDIA_KIND, mibs.NET_TO_PHYSICAL, mibs.NET_TO_PHYSICAL_KIND,
)  # fmt: skip


def made_up(chance: random.Random, column) -> tuple[tuple[int, ...], tuple[int, bytes]]:
    arcs = tuple(chance.choice((0, 1, 2, 3, 4, 6, 16, 255, 256, 4095, 1 << 31)) for _ in range(chance.randrange(1, 22)))
    tag = column.tag if chance.random() < 0.7 else chance.choice(TAGS)
    size = chance.choice((0, 1, 2, 4, 5, 6, 6, 8, 16, 17, 20, 40))
    value = bytes(chance.choice((0, 1, 2, 6, 127, 128, 255)) for _ in range(size))
    return (*column.oid, *arcs), (tag, value)


@pytest.mark.parametrize("seed", range(8))
async def test_made_up_tables_are_read_to_the_end_and_joined(make_device, read, seed):
    chance = random.Random(seed)
    seen = {}
    for number in range(2):
        device = await make_device()
        device.objects[(*MIB2, 1, 5, 0)] = octets(f"sw{number}")
        agents.interfaces(device.objects, (1, "Gi1", "", "00:11:22:00:00:01"), (2, "Gi2", "", "00:11:22:00:00:02"))
        for column in COLUMNS:
            for _ in range(4):
                name, value = made_up(chance, column)
                device.objects[name] = value
        one = await read(device)
        assert not one.silent
        seen[one.instance] = one
    topology = join(seen, frozenset((0x001122000001,)))
    upstreams = Upstreams(topology, next(iter(seen)))
    watch = Watch(remember=1000, most_macs=100, most_events=10)
    for _ in range(3):
        watch.step(topology, (), 0)
    for name in topology.nodes:
        upstreams.explains(name, set(seen))
