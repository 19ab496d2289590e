"""`fenghuo rules explain`: rules in plain words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fenghuo.errors import Permanent
from fenghuo.packs import packs_path
from fenghuo.rules import load_rules
from fenghuo.rules.kinds import KINDS
from fenghuo.rules.language.expression import parse_condition
from fenghuo.rules.tools.catalog import CLAUSES, DATASETS, INPUTS, TECHNIQUES, clause_of, technique_of
from fenghuo.rules.tools.catalog import KINDS as NAMED_KINDS
from fenghuo.rules.tools.cli import app
from fenghuo.rules.tools.costs import read_cost
from fenghuo.rules.tools.explain import HEADINGS, explain
from fenghuo.rules.tools.wording import in_words

ROOT = Path(__file__).parents[3]
PACK = load_rules([packs_path()]).rules
EVENTS = """\
title: Many refused
title_zh: 大量被拒
id: 11111111-0000-4000-8000-0000000000ee
name: a.refused
kind: match
dataset: firewall
where: {event.action: denied, source.ip|cidr: 10.0.0.0/8}
exceptions: [{source.ip: 10.0.0.9}]
group_by: [source.ip]
lasts: 2m
runs: collector
enabled: false
tags: [attack.t1046, mlps.8.1.3.2, attack.t9999]
description: Who was refused.
description_zh: 谁被拒绝。
falsepositives: [A scanner of ours.]
falsepositives_zh: [自有扫描器。]
"""


@pytest.fixture
def call(tmp_path):
    def run(*arguments):
        (tmp_path / "rule.yaml").write_text(EVENTS)
        found = CliRunner().invoke(app, ["explain", *arguments, "--rules", str(tmp_path / "rule.yaml")])
        return found.exit_code, found.stdout, found.exception

    return run


def test_what_keeps_a_rule_from_being_loaded_is_said(tmp_path):
    (tmp_path / "rule.yaml").write_text(EVENTS.replace("kind:", "knd:", 1))
    found = CliRunner().invoke(app, ["explain", "a.refused", "--rules", str(tmp_path / "rule.yaml")])
    assert found.exit_code == 1
    assert "rule.yaml:" in found.stderr
    assert "'kind'" in found.stderr


@pytest.mark.parametrize("rule", PACK, ids=lambda rule: rule.name)
def test_every_shipped_rule_is_told_in_both_languages_alike(rule):
    english, chinese = explain(rule, "en"), explain(rule, "zh")
    assert list(english) == list(chinese)
    assert {"watches", "data", "groups", "fires", "clears", "level", "runs", "mlps", "runbook", "cost"} <= set(english)
    told = "".join(text for key, text in english.items() if key not in ("keys", "which", "exceptions"))
    assert not re.search("[\u4e00-\u9fff]", told)
    own = {"about", "false_alarms", "references"}
    assert all(
        re.search("[\u4e00-\u9fff]", text)
        for key, text in chinese.items()
        if key in ("watches", "fires", "cost") and key not in own
    )


@pytest.mark.parametrize("rule", PACK, ids=lambda rule: rule.name)
def test_every_clause_and_technique_of_the_packs_has_a_name(rule):
    for tag in rule.section.tags:
        if clause_of(tag):
            assert clause_of(tag) in CLAUSES
        if technique_of(tag):
            assert technique_of(tag) in TECHNIQUES


def test_every_kind_has_words():
    assert set(KINDS) <= set(NAMED_KINDS)


def test_the_datasets_are_those_of_the_reference_and_the_inputs_those_of_the_agent():
    page = (ROOT / "docs/reference/events.md").read_text().partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z.]+)` \|", page, re.MULTILINE)) == set(DATASETS)
    folders = {path.parent.name.strip("_") for path in (ROOT / "agent/fenghuo_agent/inputs").glob("*/__init__.py")}
    assert folders == INPUTS - {"rules"}


def test_a_rule_over_events_says_all_that_it_says(call):
    code, out, _ = call("a.refused", "--lang", "en")
    assert code == 0
    for line in (
        "events of the dataset `firewall`; from the input syslog, which this version's agent has not",
        "event.action is denied and source.ip lies in 10.0.0.0/8 and not (source.ip is 10.0.0.9)",
        "2m after the last time",
        "at the collector, over all agents",
        "opt-in: only where an overlay says `enabled: true`",
        "T1046 Network Service Discovery",
        "T9999",
        "8.1.3.2 access control at the boundary",
    ):
        assert line in out


def test_a_spike_says_that_value_is_what_the_window_has_and_factor_the_comparison(tmp_path):
    text = """\
