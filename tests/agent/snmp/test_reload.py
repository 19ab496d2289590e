"""Hot reload: other devices, credentials and profiles while the input polls, and files that are wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
from itertools import pairwise

import pytest
import yaml
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from fenghuo.errors import Located
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.inputs.snmp import SnmpConfig, schedule
from fenghuo_agent.inputs.snmp.profile_folders import ProfileFolders
from fenghuo_agent.reload import ConfigFile, ReloadMetrics, Reloads, needs_restart, watch
from fenghuo_agent.snmp.message import GET

from .conftest import COMMUNITY
from .test_schedule import polls, run, until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """First polls come at once."""
    monkeypatch.setattr(schedule, "FIRST_ROUND", 0.05)


def section(*addresses, **options) -> SnmpConfig:
    settings = {
        "devices": [{"address": address} if isinstance(address, str) else address for address in addresses],
        "credentials": [{"community": COMMUNITY}],
        "timeout": 0.3,
        "retries": 1,
        "topology": {"enabled": False},
        **options,
    }
    return SnmpConfig.model_validate(settings)


def whole(tmp_path, snmp: dict, **more) -> dict:
    return {
        "site": "bj/haidian/test",
        "agent": "gw1",
        "collector": "mqtt://127.0.0.1",
        "spool": {"path": str(tmp_path / "spool.db")},
        "inputs": {"snmp": snmp},
        **more,
    }


async def test_devices_come_and_go_and_the_others_keep_what_was_learnt_of_them(make_device, make_input, recorder):
    stays, goes, comes = [await make_device(f"127.0.1.{number}") for number in range(1, 4)]
    for device in (stays, goes, comes):
        device.ports(2)
    source = make_input(stays.address, goes.address, interval=0.1)
    async with run(source, recorder):
        await until(lambda: polls(recorder, stays.address) and polls(recorder, goes.address))
        walks = len([kind for kind, _ in stays.requests if kind != GET])
        kept = source.get(stays.address)
        changes = source.reconfigure(section(stays.address, comes.address, interval=0.1))
        assert (changes.added, changes.removed, changes.changed) == ([comes.address], [goes.address], [])
        assert str(changes) == "1 added, 1 removed"
        before = len(polls(recorder, stays.address))
        await until(lambda: polls(recorder, comes.address) and len(polls(recorder, stays.address)) >= before + 3)
    assert source.get(stays.address) is kept
    assert len([kind for kind, _ in stays.requests if kind != GET]) == walks, "its rows were not read again"
    assert {table.layout.labels["instance"] for table in recorder.tables if table.ended} == {goes.address}


async def test_no_poll_is_lost_while_the_configuration_changes(make_device, make_input, recorder):
    devices = [await make_device(f"127.0.1.{number}") for number in range(1, 11)]
    for device in devices:
        device.ports(2)
    addresses = [device.address for device in devices]
    source = make_input(*addresses, interval=0.5)
    async with run(source, recorder):
        await until(lambda: all(polls(recorder, address) for address in addresses))
        for number in range(12):
            source.reconfigure(section(*addresses[: 9 + number % 2], interval=0.5))
            await asyncio.sleep(0.12)
        kept = addresses[:9]
        times = {address: polls(recorder, address) for address in kept}
    for seen in times.values():
        gaps = [later - earlier for earlier, later in pairwise(seen)]
        assert max(gaps) < 650
    assert source.tally.skipped == 0


async def test_another_interval_takes_effect_without_a_restart(make_device, make_input, recorder):
    device = await make_device()
    device.ports(1)
    source = make_input(device.address, interval=3600)
    async with run(source, recorder):
        await until(lambda: polls(recorder, device.address))
        source.reconfigure(section(device.address, interval=0.05))
        await until(lambda: len(polls(recorder, device.address)) >= 4)


async def test_another_credential_is_used_at_the_next_turn(make_device, make_input, recorder):
    device = await make_device()
    device.ports(1)
    source = make_input(device.address, credentials=[{"community": "wrong"}], timeout=0.05, retries=0, interval=0.1)
    async with run(source, recorder):
        await until(lambda: source.tally.devices["down"] == 1)
        source.reconfigure(section(device.address, interval=0.1))
        await until(lambda: polls(recorder, device.address))
    assert source.tally.devices == {"up": 1, "down": 0, "unknown": 0}


async def test_a_device_that_was_added_from_elsewhere_stays_while_there_is_a_credential_for_it(
    make_device, make_input, recorder
):
    found = await make_device()
    found.ports(1)
    source = make_input()
    source.add(section(found.address).devices[0])
    source.reconfigure(section())
    assert [device.instance for device in source.devices] == [found.address]
    source.reconfigure(section(credentials=[{"community": "x", "subnets": ["192.0.2.0/24"]}]))
    assert source.devices == []


def test_credentials_go_by_name_by_subnet_and_then_in_order():
    config = section(
        "10.1.2.3", "10.1.9.9", "10.9.9.9", {"address": "10.1.2.4", "credential": "one"}, "2001:db8::1",
        credentials=[
            {"name": "one", "community": "a"},
            {"name": "site", "community": "b", "subnets": ["10.1.0.0/16", "2001:db8::/32"]},
            {"name": "room", "community": "c", "subnets": ["10.1.2.0/24"]},
        ],
    )  # fmt: skip
    names = [[credential.name for credential in config.credentials_of(device)] for device in config.devices]
    assert names == [["room", "site", "one"], ["site", "one"], ["one"], ["one"], ["site", "one"]]


@pytest.mark.parametrize(
    ("credential", "message"),
    [
        ({"community": "a", "subnets": ["10.1.0.0/16"]}, "in no subnet of any credential"),
        ({"community": "a", "subnets": ["10.1.0.1/16"]}, "host bits"),
        ({"community": "a", "subnets": ["room 3"]}, "expected a subnet"),
    ],
)
def test_a_device_without_a_credential_is_refused(credential, message):
    with pytest.raises(ValidationError, match=message):
        section("10.9.9.9", credentials=[credential])


def write(path, content) -> None:
    """As an editor does: a new file in the old one's place."""
    fresh = path.with_suffix(".new")
    fresh.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    fresh.replace(path)


