"""What is told of a change, and what is not: starts, silence, flapping, roaming, floods."""

from __future__ import annotations

import pytest
from agent.topology.network import AGENT_MAC, Network

from fenghuo_agent.topology import join
from fenghuo_agent.topology.watch import Watch

MINUTE = 60_000


class Story:
    """Rounds over a network that changes."""

    def __init__(self, *, lldp: bool = True, **limits) -> None:
        self.network = Network()
        for name in ("core", "left", "right"):
            self.network.box(name, lldp=lldp)
        self.network.host("agent", "core", 1, lldp=False)
        self.network.cable("core", 2, "left", 1)
        self.network.cable("core", 3, "right", 1)
        self.network.host("printer", "left", 7, lldp=False)
        self.now = 1_700_000_000_000
        self.seen = {}
        self.watch = Watch(**{"remember": 86_400_000, "most_macs": 1000, "most_events": 100, **limits})
        self.topology = None

    def round(self, *, silent: tuple[str, ...] = (), alter=None) -> list[dict]:
        """Ten minutes later; silent switches say nothing new."""
        self.now += 10 * MINUTE
        dead = {self.network.instance(name) for name in silent}
        fresh = self.network.seen(talkers=self.network.boxes.keys() - set(silent))
        if alter:
            alter(fresh)
        for one in fresh.values():
            one.time = self.now
        self.seen |= {instance: one for instance, one in fresh.items() if instance not in dead}
        self.topology = join(self.seen, frozenset((AGENT_MAC,)))
        return self.watch.step(self.topology, dead, self.now)

    def unplug(self, name: str, port: int) -> None:
        other = self.network.cables.pop((name, port))
        del self.network.cables[other]


@pytest.fixture
def story() -> Story:
    return Story()


def actions(events: list[dict]) -> list[str]:
    return [event["event"]["action"] for event in events]


def test_the_first_round_is_no_news(story):
    assert story.round() == []
    assert story.round() == []


def test_a_device_that_is_read_for_the_first_time_brings_no_news_of_its_links(story):
    story.round()
    story.network.box("new")
    story.network.cable("right", 5, "new", 1)
    assert story.round() == []


def test_a_link_between_known_devices_is_told(story):
    story.round()
    story.network.cable("left", 9, "right", 9)
    story.network.boxes["right"].blocked.add(9)
    (event,) = story.round()
    assert event["event"] == {
        "kind": "event", "category": ["network"], "type": ["change"], "action": "link-added", "dataset": "topology",
    }  # fmt: skip
    assert event["message"] == "right Gi0/9 is connected to left Gi0/9"
    assert event["host"] == {"name": "left", "ip": [story.network.instance("left")]}
    assert event["fenghuo"]["topology"] == {
        "device": "left", "instance": story.network.instance("left"), "port": "Gi0/9", "neighbour": "right",
        "neighbour_instance": story.network.instance("right"), "neighbour_port": "Gi0/9", "source": ["lldp"],
        "neighbour_mac": "00:11:22:00:03:00", "neighbour_capabilities": ["bridge"],
    }  # fmt: skip


def test_a_link_is_gone_when_it_was_missing_twice_though_both_answered(story):
    story.round()
    story.unplug("core", 3)
    assert story.round() == []
    assert actions(story.round()) == ["link-removed"]
    assert story.round() == []


def test_a_device_that_does_not_answer_takes_no_link_with_it(story):
    story.round()
    before = {link.key for link in story.topology.links}

    def forget(fresh):
        core = fresh[story.network.instance("core")]
        core.neighbours = [heard for heard in core.neighbours if heard.name != "left"]

    for _ in range(5):
        assert story.round(silent=("left",), alter=forget) == []
        assert {link.key for link in story.topology.links} == before
    assert story.round() == []


def test_a_link_that_only_forwarding_tables_knew_stays_while_its_device_is_silent():
    story = Story(lldp=False)
    story.round()
    before = {link.key for link in story.topology.links}
    assert len(before) == 2
    uplinks = dict(story.topology.uplinks)
    for _ in range(5):
        assert story.round(silent=("left",)) == []
        assert {link.key for link in story.topology.links} == before
        assert story.topology.uplinks == uplinks
    assert story.round() == []


def test_a_device_without_links_hangs_where_it_hung_while_it_is_silent(story):
    read = story.network.seen
    story.network.seen = lambda **more: read(read={"core", "left", "right", "printer"}, **more)
    story.round()
    printer, left = story.network.instance("printer"), story.network.instance("left")
    assert story.topology.attached == {printer: left}
    for _ in range(3):
        story.round(silent=("printer",))
        assert story.topology.attached == {printer: left}


def test_a_host_that_went_from_a_silent_switch_to_another_has_moved(story):
    story.round()
    story.unplug("left", 7)
    story.network.cable("printer", 1, "right", 8)
    assert actions(story.round(silent=("left",))) == ["host-moved"]


def test_a_link_put_into_another_port_has_moved(story):
    story.round()
    story.unplug("core", 3)
    story.network.cable("core", 8, "right", 1)
    (event,) = story.round()
    assert event["event"]["action"] == "link-moved"
    assert event["fenghuo"]["topology"]["previous"]["port"] == "Gi0/3"


