"""ICMP probes: on loopback, and in network namespaces with a router that drops, refuses and forgets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fenghuo_agent.inputs.probe.echo import EchoSocket, Strays, checksum
from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed
from fenghuo_agent.inputs.probe.resolve import Address
from servers.process import need, wait_for
from servers.snmpd import has_ipv6

V4 = Address(socket.AF_INET, ("127.0.0.1", 0))


def may_ping() -> bool:
    """Whether this process may open an ICMP socket of either kind."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except PermissionError:
            continue
        return True
    return False


pings = pytest.mark.skipif(not may_ping(), reason="no permission to ping: net.ipv4.ping_group_range or CAP_NET_RAW")
pings_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no ::1 here")


@pings
async def test_loopback_answers_and_times_are_told(ask):
    result = await ask(icmp="127.0.0.1", count=4, gap="20ms")
    assert result.reason == "ok"
    values = result.values
    assert (values["probe_icmp_sent"], values["probe_icmp_lost"], values["probe_icmp_loss_ratio"]) == (4, 0, 0)
    assert values["probe_icmp_reply_hop_limit"] == 64
    assert values["probe_ip_protocol"] == 4
    low, middle, high = (values[f"probe_icmp_rtt_{name}_seconds"] for name in ("min", "avg", "max"))
    assert 0 < low <= middle <= high < 1
    assert set(result.phases) == {"resolve", "setup", "rtt"}
    assert result.phases["rtt"] == middle
    assert result.labels["instance"] == "127.0.0.1"


@pings
@pings_ipv6
async def test_ipv6_answers_too(ask):
    result = await ask(icmp="::1", count=1)
    assert result.reason == "ok"
    assert result.values["probe_ip_protocol"] == 6
    assert result.values["probe_icmp_reply_hop_limit"] == 64
    assert "probe_icmp_rtt_avg_seconds" not in result.values


@pings
@pytest.mark.parametrize("size", [16, 1000, 8000])
async def test_requests_of_any_size_are_answered(ask, size):
    assert (await ask(icmp="127.0.0.1", count=1, size=size)).reason == "ok"


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pings
async def test_many_targets_share_one_socket(make, basket):
    source = make({"icmp": [f"127.0.1.{number}" for number in range(1, 201)], "count": 2, "gap": "10ms"})
    before = open_files()
    running = asyncio.create_task(source.once(basket))
    most = before
    while not running.done():
        most = max(most, open_files())
        await asyncio.sleep(0.005)
    await running
    assert len(basket.of("probe")) == 200
    assert most - before <= 2
    assert open_files() == before


@pings
async def test_a_thousand_at_once_lose_nothing(make, basket):
    """With the smallest buffer that the kernel gives, which holds a few replies."""
    hosts = [f"127.0.{number // 250}.{number % 250 + 1}" for number in range(250, 1750)]
    source = make({"icmp": hosts, "count": 1})
    source._shared.echoes.get(socket.AF_INET)._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    await source.once(basket)
    assert len(basket.of("probe")) == 1500


@pings
async def test_a_busy_process_does_not_make_the_network_look_slow():
    import time

    sock = EchoSocket(socket.AF_INET, Strays())
    sock.open()
    try:
        _, reply = sock.send(V4, 56)
        time.sleep(0.3)  # the loop is busy with something else  # noqa: ASYNC251 — that is meant
        assert (await asyncio.wait_for(reply, 2)).seconds < 0.1
    finally:
        sock.close()


class Mute(EchoSocket):
    """Waits for replies to what it never sent."""

    def _transmit(self, *_):
        pass


@pings
async def test_replies_that_nobody_asked_for_are_counted_and_do_no_harm():
    strays = Strays()
    sock = Mute(socket.AF_INET, strays)
    sock.open()
    try:
        number, reply = sock.send(V4, 56)
        waiting = sock._waiting[number]

        def take(cookie=waiting.cookie, source="127.0.0.1", kind=0, seq=number, identifier=sock._id):
            packet = struct.pack("!BBHHH", kind, 0, 0, identifier, seq) + cookie
            sock._take((b"\x45" + bytes(19) if sock.raw else b"") + packet, aside, source)

        from fenghuo_agent.inputs.probe.kernel import Aside

        aside = Aside(None, 64, None)
        take(cookie=bytes(8))
        take(source="127.0.0.2")
        take(kind=8)
        take(seq=number + 1 & 0xFFFF)
        if sock.raw:
            take(identifier=sock._id ^ 1)
        sock._take(b"", aside, "127.0.0.1")
        sock._take(b"\x45" * 5, aside, "127.0.0.1")
        assert not reply.done()
        assert strays.foreign == 4 + sock.raw
        assert strays.malformed == 2
        take()
        assert (await reply).hop_limit == 64
    finally:
        sock.close()


