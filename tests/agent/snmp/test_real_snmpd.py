"""Against net-snmp's own agent: what the input reads is what net-snmp's own tools print."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.input import DevicesFailed
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.objects import COUNTER_BITS
from fenghuo_agent.snmp.walk import Limits, Walker
from servers.process import free_port, wait_for
from servers.snmpd import COMMUNITY, PASSWORD, SECRET, USERS, has_ipv6, snmpd

AUTH = {"SHA-256": "sha256", "SHA-512": "sha512", "SHA": "sha1", "SHA-224": "sha224", "SHA-384": "sha384", "MD5": "md5"}
PRIV = {"AES": "aes128"}


def user(name: str) -> dict:
    auth, priv = USERS[name]
    credential = {"user": name, "auth": {AUTH[auth]: PASSWORD}}
    if priv:
        credential["priv"] = {PRIV.get(priv, priv.lower()): SECRET}
    return credential


def printed(agent, program: str, *oids: str, version: str = "2c") -> dict[tuple[int, ...], str]:
    """Objects as net-snmp prints them: number → text of the value."""
    result = {}
    for line in agent.ask(program, *oids, version=version):
        name, _, value = line.partition(" = ")
        if "No Such" in value or "No more" in value:
            continue
        text = value.partition(": ")[2].strip('"') if ": " in value else value.strip('"')
        result[tuple(map(int, name.strip(".").split(".")))] = text
    return result


def check_interfaces(agent, recorder, *, version: str) -> None:
    """Each column equals snmpget's; counters may have grown in between, not shrunk."""
    table = recorder.last("interface")
    objects = {item.name: item for item in (*mibs.IF_COLUMNS, *mibs.IF_FALLBACK)}
    indexes = table.layout.row_labels["ifIndex"]
    assert indexes
    for field, column in zip(table.layout.fields, table.columns, strict=True):
        oid = ".".join(map(str, objects[field].oid))
        now = printed(agent, "snmpwalk", oid, version=version)
        now = {name[-1]: text for name, text in now.items()}
        for index, value in zip(indexes, column, strict=True):
            if value is None:
                assert int(index) not in now
            elif objects[field].tag in COUNTER_BITS:
                assert value <= int(now[int(index)])
                assert int(now[int(index)]) - value < 10_000_000
            else:
                assert str(value) == now[int(index)]


@pytest.mark.parametrize("version", ["1", "2c"])
async def test_by_community_it_reads_what_snmpget_prints(agent, recorder, make_input, version):
    source = make_input(agent.address(), credential={"community": COMMUNITY, "version": version})
    await source.once(recorder)
    before = int(printed(agent, "snmpget", "1.3.6.1.2.1.1.3.0", version=version)[1, 3, 6, 1, 2, 1, 1, 3, 0])
    await source.once(recorder)
    after = int(printed(agent, "snmpget", "1.3.6.1.2.1.1.3.0", version=version)[1, 3, 6, 1, 2, 1, 1, 3, 0])
    assert before <= recorder.value("system", "sysUpTime") <= after
    assert recorder.value("system", "snmp_up") == 1
    check_interfaces(agent, recorder, version=version)


@pytest.mark.parametrize("name", USERS)
async def test_by_user_it_reads_what_snmpget_prints(agent, recorder, make_input, name):
    source = make_input(agent.address(), credential=user(name))
    await source.once(recorder)
    await source.once(recorder)
    check_interfaces(agent, recorder, version="2c")
    assert source.tally.timeouts == source.tally.foreign == source.tally.malformed == 0


async def test_a_visit_by_user_goes_beside_the_polls_without_asking_anew_who_the_engine_is(agent, recorder, make_input):
    source = make_input(agent.address(), credential=user("sha256aes"))
    await source.once(recorder)
    reports = source.tally.reports

    async def visit() -> list[str]:
        with source.devices[0].visit().open(10) as session:
            walked = await Walker(session, Limits(10, 100, 1400)).walk([mibs.IF_NAME])
        return [ber.text(varbind.value) for varbind in walked.columns[mibs.IF_NAME].values()]

    found = await asyncio.gather(visit(), source.once(recorder), visit())
    names = list(printed(agent, "snmpwalk", "1.3.6.1.2.1.31.1.1.1.1").values())
    assert found == [names, None, names]
    assert source.tally.reports == reports
    assert source.tally.timeouts == source.tally.foreign == 0


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
async def test_over_ipv6_it_reads_the_same(agent, recorder, make_input):
    source = make_input(agent.address("::1"))
    await source.once(recorder)
    assert recorder.last("system").layout.labels["instance"] == f"[::1]:{agent.port}"
    check_interfaces(agent, recorder, version="2c")


async def test_names_and_labels_are_those_of_snmp_exporter(agent, recorder, make_input):
    await make_input(agent.address()).once(recorder)
    layout = recorder.last("interface").layout
    assert list(layout.row_labels) == ["ifIndex", "ifName", "ifAlias", "ifDescr"]
    names = printed(agent, "snmpwalk", "1.3.6.1.2.1.31.1.1.1.1")
    assert layout.row_labels["ifName"] == list(names.values())
    assert layout.labels == {"job": "snmp", "instance": agent.address(), "device": "core-switch"}
    assert layout.counters["ifHCInOctets"] == 64
    assert layout.counters["ifInErrors"] == 32
    assert "ifAdminStatus" not in layout.counters


