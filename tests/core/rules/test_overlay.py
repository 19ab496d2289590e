from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from fenghuo.clock import VirtualClock
from fenghuo.model import Event
from fenghuo.packs import packs_path
from fenghuo.rules import Engine, RuleSet, load_rules, read_rules
from fenghuo.rules.files.overlay import ADJUSTABLE, IDENTITY
from fenghuo.rules.tools.cli import app
from fenghuo.rules.tools.coverage import shapes
from fenghuo.rules.tools.testing import run_tests

BASE = """\
title: Server room too hot
id: 11111111-0000-4000-8000-000000000001
name: environment.server-room-hot
kind: threshold
data: sensor_temperature_celsius
where: {location: server-room, job: mqtt_sensor}
condition: value > 32
for: 5m
clear: value < 30 for 10m
level: {high: value > 32, critical: value > 38}
exceptions: [{device: oven}]
message: "{device} at {value:.1f} °C for {for}"
tests:
  - title: hot
    input: [{every: 1m, until: 10m, device: t1, location: server-room, job: mqtt_sensor, sensor_temperature_celsius: 35}]
    expect: [{at: 5m}]
"""
OTHER = BASE.replace("000001", "000002").replace("server-room-hot", "server-room-cold")


@pytest.fixture
def site(tmp_path):
    """Reads the shipped rules with a site's overlays."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "rule.yaml").write_text(BASE + "---\n" + OTHER)

    def read(*overlays):
        (tmp_path / "site" / "overlays").mkdir(parents=True, exist_ok=True)
        for number, overlay in enumerate(overlays):
            (tmp_path / "site" / "overlays" / f"{number}.yaml").write_text(overlay)
        return read_rules([tmp_path / "site"], base=[tmp_path / "base"])

    return read


def changed(site, text):
    found, problems = site("overlay: environment.server-room-hot\n" + text)
    assert not problems, problems
    (rule,) = found.rules
    return rule


def wrong(site, *overlays):
    found, problems = site(*overlays)
    assert problems
    assert not found.rules
    return [re.sub(r"\S*/(base|site/overlays)/", "", str(problem)) for problem in problems]


def test_a_threshold_is_overridden_and_all_else_stays(site):
    rule = changed(site, "condition: value > 35\nfor: 7m")
    assert rule.section.condition == "value > 35"
    assert rule.section.hold == 420
    assert rule.section.clear == "value < 30 for 10m"
    assert rule.place.file.endswith("base/rule.yaml")


def test_a_rule_is_named_by_its_id_too(site):
    found, problems = site("overlay: 11111111-0000-4000-8000-000000000002\nfor: 1m")
    assert not problems
    assert [rule.name for rule in found.rules] == ["environment.server-room-cold"]


def test_mappings_are_merged_key_by_key(site):
    rule = changed(site, "level: {critical: value > 45}\nwhere: {location: [server-room, core]}\nlabels: {floor: '3'}")
    assert rule.section.level == {"high": "value > 32", "critical": "value > 45"}
    assert rule.section.where == {"location": ["server-room", "core"], "job": ["mqtt_sensor"]}
    assert rule.section.labels == {"floor": "3"}


def test_null_takes_a_key_away(site):
    rule = changed(site, "clear: null\nlevel: {high: ~}")
    assert rule.section.clear is None
    assert rule.section.level == {"critical": "value > 38"}


def test_exceptions_are_added(site):
    rule = changed(site, "exceptions: [{device: sauna}, {location: attic}]")
    assert rule.section.exceptions == [{"device": ["oven"]}, {"device": ["sauna"]}, {"location": ["attic"]}]


def test_an_opt_in_rule_is_enabled_and_a_rule_disabled(site):
    assert not changed(site, "enabled: false").section.enabled
    found, _ = site("overlay: environment.server-room-hot\nenabled: false")
    assert found.rules
    assert not found.running_at("agent").rules


def test_what_is_changed_is_told_in_words(site):
    found, _ = site(
        "overlay: environment.server-room-hot\nreason: a warm climate\ncondition: value > 35\nlevel: {critical: ~}\n"
        "exceptions: [{device: sauna}]\ntests: []"
    )
    (overlay,) = found.overlays
    assert overlay.rule == "environment.server-room-hot"
    assert overlay.reason == "a warm climate"
    assert overlay.changes == (
        "condition: value > 35, was value > 32",
        "level.critical: taken away, was value > 38",
        "exceptions: 1 more",
        "tests: 0 of its own",
    )
    assert overlay.place.line == 1


def test_the_base_keeps_its_tests_and_the_changed_rule_has_those_of_the_overlay(site):
    test = "tests:\n  - title: own\n    input: [{at: 0m, device: a, sensor_temperature_celsius: 1}]\n    expect: []\n"
    found, _ = site("overlay: environment.server-room-hot\ncondition: value > 35\n" + test)
    assert [case.title for case in found.rules[0].tests] == ["own"]
    assert [case.title for case in found.overlays[0].base.tests] == ["hot"]
    found, _ = site("overlay: environment.server-room-hot\ncondition: value > 35\n")
    assert not found.rules[0].tests


def test_shipped_tests_run_against_the_base_and_an_overlays_against_what_came_of_it(site):
    test = "tests:\n  - title: {}\n    input: [{{at: 0m, device: a, location: server-room, job: mqtt_sensor, sensor_temperature_celsius: {}}}]\n"
    overlay = "overlay: environment.server-room-hot\ncondition: value > 36\nfor: 0s\n" + test
    found, problems = site(overlay.format("35 is no longer hot", 35) + "    expect: []\n")
    assert not problems
    outcomes = run_tests(found)
    assert [(outcome.case.title, outcome.passed) for outcome in outcomes] == [
        ("35 is no longer hot", True),
        ("hot", True),
    ]
    found, _ = site(overlay.format("37 is", 37) + "    expect: []\n")
    assert [outcome.passed for outcome in run_tests(found)] == [False, True]


def test_an_overlay_owes_no_tests_and_the_shipped_ones_are_run_with_it(site):
    test = "tests:\n  - title: own\n    input: [{at: 0m, device: a, sensor_temperature_celsius: 1}]\n    expect: []\n"
    found, _ = site("overlay: environment.server-room-hot\ncondition: value > 35\n" + test)
    assert [outcome.case.title for outcome in run_tests(found, found.rules)] == ["own", "hot"]
    assert not list(shapes(found, found.rules))


def test_a_list_beside_the_overlay_stands_in_for_the_shipped_one(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "threats.txt").write_text("bad.school.example\n")
    (tmp_path / "lists" / "not-for-pupils.txt").write_text("play.school.example\n")
    (tmp_path / "site.yaml").write_text(
        "overlay: hygiene.indicator\nenabled: true\n---\noverlay: policy.green-dns\nenabled: true\n"
    )
    found, problems = read_rules([tmp_path], base=[packs_path()])
    assert not problems
    engine = Engine(found, clock=VirtualClock(0))
    names = ("bad.school.example", "play.school.example", "malware.example", "games.example")
    told = []
    for number, name in enumerate(names):
        asked = {"event": {"dataset": "dns"}, "source": {"ip": f"10.0.0.{number}"}, "dns": {"question": {"name": name}}}
        told += [(alert.rule_name, alert.labels["source_ip"]) for alert in engine.event(Event(name, 1000, asked))]
    assert told == [("hygiene.indicator", "10.0.0.0"), ("policy.green-dns", "10.0.0.1")]


def test_two_overlays_may_change_different_keys_of_a_rule(site):
    found, problems = site(
        "overlay: environment.server-room-hot\nlevel: {high: value > 33}\nexceptions: [{device: a}]",
        "overlay: environment.server-room-hot\nlevel: {critical: value > 44}\nexceptions: [{device: b}]",
    )
    assert not problems
    assert found.rules[0].section.level == {"high": "value > 33", "critical": "value > 44"}
    assert [each["device"] for each in found.rules[0].section.exceptions] == [["oven"], ["a"], ["b"]]
    assert len(found.overlays) == 2


@pytest.mark.parametrize(
    ("overlay", "problem"),
    [
        ("{name}\nconditoin: value > 3", r"0.yaml:2:1: unknown key 'conditoin' \(did you mean 'condition'\?"),
        ("{name}\ncondition: value >", r"0.yaml:2:19: condition: .*ends here"),
        ("{name}\n\nlevel:\n  high: valu", r"0.yaml:4:9: level.high: a condition is wanted here"),
        ("{name}\nlevel:\n  huge: value > 3", r"0.yaml:3:9: level.huge: expected 'informational'"),
        ("{name}\nfor: x", r"0.yaml:2:6: for: expected a duration"),
        ("{name}\ncondition: null", r"0.yaml:1:1: with this overlay the rule is wrong: 'condition' is missing \(at rule.yaml:1:1"),
        ("{name}\nid: 11111111-0000-4000-8000-000000000009", r"0.yaml:2:1: an overlay cannot change 'id' \(it says how"),
        ("{name}\nkind: rate", r"0.yaml:2:1: an overlay cannot change 'kind'"),
        ("{name}\ndata: x", r"0.yaml:2:1: an overlay cannot change 'data'"),
        ("{name}\ntitle: x", r"0.yaml:2:1: an overlay cannot change 'title'"),
        ("{name}", r"0.yaml:1:1: an overlay that changes nothing"),
        ("{name}\nreason: [x]", r"0.yaml:2:9: reason: expected text"),
        ("overlay: environment.server-room-hott\nfor: 1m", r"0.yaml:1:10: no rule is named 'environment.server-room-hott' \(did you mean 'environment.server-room-hot'"),
        ("overlay:\nfor: 1m", r"0.yaml:1:\d+: no rule is named ''"),
        ("overlay: [a]\nfor: 1m", r"0.yaml:1:10: no rule is named ''"),
        ("{name}\nexceptions: 3", r"0.yaml:2:13: exceptions: expected a list"),
        ("{name}\nexceptions: [3]", r"0.yaml:2:14: exceptions\[1\]: expected a mapping"),
        ("{name}\nmessage: '{device.__class__}'", r"0.yaml:2:10: message: \{device.__class__\} is no plain name"),
        ("{name}\ntests: [{title: a, input: [], expected: []}]", r"0.yaml:2:31: tests\[0\]: unknown key 'expected'"),
        ("{name}\nfor: 1m\nfor: 2m", r"0.yaml:3:1: 'for' stands twice"),
        ("{name}\nfor: 1m\n x", r"0.yaml:\d"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place_in_the_overlay(site, overlay, problem):
    problems = wrong(site, overlay.replace("{name}", "overlay: environment.server-room-hot", 1))
    assert any(re.match(problem, each) for each in problems), problems


def test_all_mistakes_of_all_overlays_come_at_once(site):
    problems = wrong(
        site,
        "overlay: environment.server-room-hot\nfor: x\ncondition: value >\n",
        "overlay: environment.server-room-cold\nid: x\n---\noverlay: nobody\nfor: 1m\n",
    )
    assert [each.split(": ")[0] for each in problems] == ["0.yaml:2:6", "0.yaml:3:19", "1.yaml:2:1", "1.yaml:4:10"]


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ("for: 1m", "for: 2m", "1.yaml:2:6"),
        ("for: 1m", "for: 1m", "1.yaml:2:6"),
        ("level: {high: value > 3}", "level: {high: value > 4}", "1.yaml:2:15"),
        ("level: high", "level: {high: value > 4}", "1.yaml:2:8"),
        ("level: {high: value > 4}", "level: null", "1.yaml:2:8"),
    ],
)
def test_two_overlays_that_change_the_same_key_are_both_named(site, one, other, place):
    name = "overlay: environment.server-room-hot\n"
    (problem,) = wrong(site, name + one, name + other)
    assert problem.startswith(f"{place}: two overlays change ")
    assert "0.yaml:2:" in problem


def test_an_overlay_of_a_rule_that_is_wrong_itself_says_nothing_more(tmp_path):
    (tmp_path / "rule.yaml").write_text(BASE.replace("value > 32", "value >", 1))
    (tmp_path / "site.yaml").write_text("overlay: environment.server-room-hot\nfor: 1m\n")
    _, problems = read_rules([tmp_path])
    assert [problem.place.line for problem in problems] == [7]


def test_an_overlay_may_stand_beside_the_rules(tmp_path):
    (tmp_path / "rule.yaml").write_text("overlay: environment.server-room-hot\nfor: 1m\n---\n" + BASE)
    (rule,) = load_rules([tmp_path]).rules
    assert rule.section.hold == 60


def test_a_circle_that_an_overlay_makes_is_refused(site):
    found, problems = site(
        "overlay: environment.server-room-hot\nsuppress_if: {rules: environment.server-room-cold}\n---\n"
        "overlay: environment.server-room-cold\nsuppress_if: {rules: environment.server-room-hot}\n"
    )
    assert not found.rules
    assert len(problems) == 2
    assert "a circle: environment.server-room-hot → environment.server-room-cold → " in problems[0].message
    assert [str(problem.place).partition("overlays/")[2] for problem in problems] == ["0.yaml:2:22", "0.yaml:5:22"]


def test_shipped_rules_that_nobody_changes_are_not_among_the_sites(site):
    found, problems = site(BASE.replace("000001", "000003").replace("server-room-hot", "attic-hot"))
    assert not problems
    assert [rule.name for rule in found.rules] == ["environment.attic-hot"]


def test_a_rule_of_the_site_cannot_take_the_name_of_a_shipped_one(site):
    (problem,) = wrong(site, BASE.replace("000001", "000003"))
    assert problem.startswith("0.yaml:3:7: name 'environment.server-room-hot' is taken (by the rule at rule.yaml:1:1)")


BOTH = """\
title: Both rooms
id: 11111111-0000-4000-8000-000000000005
name: both
kind: composite
of: [environment.server-room-hot, environment.server-room-cold]
"""


def test_a_rule_that_others_stand_on_is_not_disabled_without_them(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "rule.yaml").write_text(f"{BASE}---\n{OTHER}---\n{BOTH}")
    (tmp_path / "site.yaml").write_text("overlay: environment.server-room-cold\nenabled: false\n")
    for found, problems in (
        read_rules([tmp_path / "site.yaml"], base=[tmp_path / "base"]),
        read_rules([tmp_path / "base", tmp_path / "site.yaml"]),
    ):
        assert "both" not in {rule.name for rule in found.rules}
        (problem,) = problems
        assert str(problem) == (
            f"{tmp_path}/site.yaml:2:10: 'both' stands on 'environment.server-room-cold', which is disabled "
            "(enable that one, or disable this one as well)"
        )
    (tmp_path / "more.yaml").write_text("overlay: both\nenabled: false\n")
    assert not read_rules([tmp_path])[1]


def test_a_rule_runs_where_those_run_that_it_stands_on(tmp_path):
    (tmp_path / "rule.yaml").write_text(f"{BASE}---\n{OTHER}runs: collector\n---\n{BOTH}")
    (problem,) = read_rules([tmp_path])[1]
    assert re.search(r":40:35: 'both' stands on .*, which runs at the collector", str(problem))
    (tmp_path / "rule.yaml").write_text(f"{BASE}---\n{OTHER}runs: collector\n---\n{BOTH}runs: collector\n")
    assert not read_rules([tmp_path])[1]


SIGMA = """\
title: A name that resolves to a miner
id: 5f1d9c4e-0000-4000-8000-000000000001
name: dns_miner
logsource: {category: dns}
detection:
  selection: {query|endswith: .pool.example}
  condition: selection