@pings
async def test_what_is_not_answered_in_time_is_forgotten(make):
    source = make({"icmp": "127.0.0.1", "count": 3, "gap": "10ms", "timeout": "200ms"})
    mute = source._shared.echoes._sockets[socket.AF_INET] = Mute(socket.AF_INET, Strays())
    (table, *_), failed = await source.probers[0].probe()
    assert failed.reason == "timeout"
    assert table.columns[table.layout.positions["probe_icmp_lost"]] == (3,)
    assert mute._waiting == {}
    source._shared.close()


@pings
async def test_numbers_in_use_are_not_taken_again():
    sock = Mute(socket.AF_INET, Strays(), entropy=lambda count: b"\xff" * count)
    sock.open()
    try:
        numbers = [sock.send(V4, 16)[0] for _ in range(1 << 16)]
        assert numbers[:2] == [0xFFFF, 0]
        assert len(set(numbers)) == 1 << 16
        with pytest.raises(CannotProbe):
            sock.send(V4, 16)
        sock.forget(7)
        assert sock.send(V4, 16)[0] == 7
    finally:
        sock.close()


@pings
async def test_what_the_kernel_refuses_to_send_is_told():
    sock = EchoSocket(socket.AF_INET, Strays())
    sock.open()
    try:
        with pytest.raises((ProbeFailed, CannotProbe)):
            sock.send(Address(socket.AF_INET, ("255.255.255.255", 0)), 56)
        _, reply = sock.send(V4, 56)
        await asyncio.wait_for(reply, 2)
    finally:
        sock.close()


def test_the_checksum_is_the_internet_s():
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D  # RFC 1071, section 3
    assert checksum(b"\x01") == 0xFEFF


INSIDE = """
import asyncio, json, random, sys
from prometheus_client import CollectorRegistry
from fenghuo.clock import SystemClock
from fenghuo_agent.inputs.probe.config import ProbeConfig
from fenghuo_agent.inputs.probe.input import ProbeInput

async def main():
    config = ProbeConfig.model_validate(json.loads(sys.argv[1]))
    source = ProbeInput(config, clock=SystemClock(), random=random.Random(1), registry=CollectorRegistry())
    told = await asyncio.gather(*(prober.probe() for prober in source.probers))
    raw = [sock.raw for sock in source._shared.echoes._sockets.values()]
    result = {}
    for prober, (tables, failed) in zip(source.probers, told):
        values = {name: column[0] for name, column in zip(tables[0].layout.fields, tables[0].columns)} if tables else {}
        result[prober.target.instance] = {**values, "reason": failed.reason if failed else "ok", "text": str(failed)}
    print(json.dumps({"raw": raw, "results": result}))

asyncio.run(main())
"""


@dataclass
class Net:
    """A prober's namespace and a router's, joined by a cable."""

    prober: str
    router: str

    def run(self, *command: str, at: str = "", check: bool = True) -> subprocess.CompletedProcess:
        whole = ["ip", "netns", "exec", at or self.prober, *command]
        return subprocess.run(whole, capture_output=True, text=True, check=check, timeout=60)

    def probe(self, *targets: dict, without_raw: bool = False) -> dict:
        drop = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"] if without_raw else []
        config = json.dumps({"targets": list(targets), "timeout": "1s"})
        done = self.run(*drop, sys.executable, "-c", INSIDE, config, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def let_groups_ping(self, groups: str) -> None:
        self.run("sh", "-c", f"echo '{groups}' > /proc/sys/net/ipv4/ping_group_range")


@pytest.fixture
def net() -> Iterator[Net]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    need("ip", "iproute2")
    need("setpriv", "util-linux")
    made = Net(f"fenghuo-probe-{os.getpid()}", f"fenghuo-router-{os.getpid()}")
    try:
        for name in (made.prober, made.router):
            added = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
            if added.returncode:
                pytest.skip(f"no network namespaces here: {added.stderr.strip()}")
        lay(made)
        yield made
    finally:
        for name in (made.prober, made.router):
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


def lay(net: Net) -> None:
    lines = {
        net.prober: [
            "link set lo up",
            f"link add up0 type veth peer name down0 netns {net.router}",
            "addr add 10.9.0.1/24 dev up0",
            "addr add fd09::1/64 dev up0 nodad",
            "link set up0 up",
        ],
        net.router: [
            "link set lo up",
            "addr add 10.9.0.254/24 dev down0",
            "addr add fd09::254/64 dev down0 nodad",
            "link set down0 up",
            "route add unreachable 10.99.0.0/16",
            "route add prohibit 10.97.0.0/16",
            "route add blackhole 10.98.0.0/16",
            "route add unreachable fd99::/64",
        ],
    }
    for name, commands in lines.items():
        subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(commands), text=True, check=True)
    for setting in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        net.run("sh", "-c", f"echo 1 > /proc/sys/net/{setting}", at=net.router)
    routes = ["route add default via 10.9.0.254", "route add default via fd09::254"]
    subprocess.run(["ip", "-n", net.prober, "-batch", "-"], input="\n".join(routes), text=True, check=True)
    for name, port in ((net.prober, "up0"), (net.router, "down0")):
        wait_for(
            lambda name=name, port=port: "state UP" in net.run("ip", "link", "show", port, at=name).stdout, "the cable"
        )


