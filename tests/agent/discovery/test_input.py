"""Discovery in the running agent, on a virtual clock and network."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from fenghuo_agent.discovery import store
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.input import DiscoveryInput
from fenghuo_agent.discovery.neighbours import Neighbour
from fenghuo_agent.discovery.recognise import Recognised
from fenghuo_agent.inputs.snmp.config import Device, SnmpConfig
from fenghuo_agent.profiles import Identity
from fenghuo_agent.snmp.access import parse_address

from .conftest import Network, device, user

DAY = 86_400


@dataclass
class Polled:
    instance: str


@dataclass
class Polling:
    """Who polls, of whom all answer but those in `down`."""

    devices: dict[str, Device] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    def get(self, instance: str) -> Polled | None:
        return Polled(instance) if instance in self.devices else None

    def up(self):
        return [Polled(each) for each in self.devices if each not in self.down]

    def add(self, settings: Device) -> None:
        self.devices[settings.target.instance] = settings

    def remove(self, instance: str) -> bool:
        return self.devices.pop(instance, None) is not None


class Basket:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.events, self.assets = [], []

    def table(self, table) -> None: ...

    def event(self, event) -> None:
        self.events.append(event)

    def asset(self, asset) -> None:
        self.assets.append(asset)

    @property
    def actions(self) -> list[tuple[str, str]]:
        return [
            (each.document["event"]["action"], each.document["fenghuo"]["asset"]["snmp"]["address"])
            for each in self.events
        ]


class VirtualWire:
    """The virtual network as a scan's wire."""

    def __init__(self, network: Network, heard, failed) -> None:
        class Knocker:
            pass

        knocker = Knocker()
        knocker.heard, knocker.failed = heard, failed
        network.knocker = knocker
        self.send = network.send

    def close(self) -> None: ...


@dataclass
class World:
    """A discovery input and all around it."""

    network: Network
    path: Path
    polling: Polling = field(default_factory=Polling)
    basket: Basket = field(default_factory=Basket)
    identities: dict[str, Identity] = field(default_factory=dict)
    recognised: dict[str, Recognised] = field(default_factory=dict)
    ignored: list = field(default_factory=list)
    nearby: list[tuple[str, str]] = field(default_factory=list)
    config: SnmpConfig | None = None

    def input(self, **options) -> DiscoveryInput:
        config = SnmpConfig.model_validate(
            {
                "credentials": [{"community": "wrong"}, {"name": "right one", "community": "right"}],
                "discover": {"subnets": ["10.0.0.0/28"], **options},
            }
        )

        async def recognise(session, *, bindings: bool) -> Recognised:
            host = session.target.host
            found = self.recognised.get(host) or Recognised()
            found.identity = self.identities.get(host, Identity(name=f"device {host}"))
            return found

        async def around():
            return self.nearby

        self.config = config
        return DiscoveryInput(
            lambda: self.config,
            self.path,
            polling=self.polling,
            recognise=recognise,
            clock=self.network.clock,
            random=random.Random(1),
            entropy=bytes,
            registry=CollectorRegistry(),
            around=around,
            ignored=lambda: self.ignored,
            sleep=self.network.sleep,
            wire_of=lambda heard, failed: VirtualWire(self.network, heard, failed),
        )

    async def run(self, source: DiscoveryInput, seconds: float) -> None:
        """Let it run for so long."""
        end = self.network.clock.monotonic() + seconds
        task = asyncio.create_task(source.run(self.basket))
        while self.network.clock.monotonic() < end and not task.done():  # noqa: ASYNC110 — virtual time
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def neighbours(monkeypatch: pytest.MonkeyPatch) -> list[Neighbour]:
    known: list[Neighbour] = []
    monkeypatch.setattr("fenghuo_agent.discovery.input.kernel_neighbours", lambda: known)
    return known


@pytest.fixture
def world(network: Network, tmp_path: Path, neighbours: list[Neighbour]) -> World:
    return World(network, tmp_path / "discovery.json")