async def test_the_device_becomes_an_asset_once(agent, recorder, make_input):
    source = make_input(agent.address())
    await source.once(recorder)
    await source.once(recorder)
    (asset,) = recorder.assets
    assert asset.id == f"snmp:{agent.address()}"
    host = asset.attributes["host"]
    assert (host["name"], host["ip"], host["os"]["name"]) == ("core-switch", ["127.0.0.1"], "Linux")
    assert asset.attributes["device"]["type"] == "server"
    assert asset.attributes["fenghuo"]["asset"]["snmp"]["location"] == "rack 3, row b"
    assert asset.attributes["fenghuo"]["asset"]["snmp"]["ports"] == len(recorder.last("interface").layout.rows)


async def test_layouts_are_the_same_objects_at_each_poll(agent, recorder, make_input):
    source = make_input(agent.address())
    await source.once(recorder)
    first = {id(table.layout) for table in recorder.tables}
    for _ in range(3):
        await source.once(recorder)
    assert {id(table.layout) for table in recorder.tables} == first


@pytest.mark.parametrize(
    ("credential", "hint"),
    [
        ({"user": "nobody", "auth": {"sha256": PASSWORD}, "priv": {"aes128": SECRET}}, "does not know this user"),
        ({"user": "sha256aes", "auth": {"sha256": "wrong password"}, "priv": {"aes128": SECRET}}, "signature is wrong"),
        ({"user": "sha256aes", "auth": {"sha512": PASSWORD}, "priv": {"aes128": SECRET}}, "signature is wrong"),
        ({"user": "sha256aes", "auth": {"sha256": PASSWORD}, "priv": {"aes128": "wrong password"}}, "`priv`"),
        ({"user": "sha256aes", "auth": {"sha256": PASSWORD}}, "check the device's views"),
        ({"community": "wrong"}, "wrong community is met with silence"),
    ],
)
async def test_when_it_is_not_let_in_the_error_says_what_to_mend(agent, recorder, make_input, credential, hint):
    with pytest.raises(DevicesFailed) as caught:
        await make_input(agent.address(), credential=credential).once(recorder)
    assert agent.address() in str(caught.value)
    assert hint in str(caught.value)
    for secret in (PASSWORD, SECRET, "wrong password"):
        assert secret not in str(caught.value)
    (table,) = recorder.tables
    assert table.layout.fields == ("snmp_up",)
    assert [list(column) for column in table.columns] == [[0]]


async def test_when_no_one_listens_the_error_says_so(recorder, make_input):
    with pytest.raises(DevicesFailed, match="no SNMP agent listens"):
        await make_input(f"127.0.0.1:{free_port()}").once(recorder)


async def test_of_several_credentials_the_one_that_is_let_in_is_kept(agent, recorder, make_input):
    source = make_input(
        agent.address(), credentials=[{"community": "wrong"}, user("sha1aes192"), {"community": COMMUNITY}]
    )
    await source.once(recorder)
    asked = source.tally.timeouts
    await source.once(recorder)
    assert asked == 2
    assert source.tally.timeouts == asked


async def test_when_snmpd_restarts_a_new_epoch_begins(tmp_path, recorder, make_input):
    with snmpd(tmp_path) as first:
        source = make_input(first.address(), credential=user("sha256aes"), clock=(clock := VirtualClock()))
        wait_for(
            lambda: int(first.ask("snmpget", "1.3.6.1.2.1.1.3.0")[0].rpartition(" ")[2]) > 100, "a second of uptime"
        )
        await source.once(recorder)
        layouts = {id(table.layout) for table in recorder.tables if table.layout.name in ("system", "interface")}
        clock.advance(1)
        await source.once(recorder)
        before = list(recorder.last("interface").epochs)
    with snmpd(tmp_path, port=first.port):
        clock.advance(60)
        await source.once(recorder)
    after = list(recorder.last("interface").epochs)
    assert all(new != old for old, new in zip(before, after, strict=True))
    assert source.tally.restarts == 1
    assert recorder.value("system", "sysUpTime") < 6000
    assert {id(table.layout) for table in recorder.tables if table.layout.name in ("system", "interface")} == layouts


@pytest.mark.parametrize("credential", [{"community": COMMUNITY}, user("sha256aes")], ids=["v2c", "v3"])
async def test_when_snmpd_comes_back_it_is_read_at_the_next_turn_and_never_said_to_be_down_again(
    tmp_path, recorder, make_input, credential
):
    with snmpd(tmp_path) as first:
        source = make_input(first.address(), credential=credential, clock=(clock := VirtualClock()))
        await source.once(recorder)
    for _ in range(4):  # by then it is asked in earnest only now and then
        clock.advance(60)
        with contextlib.suppress(DevicesFailed):
            await source.once(recorder)
        assert recorder.value("system", "snmp_up") == 0
    with snmpd(tmp_path, port=first.port):
        before = len(recorder.tables)
        clock.advance(60)
        await source.once(recorder)
    said = [table.columns[0] for table in recorder.tables[before:] if table.layout.name == "system" and not table.ended]
    assert said == [(1,)]
    assert source.tally.devices["up"] == 1