def test_a_changed_file_is_read_once_and_a_wrong_one_told_once_with_its_place(tmp_path):
    path = tmp_path / "agent.yaml"
    (tmp_path / "community").write_text("first\n")
    content = whole(tmp_path, {"credentials": [{"community_file": "community"}], "devices": [{"address": "10.0.0.1"}]})
    write(path, content)
    file = ConfigFile(path, {})
    assert file.changed() is None
    content["inputs"]["snmp"]["interval"] = "30s"
    write(path, content)
    assert file.changed().inputs.snmp.interval == 30
    assert file.changed() is None
    write(path, "site: bj\ncollector: mqtt://127.0.0.1\ninputs: {snmp: {devises: []}}\n")
    with pytest.raises(Located, match=r"agent.yaml:3:\d+: .*devises.*did you mean 'devices'"):
        file.changed()
    assert file.changed() is None
    write(path, content)
    assert file.changed() is not None
    (tmp_path / "community").write_text("the second\n")
    assert file.changed().inputs.snmp.credentials[0].community.reveal() == "the second"
    path.unlink()
    with pytest.raises(Located, match="cannot read the configuration"):
        file.changed()
    assert file.changed() is None


def test_what_needs_a_restart_is_named(tmp_path):
    def config(snmp: dict, **more) -> AgentConfig:
        return AgentConfig.model_validate(whole(tmp_path, {"credentials": [{"community": "a"}], **snmp}, **more))

    before = config({})
    assert needs_restart(before, config({"devices": [{"address": "10.0.0.1"}], "interval": 5})) == []
    assert needs_restart(before, config({"concurrency": 9})) == ["inputs.snmp.concurrency"]
    assert needs_restart(before, config({}, batch={"values": 5})) == ["batch"]
    assert needs_restart(before, config({"discover": ["10.0.0.0/24"]})) == ["inputs.snmp.discover"]
    assert needs_restart(config({"discover": ["10.0.0.0/24"]}), config({"discover": ["10.0.0.0/23"]})) == []


async def test_the_running_input_follows_its_file_and_ignores_a_wrong_one(
    make_device, make_input, recorder, tmp_path, caplog
):
    caplog.set_level("INFO")
    devices = [await make_device(f"127.0.1.{number}") for number in (1, 2)]
    for device in devices:
        device.ports(1)
    path = tmp_path / "agent.yaml"
    snmp = {
        "credentials": [{"community": COMMUNITY}],
        "devices": [{"address": devices[0].address}],
        "interval": 0.1,
        "topology": {"enabled": False},
    }
    write(path, whole(tmp_path, snmp))
    config = AgentConfig.model_validate(whole(tmp_path, snmp))
    source = make_input(devices[0].address, interval=0.1)
    registry = CollectorRegistry()
    reloads, metrics = Reloads(config, [source], registry), ReloadMetrics(CollectorRegistry())
    watching = asyncio.create_task(watch(ConfigFile(path, os.environ), reloads.take, metrics, interval=0.05))
    async with run(source, recorder):
        await until(lambda: polls(recorder, devices[0].address))
        write(path, "site: [")
        await until(lambda: "the changed configuration is refused" in caplog.text)
        assert "agent.yaml:1" in caplog.text
        snmp["devices"].append({"address": devices[1].address})
        snmp["concurrency"] = 3
        write(path, whole(tmp_path, snmp))
        await until(lambda: polls(recorder, devices[1].address))
        snmp["retries"] = 3
        write(path, whole(tmp_path, snmp))
        await until(lambda: caplog.text.count("after a restart only: inputs.snmp.concurrency") == 2)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
    assert "SNMP devices: 1 added; after a restart only: inputs.snmp.concurrency" in caplog.text
    assert metrics.config.labels("refused")._value.get() == 1
    assert metrics.config.labels("loaded")._value.get() == 2
    assert COMMUNITY not in caplog.text