level: high
"""


def dns(name, client="10.0.0.1"):
    return {
        "event": {"category": ["network"], "dataset": "dns"},
        "dns": {"question": {"name": name}},
        "client": {"ip": client},
        "source": {"ip": client},
        "network": {"protocol": "dns"},
    }


def told_of(rules, *documents):
    engine = Engine(RuleSet(tuple(rules)), clock=VirtualClock(), agent="bj/haidian/zgc-no1/gw1")
    events = (Event(str(number), VirtualClock().now() + number * 1000, each) for number, each in enumerate(documents))
    return [alert for event in events for alert in engine.event(event)]


def test_a_sigma_rule_is_changed_as_well(tmp_path):
    (tmp_path / "sigma.yml").write_text(SIGMA)
    documents = [dns("a.pool.example"), dns("a.pool.example", "10.0.0.9")]
    plain = load_rules([tmp_path]).rules
    assert [alert.level for alert in told_of(plain, *documents)][:1] == ["high"]
    (tmp_path / "site.yaml").write_text(
        "overlay: dns-miner\nlevel: low\nlabels: {floor: '3'}\nmessage: \"{dns.question.name}\"\n"
        "exceptions: [{source.ip: 10.0.0.9}]\n"
    )
    found = load_rules([tmp_path])
    (rule,) = found.rules
    assert (rule.id, rule.title, rule.section.level) == (plain[0].id, plain[0].title, "low")
    (alert,) = told_of(found.rules, *documents)
    assert (alert.level, alert.labels["floor"], alert.message) == ("low", "3", "a.pool.example")
    assert found.overlays[0].changes[0] == "level: low, was high"


def test_a_sigma_rule_is_disabled(tmp_path):
    (tmp_path / "sigma.yml").write_text(SIGMA + "---\noverlay: 5f1d9c4e-0000-4000-8000-000000000001\nenabled: false\n")
    found = load_rules([tmp_path])
    assert len(found.rules) == 1
    assert not found.running_at("agent").rules


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("where: {a: b}", r"2:1: an overlay of a Sigma rule cannot change 'where' \(allowed: .*enabled"),
        ("level: huge", r"2:8: level: "),
        ("message: '{a.__b}'", r"2:10: message: \{a.__b\} is no plain name"),
        ("exceptions: [{'source.ip|cidr': x}]", r"2:\d+: exceptions"),
    ],
)
def test_a_mistake_in_an_overlay_of_a_sigma_rule_is_told_at_its_place(tmp_path, text, wanted):
    (tmp_path / "sigma.yml").write_text(SIGMA)
    (tmp_path / "site.yaml").write_text(f"overlay: dns-miner\n{text}\n")
    _, problems = read_rules([tmp_path])
    assert any(re.match(rf".*/site.yaml:{wanted}", str(problem)) for problem in problems), problems


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["condition", "clear", "for", "level", "where", "exceptions", "labels", "message", "tests", "flap", "schedule"]
KEYS += ["limits", "suppress_if", "throttle", "runbook", "enabled", "reason", "overlay", "kind", "tags", "nonsense"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), JSONISH, max_size=3), st.booleans())
def test_any_overlay_is_taken_or_refused_at_a_place_of_its_own(site, changes, is_flow):
    overlay = {"overlay": "environment.server-room-hot", **changes}
    found, problems = site(yaml.safe_dump(overlay, default_flow_style=is_flow, allow_unicode=True))
    assert bool(found.overlays) != bool(problems)
    for problem in problems:
        assert problem.place.file.endswith("0.yaml")
        assert 1 <= problem.place.line < 100
        assert str(problem).isprintable()


DAMAGED = """\
overlay: environment.server-room-hot
reason: it is warm here
condition: value > 35
level: {high: value > 36, critical: null}
exceptions: [{device: "a*"}, {device: b}]
labels: {floor: "3"}
tests:
  - title: hot
    input: [{at: 0m, device: t1, sensor_temperature_celsius: 35}]
    expect: []