async def test_what_is_found_is_told_and_polled_with_the_credential_that_works(world: World):
    world.network.at("10.0.0.3", device())
    await world.input().scan(world.basket)
    assert world.basket.actions == [("device-found", "10.0.0.3")]
    assert [asset.id for asset in world.basket.assets] == ["snmp:10.0.0.3"]
    assert world.basket.events[0].document["host"]["name"] == "device 10.0.0.3"
    assert {instance: each.credential for instance, each in world.polling.devices.items()} == {"10.0.0.3": "right one"}


async def test_without_adoption_nothing_is_polled(world: World):
    world.network.at("10.0.0.3", device())
    await world.input(adopt=False).scan(world.basket)
    assert world.basket.actions == [("device-found", "10.0.0.3")]
    assert world.polling.devices == {}


async def test_what_the_admin_ignores_or_configured_is_not_polled_again(world: World):
    for host in ("10.0.0.3", "10.0.0.4", "10.0.0.5"):
        world.network.at(host, device())
        world.recognised[host] = Recognised(engine="aabbccddee" if host != "10.0.0.3" else "0011223344")
        world.identities[host] = Identity(name="one" if host == "10.0.0.3" else "two")
    world.ignored.append(parse_address("10.0.0.3"))
    mine = Device.model_validate({"address": "10.0.0.5", "name": "mine"})
    world.polling.add(mine)
    await world.input().scan(world.basket)
    assert world.polling.devices == {"10.0.0.5": mine}
    assert sorted(world.basket.actions) == [("device-found", "10.0.0.3"), ("device-found", "10.0.0.5")]


async def test_only_the_named_subnets_are_ever_asked(world: World, neighbours: list[Neighbour]):
    neighbours += [Neighbour("10.0.7.7", "aa", "eth0"), Neighbour("fe80::7%eth0", "aa", "eth0")]
    world.network.at("10.0.0.3", device())
    world.recognised["10.0.0.3"] = Recognised(hints=[("10.0.8.8", "lldp"), ("10.0.0.4", "arp"), ("10.0.9.9", "arp")])
    world.nearby.append(("192.168.1.1", "cdp"))
    source = world.input(exclude=["10.0.0.9"])
    await world.run(source, 3 * DAY)
    asked = {target.host for _, target, _ in world.network.sent}
    assert asked == {f"10.0.0.{number}" for number in range(1, 15) if number != 9}


async def test_all_is_scanned_at_the_interval_and_not_again_after_a_restart(world: World):
    source = world.input()
    await world.run(source, 2.5 * DAY)
    assert source.totals.scans["full"] == 3
    again = world.input()
    await world.run(again, 0.4 * DAY)
    assert again.totals.scans["full"] == 0
    await world.run(again, 0.2 * DAY)
    assert again.totals.scans["full"] == 1


async def test_known_devices_are_polled_at_once_after_a_restart(world: World):
    world.network.at("10.0.0.3", device())
    await world.input().scan(world.basket)
    world.polling.devices.clear()
    world.network.sent.clear()
    await world.run(world.input(), 1)
    assert list(world.polling.devices) == ["10.0.0.3"]
    assert world.network.sent == []


async def test_a_credential_that_is_no_longer_there_is_not_insisted_on(world: World):
    world.network.at("10.0.0.3", device())
    await world.input().scan(world.basket)
    content = world.path.read_text().replace("right one", "old one")
    world.path.write_text(content)
    world.polling.devices.clear()
    await world.run(world.input(), 1)
    assert world.polling.devices["10.0.0.3"].credential == ""


async def test_a_new_neighbour_is_asked_within_the_hour_and_once_only(world: World, neighbours: list[Neighbour]):
    source = world.input(subnets=["2001:db8::/64", "10.0.0.0/28"])
    await source.scan(world.basket)
    world.network.sent.clear()
    new = world.network.at("2001:db8::7", device())
    neighbours += [Neighbour("2001:db8::7", "aa", "eth0"), Neighbour("2001:db8::8", "bb", "eth0")]
    world.nearby.append(("2001:db8::9", "lldp"))
    await world.run(source, 4 * 3600)
    assert world.basket.actions == [("device-found", "2001:db8::7")]
    assert len(world.network.to(new)) <= 2
    assert len(world.network.to(parse_address("2001:db8::8"))) == 6
    assert len(world.network.to(parse_address("2001:db8::9"))) == 6
    assert world.basket.assets[0].attributes["fenghuo"]["asset"]["discovery"]["how"] == "neighbour"


