"""The input within an agent: whose credentials it takes, whose names it knows, whom it has polled at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import pytest
from prometheus_client import CollectorRegistry

from fenghuo.clock import SystemClock
from fenghuo.config import parse
from fenghuo.errors import Located, Permanent, Retryable
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.inputs import build_inputs
from fenghuo_agent.inputs.snmp.input import SnmpInput
from fenghuo_agent.inputs.snmp_trap.input import SnmpTrapInput
from fenghuo_agent.profiles import Library
from servers.process import free_port
from servers.snmpd import COMMUNITY, has_ipv6, snmpd

from .conftest import LINK_DOWN, Basket
from .datagrams import COLD_START, V3Sender, if_index, inform_2c, trap_1, trap_2c

AGENT = """\
site: bj/haidian/zgc-no1
agent: gw1
collector: mqtt://127.0.0.1:1
spool: {{path: spool.db}}
inputs: {inputs}
"""


def configured(inputs: str, folder) -> AgentConfig:
    return parse(AGENT.format(inputs=inputs).encode(), AgentConfig, env={}, file="agent.yaml", folder=folder)


def built(inputs: str, folder) -> tuple[SnmpInput | None, SnmpTrapInput]:
    made = build_inputs(configured(inputs, folder), SystemClock(), random.Random(1), CollectorRegistry())
    (traps,) = [each for each in made if isinstance(each, SnmpTrapInput)]
    return next((each for each in made if isinstance(each, SnmpInput)), None), traps


class Everything(Basket):
    """An accumulator that keeps tables as well."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list = []

    def table(self, table) -> None:
        self.tables.append(table)

    def asset(self, asset) -> None: ...


async def until(condition) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def test_a_link_down_has_the_device_polled_at_once(tmp_path, sender):
    """With a poll an hour, only the trap can be why the port is read again."""
    port = free_port(socket.SOCK_DGRAM)
    basket = Everything()
    with snmpd(tmp_path / "snmpd") as agent:
        inputs = (
            f"{{snmp: {{interval: 1h, credentials: [{{community: {COMMUNITY}}}], devices: [{{address: '{agent.address()}'}}]}},"
            f" snmp_trap: {{listen: ['127.0.0.1:{port}']}}}}"
        )
        polled, traps = built(inputs, tmp_path)
        assert polled is not None
        tasks = [asyncio.create_task(polled.run(basket)), asyncio.create_task(traps.run(basket))]
        try:
            await until(lambda: traps.listening)
            polled.poke("127.0.0.1")
            await until(lambda: any(True for _ in polled.up()) and polled.tally.pokes == 1)
            polled.devices[0].poked_at = float("-inf")
            basket.tables.clear()
            extra = ("1.3.6.1.2.1.2.2.1.1.1", "i", "1")
            await sender.run("snmptrap", "-v2c", "-c", COMMUNITY, f"127.0.0.1:{port}", "1", LINK_DOWN, *extra)
            await until(lambda: basket.events)
            assert basket.documents[0]["host"]["name"] == "core-switch"
            assert basket.documents[0]["message"] == "core-switch: port 1 went down"
            await until(lambda: basket.tables)
            assert basket.tables[0].layout.name == "interface"
            assert polled.tally.pokes == 2
            assert traps.tally.pokes == 1
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    assert (tmp_path / "snmp-engine.json").exists()


async def test_who_is_polled_at_once_and_what_of_it(start):
    poked: list[tuple[str, int | None]] = []
    names = {"10.0.0.9": "relayed"}
    async with start(
        poke=lambda *what: poked.append(what), name_of=lambda host: names.get(host, ""), relays=["127.0.0.7"]
    ) as running:
        with running.sender("127.0.0.2") as sock:
            sock.send(trap_2c(COLD_START))
            await running.events(1)
            sock.send(trap_2c((1, 3, 6, 1, 6, 3, 1, 1, 5, 4), if_index(48)))
            await running.events(2)
            sock.send(trap_2c((1, 3, 6, 1, 2, 1, 47, 2, 0, 1)))
            await running.events(3)
            sock.send(trap_2c(community="wrong"))
        with running.sender("127.0.0.7") as relay:
            relay.send(trap_1((1, 3, 6, 1, 4, 1, 9), 2, 0, if_index(5), agent=bytes((10, 0, 0, 9))))
            await running.events(4)
            relay.send(trap_1((1, 3, 6, 1, 4, 1, 9), 2, 0, if_index(5), agent=bytes((10, 0, 0, 8))))
            documents = await running.events(5)
    assert poked == [("127.0.0.2", None), ("127.0.0.2", 48), ("10.0.0.9", 5), ("10.0.0.8", 5)]
    assert documents[3]["host"]["name"] == "relayed"
    assert documents[4]["source"] == {"ip": "10.0.0.8"}
    assert documents[4]["fenghuo"]["trap"]["sender"] == "127.0.0.7"


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")])
async def test_an_answer_comes_from_the_address_that_was_asked(start, family, host):
    """Of a host with several addresses, as a gateway is: the sender hears nobody else."""
    if family == socket.AF_INET6 and not has_ipv6():
        pytest.skip("::1 cannot be bound here")
    port = free_port(socket.SOCK_DGRAM)
    async with start(port=port, listen=[f"0.0.0.0:{port}", *([f"[::]:{port}"] if has_ipv6() else [])]):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host, port))
            sock.setblocking(False)
            sock.send(inform_2c())
            assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65535), 5)


