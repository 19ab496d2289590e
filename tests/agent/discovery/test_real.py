"""Real snmpds and simulated devices on loopback, asked by real datagrams; the command line as a user runs it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fenghuo.cli import main
from fenghuo.clock import SystemClock
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.recognise import recogniser, shipped
from fenghuo_agent.discovery.scan import Manners, Scan
from fenghuo_agent.discovery.subnets import Scope, parse_spans
from servers.process import free_port
from servers.snmpd import COMMUNITY, PASSWORD, SECRET, Snmpd, snmpd

from .conftest import community, user

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.9")
FENGHUO = str(Path(sys.executable).with_name("fenghuo"))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd(tmp_path_factory.mktemp("snmpd"), hosts=("127.0.0.1", *HOSTS)) as running:
        yield running


async def scanned(
    agent: Snmpd, *credentials, subnets: tuple[str, ...] = ("127.0.0.0/28",), most: int = 2, rate: int = 400
) -> Scan:
    clock = SystemClock()
    scan = Scan(
        Scope(parse_spans(subnets), parse_spans(["127.0.0.1"]), (agent.port,)),
        lambda _: credentials,
        manners=Manners(rate=rate, timeout=0.4, retries=1),
        attempts=Attempts(most, clock, b"salt"),
        recognise=recogniser(shipped()),
        clock=clock,
        random=random.Random(1),
    )
    await scan.run()
    return scan


@pytest.mark.parametrize(
    ("credential", "version"),
    [
        (community(COMMUNITY), "2c"),
        (community(COMMUNITY, version="1"), "1"),
        (user("sha256only", PASSWORD), "3"),
        (user("sha256aes", PASSWORD, priv={"aes128": SECRET}), "3"),
        (user("sha512aes256", PASSWORD).replace(auth={"sha512": PASSWORD}, priv={"aes256": SECRET}), "3"),
    ],
    ids=["v2c", "v1", "v3 auth", "v3 priv", "v3 sha512 aes256"],
)
async def test_one_snmpd_at_three_addresses_is_one_device_by_every_version(agent: Snmpd, credential, version: str):
    scan = await scanned(agent, community("wrong", version="2c"), credential)
    (device,) = scan.devices()
    assert (device.target.host, [each.host for each in device.also]) == (HOSTS[0], list(HOSTS[1:]))
    assert (device.name, device.location, device.version) == ("core-switch", "rack 3, row b", version)
    assert device.object_id.startswith("1.3.6.1.4.1.8072.")
    assert device.engine
    counts = scan.counts
    assert (counts.opened, counts.closed, counts.silent, counts.foreign, counts.malformed) == (3, 10, 0, 0, 0)


async def test_nobody_is_found_with_wrong_credentials_and_no_user_is_locked_out(agent: Snmpd):
    wrong = (
        community("wrong"),
        user("sha256only", "wrong horse battery"),
        user("nobody", PASSWORD),
        user("sha256only", "worse horse"),
    )
    scan = await scanned(agent, *wrong)
    assert scan.devices() == []
    assert len(scan.locked) == 3
    reasons = [reason for each in scan.locked for reason in each.refused.values()]
    assert set(reasons) <= {"wrongDigests", "unknownUserNames", "limit"}
    assert "wrongDigests" in reasons


async def test_what_is_asked_keeps_the_pace_though_devices_are_looked_at(agent: Snmpd):
    began = time.monotonic()
    scan = await scanned(agent, community(COMMUNITY), rate=40)
    sent = scan.counts.datagrams + scan.counts.sessions
    assert sent > 30
    assert time.monotonic() - began >= (sent - 6) / 40 - 0.1


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command: its exit status, standard output and error."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def of(*arguments: str) -> subprocess.CompletedProcess[str]:
        with pytest.raises(SystemExit) as ended:
            main(["agent", "discover", *arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), said.out, said.err)

    return of


def test_the_command_prints_a_table_and_never_a_secret(agent: Snmpd, tmp_path: Path, run):
    secret = tmp_path / "communities"
    secret.write_text(f"wrong-one\n{COMMUNITY}\n")
    result = run(
        "127.0.0.0/28",
        "--port",
        str(agent.port),
        "--community-file",
        str(secret),
        "--rate",
        "400",
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["ADDRESS", "NAME", "VENDOR"]
    assert lines[1].startswith(f"127.0.0.1:{agent.port} (+3)  core-switch")
    assert lines[1].endswith("sweep     community 2 (v2c)")
    assert COMMUNITY not in result.stdout + result.stderr
    assert "1 devices at 4 of 14 addresses" in result.stderr


def test_the_command_prints_one_document_and_writes_a_file_to_review(agent: Snmpd, tmp_path: Path, run):
    config = tmp_path / "agent.yaml"
    config.write_text(
        f"site: bj/haidian/zgc\ncollector: mqtt://127.0.0.1\nspool: {{path: {tmp_path}/spool.db}}\ninputs:\n  snmp:\n    devices_file: devices.yaml\n"
        f"    discover: {{subnets: ['127.0.0.0/29:{agent.port}'], exclude: [127.0.0.1], rate: 400, timeout: 400ms}}\n"
        f"    credentials: [{{name: wrong, user: sha256only, auth: {{sha256: wrong horse battery}}}}, {{name: test, community: {COMMUNITY}}}]\n"
    )
    devices = tmp_path / "devices.yaml"
    result = run("-c", str(config), "--json", "--write")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    (device,) = document["devices"]
    assert (device["name"], device["credential"], device["also"]) == (
        "core-switch",
        "test",
        [f"127.0.0.3:{agent.port}"],
    )
    assert document["counts"]["opened"] == 2
    assert document["complete"] is True
    assert "wrong horse" not in result.stdout + (tmp_path / "discovery.json").read_text()
    assert (
        json.loads((tmp_path / "discovery.json").read_text())["attempts"][device["engine"]]["sha256only"]["wrong"] == 1
    )
    written = devices.read_text()
    assert f'- address: "127.0.0.2:{agent.port}"' in written
    assert 'credential: "test"' in written
    again = run("-c", str(config), "--json", "--write")
    assert devices.read_text() == written
    assert json.loads(again.stdout)["counts"]["withheld"] >= 2
    assert "0 devices added" in again.stderr


def test_nothing_found_is_exit_status_1_and_wrong_use_is_told(tmp_path: Path, run):
    port = str(free_port())
    nothing = run("127.0.0.1", "--port", port, "--community", "x")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "0 devices" in nothing.stderr
    for arguments, said in (
        (("127.0.0.1",), "nothing to ask with"),
        (("--community", "x"), "nowhere to look"),
        (("127.0.0.0/33", "--community", "x"), "expected a subnet"),
        (("127.0.0.1", "--community-file", str(tmp_path / "none")), "No such file"),
        (("127.0.0.1", "--port", "x", "--community", "x"), "expected a port"),
    ):
        result = run(*arguments)
        assert result.returncode == 2, result.stderr
        assert said in result.stderr
        assert "Traceback" not in result.stderr


def test_ctrl_c_prints_what_was_found_so_far(agent: Snmpd, tmp_path: Path):
    command = [
        FENGHUO, "agent", "discover", f"127.0.0.1:{agent.port}", "127.0.1.0/24", "--port", str(free_port()), "--community", COMMUNITY,
        "--rate", "10", "--json",
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
    )
    assert process.stderr.readline().startswith("asking 255 addresses")
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=20)
    assert process.returncode == 130, error
    document = json.loads(out)
    assert document["complete"] is False
    assert document["counts"]["asked"] < 255
    assert "Traceback" not in error


INSIDE = """
import asyncio, json, random, socket, sys
from pathlib import Path
from fenghuo.cli import main
from fenghuo.clock import SystemClock
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.neighbours import kernel_neighbours
from fenghuo_agent.discovery.recognise import recogniser, shipped
from fenghuo_agent.discovery.scan import Manners, Scan, neighbour_hints
from fenghuo_agent.discovery.subnets import Scope, parse_spans
from fenghuo_agent.snmp.access import Credential

