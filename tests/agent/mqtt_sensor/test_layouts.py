"""Topic patterns, shared layouts, and the guard over devices."""

from __future__ import annotations

import pytest

from fenghuo_agent.inputs.mqtt_sensor.layouts import DeviceGuard, LayoutCache
from fenghuo_agent.inputs.mqtt_sensor.topic import Pattern


def test_the_same_labels_and_fields_share_a_layout():
    cache = LayoutCache(10)
    one = cache.get({"device": "a"}, ("",), ("x", "y"))
    assert cache.get({"device": "a"}, ("",), ("x", "y")) is one
    assert cache.get({"device": "b"}, ("",), ("x", "y")) is not one
    assert cache.get({"device": "a"}, ("",), ("x",)) is not one
    assert cache.get({"room": "a"}, ("",), ("x", "y")) is not one
    assert one.row_labels == {}
    assert cache.get({"device": "a"}, ("", "B"), ("x",)).row_labels == {"channel": ("", "B")}


def test_layouts_unused_for_longest_are_forgotten():
    cache = LayoutCache(2)
    first = cache.get({"device": "a"}, ("",), ("x",))
    cache.get({"device": "b"}, ("",), ("x",))
    assert cache.get({"device": "a"}, ("",), ("x",)) is first
    cache.get({"device": "c"}, ("",), ("x",))
    assert len(cache) == 2
    assert cache.get({"device": "a"}, ("",), ("x",)) is first


def test_the_guard_admits_so_many_devices_and_makes_room_when_one_was_silent_for_long():
    guard = DeviceGuard(2, forget=1000)
    assert guard.admit([("a",)], 0)
    assert guard.admit([("b",)], 500)
    assert not guard.admit([("c",)], 900)
    assert guard.admit([("a",)], 950)
    assert not guard.admit([("c",)], 1400)
    assert guard.admit([("c",)], 1500)
    assert not guard.admit([("b",)], 1600)
    assert len(guard) == 2


def test_a_message_of_more_parts_than_there_is_room_for_is_refused_whole():
    guard = DeviceGuard(2, forget=1000)
    assert not guard.admit([("a", "1"), ("a", "2"), ("a", "3")], 0)
    assert len(guard) == 0


@pytest.mark.parametrize(
    ("pattern", "subscribed", "topic", "found"),
    [
        ("school/{room}/{device}/state", "school/+/+/state", "school/lab/env/state", {"room": "lab", "device": "env"}),
        ("school/{room}/{device}/state", "school/+/+/state", "school/lab/env", None),
        ("school/{room}/{device}/state", "school/+/+/state", "school/lab/env/state/x", None),
        ("zigbee2mqtt/{device}", "zigbee2mqtt/+", "zigbee2mqtt/机房 1", {"device": "机房 1"}),
        ("tele/{device}/#", "tele/+/#", "tele/plug/SENSOR", {"device": "plug"}),
        ("tele/{device}/#", "tele/+/#", "tele/plug", {"device": "plug"}),
        ("a/+/{device}", "a/+/+", "a/b/c", {"device": "c"}),
        ("#", "#", "a/b", {}),
        ("a/{device}", "a/+", "a/" + "x" * 300, None),
    ],
)
def test_topic_patterns(pattern, subscribed, topic, found):
    parsed = Pattern.parse(pattern)
    assert parsed.filter == subscribed
    assert parsed.match(topic) == found