async def test_only_allowed_networks_are_heard(start):
    async with start(allow=["127.0.0.0/29"]) as running:
        with running.sender("127.0.0.2") as near, running.sender("127.0.0.9") as far:
            near.send(trap_2c())
            far.send(trap_2c())
            far.send(V3Sender().discovery())
            await running.until(lambda: running.tally.received == 3)
            far.setblocking(False)
            with pytest.raises(BlockingIOError):
                far.recv(1)
        assert running.tally.accepted == 1
        assert running.tally.denied == {"address": 2}


def test_credentials_are_those_of_polling_where_none_are_given(tmp_path):
    _, traps = built(f"{{snmp: {{credentials: [{{community: {COMMUNITY}}}]}}, snmp_trap: {{}}}}", tmp_path)
    assert traps.datasets == {"trap"}
    with pytest.raises(Located, match="it would believe nobody"):
        configured("{snmp_trap: {}}", tmp_path)
    with pytest.raises(Located, match="it would believe nobody"):
        configured("{snmp: {}, snmp_trap: {}}", tmp_path)


async def test_credentials_and_profiles_that_change_for_polling_change_here(tmp_path):
    port = free_port(socket.SOCK_DGRAM)
    inputs = "{{snmp: {{credentials: [{{community: {}}}], profiles: [mine]}}, snmp_trap: {{listen: ['127.0.0.1:{}']}}}}"
    (tmp_path / "mine").mkdir()
    polled, traps = built(inputs.format("before", port), tmp_path)
    assert polled is not None
    basket = Everything()
    task = asyncio.create_task(traps.run(basket))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        await until(lambda: traps.listening)
        sock.connect(("127.0.0.1", port))
        sock.send(trap_2c(community="after"))
        await until(lambda: traps.tally.received == 1)
        assert traps.tally.denied == {"community": 1}
        polled.reconfigure(configured(inputs.format("after", port), tmp_path).inputs.snmp)
        own = "name: own\ntraps:\n  1.3.6.1.6.3.1.1.5.3: {name: linkDown, level: critical}\n"
        (tmp_path / "mine" / "own.yaml").write_text(own)
        polled.use(Library.load([tmp_path / "mine"]))
        traps.follow()
        sock.send(trap_2c(community="after"))
        sock.send(trap_2c(community="before"))
        await until(lambda: traps.tally.received == 3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert traps.tally.accepted == 1
    assert traps.tally.denied == {"community": 2}
    assert basket.traps[0]["level"] == "critical"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("listen: [nowhere]", "expected an IP address"),
        ("listen: []", "listen"),
        ("listen: [127.0.0.1, '127.0.0.1:162']", "given twice"),
        ("allow: [10.0.0.1/8]", "expected a network"),
        ("relays: [gw]", "expected an IP address"),
        ("engine_id: '8000'", "5 to 32 octets"),
        ("engine_id: nonsense", "hexadecimal"),
        ("device_rates: 3", "device_rate"),
    ],
)
def test_mistakes_are_told_at_their_place(tmp_path, options, words):
    with pytest.raises(Located, match=words):
        configured(f"{{snmp_trap: {{credentials: [{{community: x}}], {options}}}}}", tmp_path)


async def test_an_address_in_use_is_told_and_tried_again(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        _, traps = built(f"{{snmp_trap: {{credentials: [{{community: x}}], listen: ['127.0.0.1:{port}']}}}}", tmp_path)
        with pytest.raises(Retryable, match=f"cannot listen on 127.0.0.1:{port} for traps: Address already in use"):
            await traps.run(Basket())
        with pytest.raises(Retryable):
            await traps.once(Basket())
        assert not traps.listening


def test_a_port_that_only_root_may_have_is_told(monkeypatch):
    from fenghuo_agent.inputs.snmp_trap.listener import Listener
    from fenghuo_agent.snmp.access import Target

    def bind(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    class Socket(socket.socket):
        def bind(self, address: object) -> None:
            bind(address)

    monkeypatch.setattr(socket, "socket", Socket)
    listener = Listener(Target("0.0.0.0", 162), lambda *_: None, SystemClock().monotonic, lambda: None)
    with pytest.raises(Permanent, match="CAP_NET_BIND_SERVICE"):
        listener.open(65536)