title: Surge
id: 11111111-0000-4000-8000-0000000000ef
name: a.surge
kind: spike
dataset: dns
group_by: [source.ip]
window: 5m
condition: factor > 3 and value > 100
throttle: {every: 10m, up_to: 4h}
culprit: {ip: source.ip, mac: source.mac}
"""
    (tmp_path / "surge.yaml").write_text(text)
    (rule,) = load_rules([tmp_path]).rules
    english, chinese = explain(rule, "en"), explain(rule, "zh")
    assert "the factor to the other window is above 3 and what the window has is above 100" in english["fires"]
    assert "与对比窗口之比 大于 3 且 窗口内的数值 大于 100" in chinese["fires"]
    assert english["spacing"] == "an entity at most once in 10m, the time doubling up to 4h (`throttle`)"
    assert chinese["spacing"] == "同一对象每 10m 最多告警一次，间隔逐次加倍，最长 4h（`throttle`）"
    assert "由输入 capture、eve 提供" in chinese["data"]
    assert chinese["parties"] == "源头：ip `source.ip`、mac `source.mac`"


def test_without_a_language_both_are_told_and_a_wrong_one_is_wrong_use(call):
    _, out, _ = call("a.refused")
    assert "Many refused · a.refused" in out
    assert "大量被拒 · a.refused" in out
    assert "谁被拒绝。" in out
    assert "自有扫描器。" in out
    assert call("a.refused", "--lang", "fr")[0] == 2


def test_a_rule_is_found_by_its_id_and_a_near_name_is_suggested(call):
    assert call("11111111-0000-4000-8000-0000000000ee")[0] == 0
    with pytest.raises(Permanent, match=r"did you mean 'a\.refused'"):
        raise call("a.refuse")[2]


def test_as_json_it_is_one_document(call):
    document = json.loads(call("a.refused", "--json")[1])
    assert (document["id"], document["kind"], document["runs"]) == (
        "11111111-0000-4000-8000-0000000000ee",
        "match",
        "collector",
    )
    assert set(document["en"]) == set(document["zh"]) <= set(HEADINGS)
    assert document["cost"] is None


METRICS = """\
# TYPE fenghuo_rule_evaluations counter
fenghuo_rule_evaluations_total{rule="a.refused",agent="gw1"} 40
fenghuo_rule_evaluations_total{rule="a.refused",agent="gw2"} 2
fenghuo_rule_evaluations_total{rule="other"} 5
fenghuo_rule_groups{rule="a.refused"} 7
fenghuo_rule_cpu_seconds_total{rule="a.refused"} 0.25
some_other{rule="a.refused"} 9
"""


def test_the_cost_is_the_sum_over_all_agents(call, tmp_path):
    (tmp_path / "metrics").write_text(METRICS)
    out = call("a.refused", "--metrics", str(tmp_path / "metrics"), "--lang", "en")[1]
    assert "42 evaluations, 0 matches, 0 alert steps, 7 groups now, 0 evicted, 0 late, 0.25 s of CPU" in out
    document = json.loads(call("a.refused", "--metrics", str(tmp_path / "metrics"), "--json")[1])
    assert document["cost"] == {"source": str(tmp_path / "metrics"), "evaluations": 42, "groups": 7, "cpu": 0.25}


def test_metrics_that_do_not_know_the_rule_say_so(tmp_path, call):
    (tmp_path / "metrics").write_text("x 1\n")
    assert "does not know this rule" in call("a.refused", "--metrics", str(tmp_path / "metrics"))[1]


@pytest.mark.parametrize("content", [None, "fenghuo_rule_groups{rule= 1\n"])
def test_metrics_that_cannot_be_read_are_an_error_for_people(tmp_path, content):
    if content:
        (tmp_path / "metrics").write_text(content)
    with pytest.raises(Permanent):
        read_cost(str(tmp_path / "metrics"), PACK[0])


@pytest.mark.parametrize(
    ("text", "english", "chinese"),
    [
        ("value > 32", "the load is above 32", "负载 大于 32"),
        ("not (a == 1 or b < 2.5)", "not (`a` is 1 or `b` is below 2.5)", "并非（`a` 等于 1 或 `b` 小于 2.5）"),
        (
            "a in (2, 1) and (b > 1 or c > 1)",
            "`a` is 1 or 2 and (`b` is above 1 or `c` is above 1)",
            "`a` 为 1 或 2 且 （`b` 大于 1 或 `c` 大于 1）",
        ),
        (
            "rate(a) / (b + 1) >= 3",
            "the growth of `a` per second / (`b` + 1) is at least 3",
            "`a` 每秒的增长 / （`b` + 1） 不小于 3",
        ),
        ("abs(a) != 1", "the size of `a` is not 1", "`a` 的绝对值 不等于 1"),
    ],
)
def test_conditions_are_said_in_words(text, english, chinese):
    names = {"value": ("the load", "负载")}
    assert in_words(parse_condition(text), "en", names) == english
    assert in_words(parse_condition(text), "zh", names) == chinese
