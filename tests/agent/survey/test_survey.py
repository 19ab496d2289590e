"""`fenghuo survey` against net-snmp's own agent: versions, users, what is recorded and read again, and what is said of mistakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fenghuo.cli.root import app as root
from fenghuo_agent.survey.cli import app
from fenghuo_agent.survey.pages import pages
from servers.process import free_port
from servers.snmpd import COMMUNITY, PASSWORD, SECRET, Snmpd, snmpd


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running


def surveyed(*arguments: str, env: dict[str, str] | None = None) -> dict:
    result = CliRunner().invoke(app, [*arguments, "--json"], env=env)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def password_file(folder: Path, text: str) -> str:
    path = folder / "password"
    path.write_text(f"{text}\n")
    return str(path)


@pytest.mark.parametrize("version", [[], ["--version", "1"], ["--version", "2c"]], ids=["any", "1", "2c"])
def test_a_device_is_read_by_its_community_in_every_version(device: Snmpd, version: list[str]) -> None:
    document = surveyed(f"udp://127.0.0.1:{device.port}", "--community", COMMUNITY, *version)
    assert document["device"]["name"] == "core-switch"
    assert document["device"]["location"] == "rack 3, row b"
    assert document["device"]["contact"] == "ops@example.org"
    [loopback] = [port for port in document["ports"] if port["name"] == "lo"]
    assert (loopback["type"], loopback["oper_status"], loopback["admin_status"]) == ("softwareLoopback", "up", "up")
    assert loopback["in_octets"] > 0
    assert {"address": "127.0.0.1", "prefix_length": 8, "interface": loopback["index"]} in document["addresses"]
    assert document["requests"] > 0
    assert document["faults"] == []


def test_the_document_has_the_parts_that_others_rely_on(device: Snmpd) -> None:
    document = surveyed(f"127.0.0.1:{device.port}", "--community", COMMUNITY)
    assert set(document) == {
        *(
            "device",
            "ports",
            "sensors",
            "supplies",
            "wireless",
            "neighbours",
            "addresses",
            "faults",
            "requests",
            "seconds",
        ),
    }
    assert {"name", "vendor", "model", "os", "version", "serial", "type", "location"} <= set(document["device"])
    named = {"index", "name", "alias", "type", "oper_status", "admin_status", "speed_bps", "in_octets", "out_octets"}
    assert all(named | {"in_errors", "out_errors"} <= set(port) for port in document["ports"])
    assert all(
        set(sensor) == {"name", "quantity", "unit", "value", "state", "text", "oid"} for sensor in document["sensors"]
    )
    assert all(sensor["state"] in {"ok", "warning", "critical", "unknown"} for sensor in document["sensors"])


def test_sixty_four_bit_counters_are_told_where_the_version_knows_them(device: Snmpd) -> None:
    wide = surveyed(f"127.0.0.1:{device.port}", "--community", COMMUNITY)
    narrow = surveyed(f"127.0.0.1:{device.port}", "--community", COMMUNITY, "--version", "1")
    assert wide["ports"][0]["in_multicast"] is not None
    assert narrow["ports"][0]["in_multicast"] is None
    assert narrow["ports"][0]["in_octets"] is not None


def test_a_device_is_read_by_a_user_with_passwords_from_the_environment_or_files(device: Snmpd, tmp_path: Path) -> None:
    arguments = [f"127.0.0.1:{device.port}", "--user", "sha256aes", "--auth", "SHA-256", "--priv", "AES"]
    environment = {"FENGHUO_SNMP_AUTH": PASSWORD, "FENGHUO_SNMP_PRIV": SECRET}
    assert surveyed(*arguments, env=environment)["device"]["name"] == "core-switch"
    (tmp_path / "auth").write_text(f"{PASSWORD}\n")
    (tmp_path / "priv").write_text(f"{SECRET}\n")
    files = ["--auth-file", str(tmp_path / "auth"), "--priv-file", str(tmp_path / "priv")]
    assert surveyed(*arguments, *files)["device"]["name"] == "core-switch"


def test_what_is_recorded_reads_as_the_device_did(device: Snmpd, tmp_path: Path) -> None:
    path = tmp_path / "walk.snmprec"
    result = CliRunner().invoke(app, [f"127.0.0.1:{device.port}", "--community", COMMUNITY, "--record", str(path)])
    assert result.exit_code == 0
    lines = path.read_text().splitlines()
    assert f"{len(lines)} instances" in result.output
    live, recorded = surveyed(f"127.0.0.1:{device.port}", "--community", COMMUNITY), surveyed(str(path))
    assert recorded["device"] == live["device"]
    assert [port["name"] for port in recorded["ports"]] == [port["name"] for port in live["ports"]]
    assert {sensor["oid"] for sensor in recorded["sensors"]} == {sensor["oid"] for sensor in live["sensors"]}
    assert recorded["addresses"] == live["addresses"]


def test_people_get_a_page(device: Snmpd) -> None:
    result = CliRunner().invoke(app, [f"127.0.0.1:{device.port}", "--community", COMMUNITY])
    assert result.exit_code == 0
    assert result.stdout.startswith("core-switch")
    assert "ports (" in result.stdout
    assert result.stdout.rstrip().endswith(" s")


@pytest.mark.parametrize(
    ("quantity", "value", "state", "shown"),
    [
        ("count", 25070112, "unknown", ["25070112"]),
        ("energy", 3555012.5, "unknown", ["3555012"]),
        ("voltage", 3.30219999, "unknown", ["3.3022"]),
        ("temperature", 61, "critical", ["61", "critical"]),
        ("state", 4, "unknown", ["4", "unknown"]),
    ],
)
def test_a_page_shows_numbers_in_full_and_no_state_where_nothing_judges(
    quantity: str, value: float, state: str, shown: list[str]
) -> None:
    sensor = {"quantity": quantity, "name": "Part", "value": value, "unit": "", "state": state, "text": ""}
    parts = dict.fromkeys(("supplies", "wireless", "ports", "addresses", "neighbours", "faults"), ())
    device = {"name": "x", "vendor": "", "model": ""}
    lines = list(pages({"device": device, "sensors": [sensor], **parts, "requests": 1, "seconds": 0.1}))
    [line] = [line.split() for line in lines if "Part" in line]
    assert line[2:] == shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["127.0.0.1:{port}", "--community", "wrong", "--timeout", "0.2", "--retries", "0"], "does not answer"),
        (["127.0.0.1:{nobody}", "--community", "x", "--timeout", "0.2", "--retries", "0"], "no SNMP agent listens"),
        (["127.0.0.1:{port}"], "give --community NAME"),
        (["127.0.0.1:{port}", "--community", "x", "--user", "y"], "give --community NAME"),
        (["127.0.0.1:{port}", "--community", "x", "--version", "3"], "--version is 1 or 2c"),
        (["127.0.0.1:{port}", "--user", "x", "--auth", "sha3"], "expected one of sha256"),
        (["127.0.0.1:{port}", "--user", "x", "--auth", "sha256"], "no password: set $FENGHUO_SNMP_AUTH"),
        (["127.0.0.1:{port}", "--user", "x", "--auth", "sha256", "--auth-file", "{short}"], "at least 8 characters"),
        (["127.0.0.1:99999", "--community", "x"], "a port is 1 to 65535"),
        (["no-such-host.invalid", "--community", "x"], "no-such-host.invalid"),
        (["{missing}"], "cannot read the recording"),
        (["{text}"], "no line of a walk"),
    ],
)
def test_mistakes_are_said_in_one_line(device: Snmpd, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "notes.snmprec").write_text("what is this\nand this\n")
    places = {
        "port": device.port,
        "nobody": free_port(),
        "short": password_file(tmp_path, "short"),
        "missing": tmp_path / "none.snmprec",
        "text": tmp_path / "notes.snmprec",
    }
    result = CliRunner().invoke(root, ["survey", *(each.format(**places) for each in arguments)])
    tried = ("does not answer", "no SNMP agent listens", "cannot read the recording", "no line of a walk")
    assert result.exit_code == (1 if said in tried else 2)
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_community_may_stand_in_a_file(device: Snmpd, tmp_path: Path) -> None:
    path = password_file(tmp_path, COMMUNITY)
    assert surveyed(f"127.0.0.1:{device.port}", "--community-file", path)["device"]["name"] == "core-switch"


def test_a_file_or_the_environment_may_hold_several_communities(device: Snmpd, tmp_path: Path) -> None:
    address, quick = f"127.0.0.1:{device.port}", ("--timeout", "0.3", "--retries", "0")
    file = password_file(tmp_path, f"not-{COMMUNITY}\n\n{COMMUNITY}")
    assert surveyed(address, "--community-file", file, *quick)["device"]["name"] == "core-switch"
    env = {"FENGHUO_SNMP_COMMUNITY": f"other {COMMUNITY}"}
    assert surveyed(address, *quick, env=env)["device"]["name"] == "core-switch"
    nothing = CliRunner().invoke(app, [address, "--community-file", password_file(tmp_path, " ")])
    assert "holds no community" in str(nothing.exception)


def test_a_host_may_be_given_by_name(device: Snmpd) -> None:
    assert surveyed(f"udp://localhost:{device.port}", "--community", COMMUNITY)["device"]["name"] == "core-switch"
