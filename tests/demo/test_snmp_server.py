"""The simulated agents, asked by net-snmp's tools and by Gufo SNMP."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager

import pytest
from gufo.snmp import NoSuchInstance
from gufo.snmp.aio import SnmpSession
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.demo import ber, objects
from fenghuo.demo.ber import BerError, Tag
from fenghuo.demo.mib import Instance, View, encode
from fenghuo.demo.plan import CORE_SWITCH, PRINTER, UPS, build
from fenghuo.demo.snmp_server import Agent, serve
from servers.process import need

START = 1_767_225_600_000
SYSTEM, IF_TABLE = (1, 3, 6, 1, 2, 1, 1), (1, 3, 6, 1, 2, 1, 2, 2, 1)


def dotted(oid) -> str:
    return ".".join(map(str, oid))


@asynccontextmanager
async def served(device: str, max_size: int = 8192, alive=lambda: True):
    """One device of a school that stands still, and the port that it answers on."""
    school = build(1, START)
    agent = Agent(objects.view(school, school.devices[device]), "demo", alive, max_size)
    transport = await serve(agent, 0)
    try:
        yield transport.get_extra_info("sockname")[1], school.devices[device], agent
    finally:
        transport.close()


async def tool(program: str, *arguments: str) -> list[str]:
    """The lines that a net-snmp tool prints: numeric names, raw values."""
    command = [need(program, "snmp"), "-v2c", "-c", "demo", "-On", "-Oe", "-OU", "-Ot", "-t2", "-r0", *arguments]
    found = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.decode().splitlines()


async def test_snmpget_reads_the_system_group():
    async with served(CORE_SWITCH) as (port, device, _):
        lines = await tool("snmpget", f"127.0.0.1:{port}", *(dotted((*SYSTEM, n, 0)) for n in (3, 5, 7)))
    assert lines == [
        f".1.3.6.1.2.1.1.3.0 = {(START - device.booted) // 10}",
        '.1.3.6.1.2.1.1.5.0 = STRING: "core-sw1"',
        ".1.3.6.1.2.1.1.7.0 = INTEGER: 6",
    ]


@pytest.mark.parametrize("device", [CORE_SWITCH, UPS, PRINTER])
async def test_a_walk_by_getnext_and_one_by_getbulk_read_the_same_in_order(device):
    async with served(device) as (port, _, _):
        one = await tool("snmpwalk", f"127.0.0.1:{port}", "1.3.6.1")
        many = await tool("snmpbulkwalk", "-Cr25", f"127.0.0.1:{port}", "1.3.6.1")
    assert one == many
    names = [tuple(map(int, line.split(" = ")[0].strip(".").split("."))) for line in one if line.startswith(".")]
    assert len(names) > 50
    assert names[:-1] == sorted(set(names[:-1]))


async def test_counters_of_every_port_are_those_of_the_school():
    async with served(CORE_SWITCH) as (port, device, _), SnmpSession("127.0.0.1", port=port, community="demo") as ask:
        names = {f"1.3.6.1.2.1.31.1.1.1.6.{each.index}": each.in_octets for each in device.ports}
        names |= {f"1.3.6.1.2.1.2.2.1.10.{each.index}": each.in_octets % 2**32 for each in device.ports}
        asked = list(names)
        found = {}
        for position in range(0, len(asked), 80):
            found |= await ask.get_many(asked[position : position + 80])
    assert found == names


async def test_what_is_not_there_is_told_as_the_protocol_says():
    async with served(UPS) as (port, _, _):
        lines = await tool("snmpget", f"127.0.0.1:{port}", "1.3.6.1.2.1.2.2.1.8.99", "1.3.6.1.2.1.4.1.0")
        async with SnmpSession("127.0.0.1", port=port, community="demo") as ask:
            with pytest.raises(NoSuchInstance):
                await ask.get("1.3.6.1.2.1.2.2.1.8.99")
    assert "No Such Instance" in lines[0]
    assert "No Such Object" in lines[1]


async def test_an_answer_that_finds_no_room_is_too_big_and_a_bulk_answer_is_cut_off():
    async with served(CORE_SWITCH, max_size=484) as (port, _, _):
        walked = await tool("snmpbulkwalk", "-Cr50", f"127.0.0.1:{port}", dotted((*IF_TABLE, 2)))
        assert len(walked) == 50
        command = [need("snmpget", "snmp"), "-v2c", "-c", "demo", "-r0", f"127.0.0.1:{port}"]
        command += [dotted((*IF_TABLE, 2, index)) for index in range(1, 41)]
        refused = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    assert refused.returncode != 0
    assert b"tooBig" in refused.stderr or b"too big" in refused.stderr.lower()


async def test_a_device_without_power_and_a_wrong_community_get_no_answer():
    async with served(UPS, alive=lambda: False) as (port, _, agent):
        with pytest.raises(TimeoutError):
            async with SnmpSession("127.0.0.1", port=port, community="demo", timeout=0.3) as ask:
                await ask.get("1.3.6.1.2.1.1.5.0")
        assert agent.answered == 0
    async with served(UPS) as (port, _, agent):
        with pytest.raises(TimeoutError):
            async with SnmpSession("127.0.0.1", port=port, community="public", timeout=0.3) as ask:
                await ask.get("1.3.6.1.2.1.1.5.0")
        assert agent.answered == 0


async def test_a_set_is_refused():
    async with served(UPS) as (port, _, _):
        command = [need("snmpset", "snmp"), "-v2c", "-c", "demo", "-r0", f"127.0.0.1:{port}"]
        command += ["1.3.6.1.2.1.1.5.0", "s", "mine"]
        refused = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    assert b"notWritable" in refused.stderr


def test_values_wrap_and_latch_as_their_types_do():
    assert encode(Tag.COUNTER32, 2**32 + 5) == encode(Tag.COUNTER32, 5)
    assert encode(Tag.COUNTER64, 2**64 - 1) == b"\x46\x09\x00" + b"\xff" * 8
    assert encode(Tag.GAUGE32, 10_000_000_000) == b"\x42\x05\x00\xff\xff\xff\xff"
    assert encode(Tag.INTEGER, -1) == b"\x02\x01\xff"
    assert encode(Tag.INTEGER, 128) == b"\x02\x02\x00\x80"


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_object_identifiers_read_back_as_they_were(first, second, rest):
    oid = (first, second, *rest)
    assert ber.read_oid(ber.oid_contents(oid)) == oid


VIEW = View({(1, 3, 6, 1, index): Instance(Tag.INTEGER, index) for index in range(5)})
REQUEST = ber.sequence(
    (
        ber.integer(1),
        ber.wrap(Tag.OCTET_STRING, b"demo"),
        ber.sequence(
            (
                ber.integer(7),
                ber.integer(0),
                ber.integer(0),
                ber.sequence([ber.sequence((ber.object_identifier((1, 3, 6, 1, 1)), ber.wrap(Tag.NULL, b"")))]),
            ),
            0xA0,
        ),
    )
)


def test_a_well_formed_message_is_answered():
    answer = Agent(VIEW, "demo", lambda: True).answer(REQUEST)
    assert answer is not None
    assert answer.endswith(ber.integer(1))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_two_hundred_malformed_messages_are_refused_and_never_a_traceback(data):
    agent = Agent(VIEW, "demo", lambda: True)
    message = bytearray(data.draw(st.one_of(st.binary(max_size=64), st.just(REQUEST))))
    for _ in range(data.draw(st.integers(0, 4))):
        if message:
            message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    del message[data.draw(st.integers(0, len(message))) :]
    try:
        answer = agent.answer(bytes(message))
    except BerError:
        return
    assert answer is None or answer[0] == Tag.SEQUENCE