async def test_other_profiles_are_used_at_the_next_turn(make_device, make_input, recorder, tmp_path):
    device = await make_device()
    device.ports(1)
    device.objects[(1, 3, 6, 1, 4, 1, 99999, 1, 0)] = device.objects[(1, 3, 6, 1, 2, 1, 2, 1, 0)]
    folder = tmp_path / "profiles"
    folder.mkdir()
    source = make_input(device.address, profiles=[str(folder)])
    folders = ProfileFolders(lambda: [folder])
    await source.once(recorder)
    assert folders.changed() is None
    mine = folder / "mine.yaml"
    mine.write_text("name: mine\nstandard: true\ntitle: Mine\nobjekts: {}\n")
    with pytest.raises(Located, match=r"mine.yaml:4:1.*objekts"):
        folders.changed()
    mine.write_text(
        "name: mine\ntitle: Mine\nstandard: true\nobjects: {mineCount: 1.3.6.1.4.1.99999.1.0}\n"
        "sensors: [{value: mineCount, quantity: count, name: Things}]\n"
    )
    library = folders.changed()
    assert folders.changed() is None
    source.use(library)
    await source.once(recorder)
    things = [table for table in recorder.tables if "Things" in table.layout.row_labels.get("sensor", ())]
    assert [list(table.columns[0]) for table in things] == [[1]]


async def test_devices_of_the_devices_file_come_and_go_with_it(make_device, make_input, recorder, tmp_path):
    first, second = await make_device("127.0.1.1"), await make_device("127.0.1.2")
    path, devices = tmp_path / "agent.yaml", tmp_path / "devices.yaml"
    snmp = {"credentials": [{"community": COMMUNITY}], "devices_file": "devices.yaml", "topology": {"enabled": False}}
    write(path, whole(tmp_path, snmp))
    write(devices, {"devices": [{"address": first.address}, {"address": second.address, "ignore": True}]})
    source = make_input(devices_file=str(devices))
    assert [device.instance for device in source.devices] == [first.address]
    file = ConfigFile(path, {})
    reloads = Reloads(AgentConfig.model_validate(whole(tmp_path, snmp)), [source], CollectorRegistry())
    write(devices, {"devices": [{"address": second.address}]})
    assert reloads.take(file.changed()) == "SNMP devices: 1 added, 1 removed"
    assert [device.instance for device in source.devices] == [second.address]
    write(devices, {"devices": [{"address": first.address, "credential": "none"}]})
    with pytest.raises(Located, match=r"devices.yaml:\d+:\d+: .*no credential named 'none'"):
        reloads.take(file.changed())
    assert [device.instance for device in source.devices] == [second.address]


async def test_while_others_are_learnt_anew_a_known_device_is_polled_by_what_is_known(
    make_device, make_input, recorder
):
    """Other profiles for all, and one place to learn in, which a slow device holds: the other loses no poll."""
    slow, quick = await make_device("127.0.1.1"), await make_device("127.0.1.2")
    for device in (slow, quick):
        device.ports(2)
    source = make_input(slow.address, quick.address, interval=0.2, learning=1, timeout=2)
    loop = asyncio.get_running_loop()
    received = slow.datagram_received
    async with run(source, recorder):
        await until(lambda: polls(recorder, slow.address) and polls(recorder, quick.address))
        slow.datagram_received = lambda data, peer: loop.call_later(0.2, received, data, peer)
        before = len(polls(recorder, quick.address))
        source.devices[0].relearn()
        asked = len(slow.requests)
        await until(lambda: len(slow.requests) > asked + 1)
        source.use(source._shared.library)
        await until(lambda: len(polls(recorder, quick.address)) >= before + 6)
        times = polls(recorder, quick.address)[before:]
    assert max(later - earlier for earlier, later in pairwise(times)) < 390