async def main():
    clock = SystemClock()
    scope = Scope(parse_spans(["2001:db8:7::/64", "fe80::/10", "10.77.0.0/29"]), parse_spans(["10.77.0.1"]))
    credentials = [Credential.model_validate({"community": "test-community"})]
    scan = Scan(scope, lambda _: credentials, manners=Manners(rate=200, timeout=4.0, retries=1),
        attempts=Attempts(2, clock, b"s"), recognise=recogniser(shipped()), clock=clock, random=random.Random(1))
    deadline = clock.monotonic() + 20
    while "2001:db8:7::2" not in {each.address for each in kernel_neighbours()}:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("2001:db8:7::2", 9))  # the discard port: makes the kernel look for its neighbour
        await asyncio.sleep(0.1)
        assert clock.monotonic() < deadline
    neighbours = kernel_neighbours()
    await scan.run(hints=neighbour_hints(scope, neighbours))
    print(json.dumps({"neighbours": neighbours, "devices": [each.document() for each in scan.devices()],
        "nobody": scan.counts.nobody, "asked": scan.counts.asked, "datagrams": scan.counts.datagrams}))
asyncio.run(main())
"""


@pytest.fixture
def link() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a link between them."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    here, there = f"fenghuo-here-{os.getpid()}", f"fenghuo-there-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", here], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        subprocess.run(["ip", "netns", "add", there], check=True)
        subprocess.run(
            ["ip", "-n", here, "link", "add", "eth7", "type", "veth", "peer", "name", "eth7", "netns", there],
            check=True,
        )
        for name, last in ((here, 1), (there, 2)):
            for command in (
                f"addr add 2001:db8:7::{last}/64 dev eth7 nodad", f"addr add 10.77.0.{last}/29 dev eth7", "link set lo up", "link set eth7 up",
            ):  # fmt: skip
                subprocess.run(["ip", "-n", name, *command.split()], check=True)
        yield here, there
    finally:
        for name in (here, there):
            subprocess.run(["ip", "netns", "delete", name], check=False)


def test_ipv6_devices_are_found_by_the_neighbour_table_and_empty_addresses_asked_once(link, tmp_path: Path):
    here, there = link
    with snmpd(tmp_path / "snmpd", port=161, hosts=("::", "0.0.0.0"), namespace=there):
        command = ["ip", "netns", "exec", here, sys.executable, "-c", INSIDE]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert ["2001:db8:7::2", "eth7"] in [[each[0], each[2]] for each in found["neighbours"]]
    (device,) = found["devices"]
    assert device["address"] == "10.77.0.2"
    assert "2001:db8:7::2" in device["also"]
    assert device["name"] == "core-switch"
    assert found["nobody"] == 4, "who does not answer ARP is told by the kernel, and asked no more"
    assert found["datagrams"] == found["asked"]
