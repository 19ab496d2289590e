"""The kind `anomaly`: its keys, and its cell."""

from __future__ import annotations

import random

import msgspec
import pytest

from fenghuo.errors import Located
from fenghuo.rules import load_rules
from fenghuo.rules.anomaly import SENSITIVITIES
from fenghuo.rules.runtime.observe import Seen

RULE = """
title: Unusual load
id: 00000000-0000-4000-8000-00000000ac01
name: test.unusual-load
kind: anomaly
data: rate(load)
"""


def load(tmp_path, more=""):
    (tmp_path / "rule.yaml").write_text(RULE + more)
    return load_rules([tmp_path / "rule.yaml"]).rules[0].observer


def feed(cell, values, start=0):
    return [cell.see(Seen((start + i + 1) * 60_000, "", value, lambda _: None), 0) for i, value in enumerate(values)]


def noise(count=500):
    rng = random.Random(1)
    return [rng.gauss(50, 2) for _ in range(count)]


def test_its_keys_reach_the_detector(tmp_path):
    keys = "sensitivity: 0.2\ndirection: up\nseason: day\nlearn: 2h\nmin_change: {absolute: 5, relative: 0.1}\n"
    options = load(tmp_path, keys).start().detector.options
    assert options.sensitivity == 0.2
    assert (options.direction, options.season, options.learn) == ("up", "day", 7_200_000)
    assert (options.min_absolute, options.min_relative) == (5.0, 0.1)


@pytest.mark.parametrize("name", SENSITIVITIES)
def test_sensitivity_has_names(tmp_path, name):
    assert load(tmp_path, f"sensitivity: {name}").start().detector.options.sensitivity == SENSITIVITIES[name]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("condition: scor > 0.5", "unknown name 'scor'"),
        ("clear: load < 3", "unknown name 'load'"),
        ("sensitivity: 0", "sensitivity"),
        ("sensitivity: huge", "sensitivity"),
        ("direction: left", "direction"),
        ("min_change: {absolute: -1}", "absolute"),
        ("dataset: x", "not both"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path, more, message):
    with pytest.raises(Located, match=message) as found:
        load(tmp_path, more)
    assert "rule.yaml:7" in str(found.value)


def test_it_needs_data(tmp_path):
    (tmp_path / "rule.yaml").write_text(RULE.replace("data: rate(load)\n", ""))
    with pytest.raises(Located, match="data"):
        load_rules([tmp_path / "rule.yaml"])


def test_a_measure_says_what_templates_need(tmp_path):
    cell = load(tmp_path).start()
    measures = feed(cell, [*noise(), 130.0])
    assert [measure.on for measure in measures[:-1]] == [False] * 500
    last = measures[-1]
    assert last.on
    assert last.value == 130.0
    assert last.since == 501 * 60_000
    assert last.values["low"] < last.values["expected"] < last.values["high"] < 130.0
    assert last.values["score"] > 0.5
    assert last.values["probability"] < 1e-5
    assert "is usual" in last.values["reason"]
    assert "通常" in last.values["reason_zh"]


@pytest.mark.parametrize("more", ["", "counter: true"])
def test_a_cell_goes_on_from_what_was_saved(tmp_path, more):
    observer = load(tmp_path, more)
    values = [i * 3000 + value for i, value in enumerate(noise())] if more else noise()
    one, other = observer.start(), observer.start()
    feed(one, values)
    feed(other, values)
    other = observer.load(msgspec.msgpack.decode(msgspec.msgpack.encode(other.save())))
    later = [2_000_000.0, 2_000_100.0, 2_002_000.0]
    assert feed(one, later, 500) == feed(other, later, 500)
    assert one.save() == other.save()


@pytest.mark.parametrize("saved", [None, [], [1, 2, 3], ["x", None, None]])
def test_a_saved_state_of_another_kind_is_refused(tmp_path, saved):
    with pytest.raises((ValueError, TypeError, KeyError)):
        load(tmp_path).load(saved)


def test_a_reading_not_newer_than_the_last_says_nothing(tmp_path):
    cell = load(tmp_path).start()
    feed(cell, noise(30))
    assert feed(cell, [1e9]) == [None]