async def test_a_device_that_was_silent_for_too_long_is_gone_and_polled_no_more(world: World):
    target = world.network.at("10.0.0.3", device())
    source = world.input()
    await world.run(source, DAY / 2)
    del world.network.devices[target]
    world.polling.down.add("10.0.0.3")
    await world.run(source, 5 * DAY)
    assert source.register.devices[0].state == "silent"
    assert list(world.polling.devices) == ["10.0.0.3"]
    await world.run(source, 4 * DAY)
    assert world.basket.actions == [("device-found", "10.0.0.3"), ("device-gone", "10.0.0.3")]
    assert world.polling.devices == {}
    assert world.basket.assets[-1].attributes["fenghuo"]["asset"]["discovery"]["state"] == "gone"
    world.network.at("10.0.0.3", device())
    await world.run(source, 2 * DAY)
    assert world.basket.actions[-1] == ("device-returned", "10.0.0.3")
    assert list(world.polling.devices) == ["10.0.0.3"]


async def test_a_device_of_the_configuration_is_never_removed(world: World):
    target = world.network.at("10.0.0.3", device())
    world.polling.add(Device.model_validate({"address": "10.0.0.3"}))
    source = world.input()
    await world.run(source, DAY / 2)
    del world.network.devices[target]
    world.polling.down.add("10.0.0.3")
    await world.run(source, 9 * DAY)
    assert world.basket.actions[-1] == ("device-gone", "10.0.0.3")
    assert list(world.polling.devices) == ["10.0.0.3"]


async def test_a_device_that_is_polled_well_is_not_gone_though_scans_miss_it(world: World):
    target = world.network.at("10.0.0.3", device())
    source = world.input()
    await world.run(source, DAY / 2)
    del world.network.devices[target]
    await world.run(source, 9 * DAY)
    assert world.basket.actions == [("device-found", "10.0.0.3")]


async def test_a_device_that_moves_is_polled_at_its_new_address(world: World):
    world.network.at("10.0.0.3", device())
    world.identities["10.0.0.3"] = world.identities["10.0.0.9"] = Identity(name="sw", vendor="H3C", serial="S1")
    source = world.input()
    await world.run(source, DAY / 2)
    world.network.at("10.0.0.9", world.network.devices.pop(parse_address("10.0.0.3")))
    await world.run(source, DAY)
    assert world.basket.actions == [("device-found", "10.0.0.3"), ("device-changed", "10.0.0.9")]
    assert list(world.polling.devices) == ["10.0.0.9"]


async def test_a_clock_that_was_set_back_does_not_put_scans_off(world: World):
    source = world.input()
    source._scanned = world.network.clock.now() + 400 * DAY * 1000
    await world.run(source, 60)
    assert source.totals.scans["full"] == 1


async def test_spoilt_memory_is_counted_and_does_not_stop_the_agent(world: World):
    world.path.write_text("{")
    source = world.input()
    world.network.at("10.0.0.3", device())
    await source.scan(world.basket)
    assert source.totals.spoilt == 1
    assert [each.instance for each in store.load(world.path).devices] == ["10.0.0.3"]


async def test_what_was_found_before_a_scan_is_cut_short_is_kept(world: World):
    for number in range(1, 15):
        world.network.at(f"10.0.0.{number}", device())
    source = world.input(rate=1)
    task = asyncio.create_task(source.scan(world.basket))
    while world.network.clock.monotonic() < 24:  # noqa: ASYNC110 — it is the virtual clock that is waited for
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert 0 < len(world.basket.events) < 14


async def test_a_long_scan_hands_on_what_it_found_so_far(world: World):
    for number in range(1, 15):
        world.network.at(f"10.0.0.{number}", device())
        world.identities[f"10.0.0.{number}"] = Identity(name=f"device {min(number, 13)}")
        world.recognised[f"10.0.0.{number}"] = Recognised(
            engine="0011223344" if number > 12 else f"00112233{number:02}00"
        )
    source = world.input(subnets=["10.0.0.0/26"], rate=1, retries=0)
    task = asyncio.create_task(source.scan(world.basket))
    while not world.basket.events:  # noqa: ASYNC110 — see above
        await asyncio.sleep(0)
    assert not task.done()
    assert list(world.polling.devices) == [address for _, address in world.basket.actions]
    assert len(world.basket.events) < 12
    await task
    assert len(world.basket.events) == len(world.polling.devices) == 13
    assert all(action == "device-found" for action, _ in world.basket.actions)