def test_another_device_at_a_port_is_a_new_neighbour(story):
    story.network.box("other")
    story.network.cable("right", 9, "other", 2)
    story.round()
    story.unplug("right", 9)
    story.unplug("core", 3)
    story.network.cable("core", 3, "other", 1)
    events = story.round()
    assert "neighbour-changed" in actions(events)
    event = events[actions(events).index("neighbour-changed")]
    assert event["fenghuo"]["topology"]["neighbour"] == "other"
    assert event["fenghuo"]["topology"]["previous"]["neighbour"] == "right"


def test_a_switch_nobody_reads_on_an_access_port_is_a_surprise(story):
    story.round()
    box = story.network.box("rogue", "dumb")

    def appear(fresh):
        left = fresh[story.network.instance("left")]
        left.neighbours.append(story.network.neighbour(108, box, 1))

    (event,) = story.round(alter=appear)
    assert event["event"]["action"] == "switch-connected"
    assert event["fenghuo"]["topology"]["port"] == "Gi0/8"
    assert event["fenghuo"]["topology"]["neighbour"] == "rogue"


@pytest.mark.parametrize("caps", [{"telephone", "bridge"}, {"access-point", "bridge"}, {"station"}, set()])
def test_a_telephone_an_access_point_or_a_computer_is_only_a_new_link(story, caps):
    story.round()
    box = story.network.box("thing", "dumb", caps=frozenset(caps))
    where = story.network.instance("left")
    events = story.round(alter=lambda fresh: fresh[where].neighbours.append(story.network.neighbour(108, box, 1)))
    assert actions(events) == ["link-added"]


def test_a_link_that_comes_and_goes_is_told_a_few_times_only(story):
    story.round()
    told = 0
    for _ in range(20):
        story.network.cable("left", 9, "right", 9)
        story.network.boxes["right"].blocked.add(9)
        story.now -= 9 * MINUTE
        told += len(story.round())
        story.unplug("left", 9)
        for _ in range(2):
            story.now -= 9 * MINUTE
            told += len(story.round())
    assert 2 <= told <= 6


def test_a_host_that_moved_to_another_access_port_is_told_with_both(story):
    story.round()
    story.unplug("left", 7)
    story.network.cable("printer", 1, "right", 8)
    (event,) = story.round()
    assert event["event"]["action"] == "host-moved"
    assert event["source"] == {"mac": "00-11-22-00-05-00"}
    assert event["message"] == "00:11:22:00:05:00 moved from left Gi0/7 to right Gi0/8"
    assert event["fenghuo"]["topology"]["previous"] == {
        "device": "left", "port": "Gi0/7", "instance": story.network.instance("left"),
    }  # fmt: skip
    assert event["vlan"] == {"id": "1"}


def test_a_host_that_was_off_in_between_has_moved_too_and_its_last_place_is_known_meanwhile(story):
    story.round()
    story.unplug("left", 7)
    mac = story.network.boxes["printer"].mac
    for _ in range(3):
        assert story.round() == []
        assert story.topology.locations.of(mac).place.if_index == 107
        assert story.topology.locations.of(mac).place.time < story.now
    story.network.cable("printer", 1, "right", 8)
    assert actions(story.round()) == ["host-moved"]


def test_places_are_forgotten_after_a_while_and_the_oldest_first_where_there_is_no_room():
    story = Story(remember=25 * MINUTE)
    story.round()
    story.unplug("left", 7)
    mac = story.network.boxes["printer"].mac
    for known in (True, True, False):
        story.round()
        assert (story.topology.locations.of(mac) is not None) is known
    story = Story(most_macs=1)
    story.round()
    story.unplug("left", 7)
    story.round()
    assert story.topology.locations.of(mac) is None


def test_made_up_macs_and_hosts_behind_access_points_may_roam(story):
    boxes = [story.network.box(name, "dumb", caps=frozenset(("access-point",))) for name in ("ap1", "ap2")]
    story.network.cable("left", 8, "ap1", 1)
    story.network.cable("right", 8, "ap2", 1)
    story.network.host("pupil", "ap1", 2)

    def aps(fresh):
        for switch, box in zip(("left", "right"), boxes, strict=True):
            one = fresh[story.network.instance(switch)]
            if all(heard.name != box.name for heard in one.neighbours):
                one.neighbours.append(story.network.neighbour(108, box, 1))
        fresh[story.network.instance("left")].stations.add(0x0E0000000001, 105 if story.now % 2 else 106, 1)

    story.round(alter=aps)
    story.unplug("ap1", 2)
    story.network.cable("pupil", 1, "ap2", 2)
    story.now += 1
    assert story.round(alter=aps) == []


def test_more_changes_than_may_be_told_are_counted():
    story = Story(most_events=5)
    for number in range(20):
        story.network.host(f"pc{number}", "left", number + 10, lldp=False)
    story.round()
    for number in range(20):
        story.unplug(f"pc{number}", 1)
        story.network.cable(f"pc{number}", 1, "right", number + 10)
    events = story.round()
    assert len(events) == 6
    assert events[-1]["event"]["action"] == "left-out"
    assert events[-1]["fenghuo"]["topology"]["count"] == 15
    assert story.watch.dropped == 15
