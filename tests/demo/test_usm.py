"""The simulated agent's SNMPv3, asked by net-snmp's tools and by the real agent's input."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.demo import objects
from fenghuo.demo.ber import BerError
from fenghuo.demo.plan import UPS, build
from fenghuo.demo.simulator import ENGINE, PASSWORD, USER
from fenghuo.demo.snmp_server import Agent, serve
from fenghuo.demo.usm import User
from fenghuo_agent.inputs.snmp.config import SnmpConfig
from fenghuo_agent.inputs.snmp.input import SnmpInput
from servers.process import need

START = 1_767_225_600_000


def ups() -> Agent:
    school = build(1, START)
    user = User(USER, PASSWORD, ENGINE, lambda: 1000)
    return Agent(objects.view(school, school.devices[UPS]), "demo", lambda: True, 1472, user)


@asynccontextmanager
async def served():
    transport = await serve(ups(), 0)
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def ask(port: int, *options: str, program: str = "snmpget", oid: str = "1.3.6.1.2.1.1.5.0") -> str:
    command = [need(program, "snmp"), "-v3", "-t1", "-r0", "-On", *options, f"127.0.0.1:{port}", oid]
    found = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=False)
    return (found.stdout + found.stderr).decode()


RIGHT = ("-u", USER, "-l", "authNoPriv", "-a", "SHA-256", "-A", PASSWORD)


async def test_the_user_with_the_right_password_is_answered():
    async with served() as port:
        assert UPS in await ask(port, *RIGHT)
        walked = await ask(port, *RIGHT, program="snmpbulkwalk", oid="1.3.6.1.2.1.33")
    assert len(walked.splitlines()) == 22  # the last one says that the view ends
    assert "Simulated UPS" in walked


async def test_anyone_else_is_told_why_not():
    async with served() as port:
        wrong = "-u", USER, "-l", "authNoPriv", "-a", "SHA-256", "-A", "not the password"
        assert "Authentication failure" in await ask(port, *wrong)
        assert "Unknown user name" in await ask(port, *RIGHT, "-u", "root")
        assert "Unsupported security level" in await ask(port, "-u", USER, "-l", "noAuthNoPriv")
        other = [need("snmpget", "snmp"), "-v2c", "-c", "demo", "-t1", "-r0", f"127.0.0.1:{port}", "1.3.6.1.2.1.1.5.0"]
        found = await asyncio.to_thread(subprocess.run, other, capture_output=True, timeout=30, check=False)
        assert b"No Response" in found.stderr


async def test_the_real_agents_input_reads_it():
    tables = []

    class Basket:
        def table(self, table):
            tables.append(table)

        def asset(self, asset):
            pass

    async with served() as port:
        config = SnmpConfig(
            devices=[{"address": f"udp://127.0.0.1:{port}"}],
            credentials=[{"user": USER, "auth": {"sha256": PASSWORD}}],
        )
        source = SnmpInput(config, clock=SystemClock(), random=Random(1), registry=CollectorRegistry())
        await asyncio.wait_for(source.once(Basket()), 20)
    system = next(table for table in tables if table.layout.name == "system")
    assert system.layout.labels["device"] == UPS
    assert system.columns[system.layout.positions["snmp_up"]][0] == 1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_malformed_messages_are_refused_and_never_a_traceback(data):
    discovery = bytes.fromhex(
        "303e020103301102044a69f38d020300ffe304010402010304103"
        "00e0400020100020100040004000400301404000400a00e02045b4f6d8e0201000201003000"
    )
    message = bytearray(discovery)
    for _ in range(data.draw(st.integers(0, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    del message[data.draw(st.integers(1, len(message))) :]
    try:
        answer = ups_agent.answer(bytes(message))
    except BerError:
        return
    assert answer is None or answer[0] == 0x30


ups_agent = ups()


def test_a_request_of_an_unknown_engine_is_told_ours():
    discovery = bytes.fromhex(
        "303e020103301102044a69f38d020300ffe304010402010304103"
        "00e0400020100020100040004000400301404000400a00e02045b4f6d8e0201000201003000"
    )
    answer = ups_agent.answer(discovery)
    assert answer is not None
    assert ENGINE in answer