def test_a_network_s_troubles_are_told_apart(net: Net):
    net.let_groups_ping("1 0")
    addresses = ["10.9.0.254", "10.99.0.1", "10.97.0.1", "10.98.0.1", "10.9.0.77", "fd09::254", "fd99::1"]
    told = net.probe({"icmp": addresses, "count": 2, "gap": "50ms"})
    assert told["raw"] == [True, True]
    found = {address: result["reason"] for address, result in told["results"].items()}
    assert found.pop("10.9.0.77") in ("timeout", "unreachable")  # nobody answers ARP: the kernel gives up after a while
    assert found == {
        "10.9.0.254": "ok",
        "10.99.0.1": "unreachable",
        "10.97.0.1": "unreachable",
        "10.98.0.1": "timeout",
        "fd09::254": "ok",
        "fd99::1": "unreachable",
    }
    assert told["results"]["10.98.0.1"]["probe_icmp_lost"] == 2
    assert told["results"]["10.98.0.1"]["probe_icmp_loss_ratio"] == 1


def test_without_capabilities_pings_go_where_the_group_may(net: Net):
    net.let_groups_ping("0 0")
    addresses = ["10.9.0.254", "10.99.0.1", "10.98.0.1", "fd09::254", "fd99::1"]
    told = net.probe({"icmp": addresses, "count": 2, "gap": "50ms"}, without_raw=True)
    assert told["raw"] == [False, False]
    found = [told["results"][address]["reason"] for address in addresses]
    assert found == ["ok", "unreachable", "timeout", "ok", "unreachable"]
    assert told["results"]["10.9.0.254"]["probe_icmp_reply_hop_limit"] == 64


def test_without_any_permission_nothing_is_said_of_the_target_but_what_to_grant(net: Net):
    net.let_groups_ping("1 0")
    told = net.probe({"icmp": "10.9.0.254"}, without_raw=True)["results"]["10.9.0.254"]
    assert told["reason"] == "permission"
    assert "probe_success" not in told
    assert "net.ipv4.ping_group_range" in told["text"]
    assert "CAP_NET_RAW" in told["text"]


def test_replies_that_get_lost_are_counted(net: Net):
    for setting, value in (("icmp_ratemask", 1), ("icmp_ratelimit", 60_000)):
        net.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{setting}", at=net.router)
    told = net.probe({"icmp": "10.9.0.254", "count": 20, "gap": "10ms"})["results"]["10.9.0.254"]
    assert told["reason"] == "ok"
    assert told["probe_icmp_sent"] == 20
    assert 0 < told["probe_icmp_lost"] < 20
    assert told["probe_icmp_loss_ratio"] == told["probe_icmp_lost"] / 20


def test_a_network_that_is_gone_is_unreachable(net: Net):
    net.run("ip", "link", "set", "up0", "down")
    told = net.probe({"icmp": ["10.9.0.254", "fd09::254"]}, {"tcp": "10.9.0.254:80"}, {"ntp": "10.99.0.1"})
    assert [result["reason"] for result in told["results"].values()] == ["unreachable"] * 4
    assert all(result["probe_success"] == 0 for result in told["results"].values())
