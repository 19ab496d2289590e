"""What a process passes over when it reads rules, and that it says so."""

import subprocess
import sys

import pytest

from fenghuo.rules.files.needed import Needed
from fenghuo.rules.files.reload import RuleFiles

RULE = """
title: T
id: 00000000-0000-4000-8000-0000000000{number:02}
name: test.rule-{number}
{more}
"""
READINGS = "kind: threshold\ndata: x\ncondition: value > 1"
EVENTS = "kind: match\ndataset: dns\nwhere: {source.ip: 10.0.0.1}"


@pytest.fixture
def write(tmp_path):
    def write(*rules, overlay=""):
        texts = [RULE.format(number=number, more=more) for number, more in enumerate(rules)]
        (tmp_path / "rules.yaml").write_text("---".join([*texts, overlay] if overlay else texts))
        return lambda datasets, side="agent": RuleFiles([tmp_path], side=side, datasets=datasets).load()

    return write


def names(rules):
    return [rule.name for rule in rules.rules]


def test_rules_over_events_that_cannot_come_are_named_and_not_loaded(write):
    rules = write(READINGS, EVENTS)(frozenset())
    assert names(rules) == ["test.rule-0"]
    assert [(each.title, each.reason) for each in rules.asleep] == [("T", "no input here produces dns events")]


def test_an_input_that_brings_the_events_wakes_them(write):
    assert names(write(READINGS, EVENTS)(frozenset({"dns"}))) == ["test.rule-0", "test.rule-1"]
    assert names(write(READINGS, EVENTS)(None)) == ["test.rule-0", "test.rule-1"]


def test_rules_of_the_other_side_and_opt_in_rules_are_passed_over(write):
    load = write(READINGS, f"{READINGS}\nruns: collector", f"{READINGS}\nenabled: false")
    assert names(load(frozenset())) == ["test.rule-0"]
    assert names(load(None, "collector")) == ["test.rule-1"]
    assert {each.reason for each in load(frozenset()).asleep} == {"they are for the collector", "they are disabled"}


def test_an_overlay_wakes_an_opt_in_rule(write):
    load = write(f"{READINGS}\nenabled: false", overlay="\noverlay: test.rule-0\nenabled: true\n")
    assert names(load(frozenset())) == ["test.rule-0"]


def test_an_overlay_of_a_rule_that_stays_asleep_is_no_error(write):
    load = write(EVENTS, READINGS, overlay="\noverlay: test.rule-0\nexceptions: [{source.ip: 10.0.0.2}]\n")
    assert "test.rule-1" in names(load(frozenset()))


def test_a_rule_that_waits_for_one_that_is_asleep_is_no_error(write):
    load = write(f"{READINGS}\nruns: collector", f"{READINGS}\nsuppress_if: {{rules: test.rule-0}}")
    assert names(load(frozenset())) == ["test.rule-1"]


def test_a_rule_that_is_needed_and_wrong_is_refused_as_ever(write):
    with pytest.raises(Exception, match="condition"):
        write("kind: threshold\ndata: x\ncondition: value >")(frozenset())


def test_what_may_hold_any_events_is_needed_where_events_come():
    needed = Needed("agent", frozenset({"dns"}))
    assert needed.reason_against({"kind": "match", "where": {"a": "b"}}) == ""
    assert needed.reason_against({"kind": "composite"}) == ""
    assert Needed("agent", frozenset()).reason_against({"detection": {}}) == "no input here produces events"


def test_the_shipped_packs_cost_an_agent_without_events_no_heavy_library():
    code = (
        "import sys; from fenghuo.packs import packs_path; from fenghuo.rules.files.reload import RuleFiles;"
        "rules = RuleFiles([packs_path()], side='agent', datasets=frozenset()).load(); assert len(rules.rules) > 10;"
        "heavy = {'re2', 'sigma', 'ijson', 'stix2patterns', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