"""


def test_a_damaged_overlay_is_taken_or_refused(site):
    chance = random.Random(7)
    for _ in range(400):
        text = DAMAGED
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            piece = chance.choice([*" :{}[],'\"&*!|>-?#~\n", "null", "overlay", "- ", ": ", text[at : at + 9], ""])
            text = text[:at] + piece + text[at + chance.choice([0, 1, 5]) :]
        _, problems = site(text)
        assert all(problem.place.line <= text.count("\n") + 2 for problem in problems), problems


GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "rules-overlay.md").read_text()


def test_the_overlays_of_the_guide_are_right_and_their_tests_pass(tmp_path):
    (text,) = (part for part in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if part.startswith("overlay:"))
    (tmp_path / "site.yaml").write_text(text)
    found, problems = read_rules([tmp_path], base=[packs_path()])
    assert not problems
    assert [rule.section.enabled for rule in found.rules] == [True, False]
    outcomes = run_tests(found)
    assert "34 degrees are usual here" in {outcome.case.title for outcome in outcomes}
    assert all(outcome.passed for outcome in outcomes)


def test_the_guide_names_what_can_and_what_cannot_be_changed():
    cannot = GUIDE[GUIDE.index("cannot be changed:") : GUIDE.index("A Sigma rule")]
    for key in ("id", "name", "title", "kind", "data", "measurement", "dataset", "logsource", "detection", "group_by"):
        assert key in IDENTITY
        assert f"`{key}`" in cannot
    sigma = GUIDE[GUIDE.index("A Sigma rule") :]
    for key in set(ADJUSTABLE) - {"message_zh", "message_resolved", "message_resolved_zh", "repeat"}:
        assert f"`{key}`" in sigma


def test_check_lists_overlays_with_what_they_change(tmp_path):
    (tmp_path / "site.yaml").write_text(
        "overlay: environment.server-room-hot\nreason: warm here\ncondition: value > 36\n"
    )
    result = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (
        "site.yaml:1:1: changes environment.server-room-hot: condition: value > 36, was value > 32\n" in result.stdout
    )
    (overlay,) = json.loads(CliRunner().invoke(app, ["check", "--json", str(tmp_path)]).stdout)["overlays"]
    assert overlay["rule"] == "environment.server-room-hot"
    assert overlay["reason"] == "warm here"
    assert overlay["changes"] == ["condition: value > 36, was value > 32"]