async def test_what_it_does_is_counted(world: World):
    registry = CollectorRegistry()
    source = world.input()
    registry.register(_collector(source))
    world.network.at("10.0.0.3", device())
    await source.scan(world.basket)
    sample = registry.get_sample_value
    assert sample("fenghuo_agent_discovery_scans_total", {"kind": "full"}) == 1
    assert sample("fenghuo_agent_discovery_addresses_total", {"result": "opened"}) == 1
    assert sample("fenghuo_agent_discovery_addresses_total", {"result": "silent"}) == 13
    assert sample("fenghuo_agent_discovery_devices", {"state": "up"}) == 1
    assert sample("fenghuo_agent_discovery_datagrams_total") == len(world.network.sent)


def _collector(source: DiscoveryInput):
    from fenghuo_agent.discovery.metrics import Metrics

    return Metrics(source.totals, lambda: source.register.devices, lambda: 0, CollectorRegistry())


async def test_other_subnets_in_the_configuration_are_scanned_within_a_minute_or_so(world: World):
    source = world.input()
    await world.run(source, 600)
    world.network.sent.clear()
    world.config = world.config.replace(discover={"subnets": ["10.0.5.0/29"]})
    await world.run(source, 200)
    assert {target.host for _, target, _ in world.network.sent} == {f"10.0.5.{number}" for number in range(1, 7)}


async def test_a_credential_that_was_mended_is_used_at_the_next_scan(world: World):
    world.network.at("10.0.0.3", device("mended"))
    source = world.input()
    await source.scan(world.basket)
    assert world.basket.events == []
    world.config = world.config.replace(credentials=[{"name": "right one", "community": "mended"}])
    await source.scan(world.basket)
    assert world.polling.devices["10.0.0.3"].credential == "right one"


async def test_what_is_polled_tells_of_itself_by_the_polls(world: World):
    world.network.at("10.0.0.3", device())
    source = world.input()
    await source.scan(world.basket)
    await source.scan(world.basket)
    assert len(world.basket.assets) == 1
    world.polling.devices.clear()
    world.ignored.append(parse_address("10.0.0.3"))
    await source.scan(world.basket)
    assert len(world.basket.assets) == 2


async def test_a_round_by_hand_leaves_the_news_to_the_agent_that_runs(world: World):
    world.network.at("10.0.0.3", device())
    await world.input().once(world.basket)
    await world.input().scan(world.basket)
    assert world.basket.actions == [("device-found", "10.0.0.3")] * 2


async def test_attempts_of_scans_by_hand_count_for_the_agent_that_runs(world: World):
    engine = bytes.fromhex("80001f8804aa")
    world.network.at("10.0.0.3", device(user=("monitor", "correct horse", engine), clock=world.network.clock))
    source = world.input()
    world.config = world.config.replace(credentials=[user(password="wrong horse")])
    by_hand = Attempts(2, world.network.clock, source._salt)
    for _ in range(2):
        by_hand.sent(engine, user())
    store.save_attempts(world.path, by_hand, source._salt)
    await source.scan(world.basket)
    assert all(b"monitor" not in datagram for _, _, datagram in world.network.sent)
    assert store.load(world.path).attempts[engine.hex()]["monitor"]["wrong"] == 2


async def test_a_device_that_surprises_is_found_and_ends_no_scan(world: World, caplog: pytest.LogCaptureFixture):
    world.network.at("10.0.0.3", device())
    world.network.at("10.0.0.4", device())

    class Surprise:
        def __setattr__(self, *_) -> None:
            raise KeyError("surprise")

    world.recognised["10.0.0.3"] = Surprise()
    await world.input().scan(world.basket)
    assert sorted(world.polling.devices) == ["10.0.0.3", "10.0.0.4"]
    assert "10.0.0.3: unexpected KeyError('surprise')" in caplog.text
