"""What documents say of themselves, and what they are given where they say nothing."""

import subprocess
import sys

from fenghuo.rules.runtime.succession import goes_on
from fenghuo.rules.sigma import is_sigma, load_sigma

RULE = """
title: Tunnel of DNS
description: Long names
references: [https://example.org]
author: A. Nyone
date: 2025-01-02
modified: 2025/01/03
status: experimental
license: CC0-1.0
level: high
tags: [attack.command-and-control, attack.t1071.004, detection.emerging-threats]
falsepositives: [Scanners]
fields: [query, src_ip]
logsource: {category: dns}
detection: {s: {query: x}, condition: s}
"""


def test_the_frame_is_passed_through(documents):
    rule = load_sigma(documents(RULE)).rules[0]
    section = rule.section
    assert (rule.kind, rule.title, rule.name) == ("match", "Tunnel of DNS", "tunnel-of-dns")
    assert (section.level, section.status, section.author) == ("high", "experimental", "A. Nyone")
    assert section.tags == ["attack.command-and-control", "attack.t1071.004", "detection.emerging-threats"]
    assert section.falsepositives == ["Scanners"]
    assert section.references == ["https://example.org"]
    assert rule.levels == (("high", None),)
    assert rule.wanted[:2] == ("dns.question.name", "source.ip")
    assert rule.without_tests().section.title == rule.title


def test_an_alert_shows_what_the_author_wants_to_be_seen(replay):
    event = {"event": {"dataset": "dns"}, "dns": {"question": {"name": "x"}}, "source": {"ip": "10.0.0.1"}}
    told = replay([(0, event), (1, event)], RULE)
    assert [(one.state, one.level, one.events) for one in told] == [
        ("firing", "high", ["e0"]),
        ("firing", "high", ["e1"]),
    ]
    assert told[0].alert.evidence["values"] == {"dns.question.name": "x", "source.ip": "10.0.0.1"}
    assert told[0].alert.tags == ("attack.command-and-control", "attack.t1071.004", "detection.emerging-threats")


def test_a_rule_with_another_detection_does_not_go_on_from_the_old_one(documents):
    text = """
title: Any
name: any
logsource: {category: dns}
detection: {s: {query: x}, condition: s}
---
title: Many
correlation: {type: event_count, rules: [any], timespan: 1h, condition: {gte: 5}}
"""
    before, again = load_sigma(documents(text)).rules, load_sigma(documents(text)).rules
    assert [goes_on(old, new) for old, new in zip(before, again, strict=True)] == [True, True]
    other = load_sigma(documents(text.replace("query: x", "query: y"))).rules
    assert not goes_on(before[1], other[1])
    tuned = load_sigma(documents(text.replace("gte: 5", "gte: 6"))).rules
    assert goes_on(before[1], tuned[1])


def test_a_rule_without_level_and_status_is_medium(read):
    frame = read("title: t\nlogsource: {category: dns}\ndetection: {s: {query: x}, condition: s}").rules[0].frame
    assert (frame.level, frame.name) == ("medium", "t")


def test_an_id_is_made_of_the_name_or_title_and_stays_the_same(read):
    text = "title: One thing\nlogsource: {category: dns}\ndetection: {s: {query: x}, condition: s}"
    first = read(text).rules[0].frame.id
    assert first == read(text + "\nlevel: high").rules[0].frame.id
    assert first != read(text.replace("One", "Another")).rules[0].frame.id
    assert len({rule.frame.id for rule in read(text, text.replace("x}", "y}"), text).rules}) == 3


def test_names_are_told_apart(read):
    text = "title: One thing\nlogsource: {category: dns}\ndetection: {s: {query: x}, condition: s}"
    names = [rule.frame.name for rule in read(text, text, known=["network.one"]).rules]
    assert len(set(names)) == 2
    taken = read("name: network.one\n" + text, known=["network.one"]).rules[0].frame.name
    assert taken.startswith("network.one-")


def test_a_title_of_any_length_and_language_becomes_a_name(read):
    text = "title: '{}'\nlogsource: {{category: dns}}\ndetection: {{s: {{query: x}}, condition: s}}"
    assert read(text.format("暴力破解")).rules[0].frame.name == "sigma"
    assert len(read(text.format("x" * 256)).rules[0].frame.title) == 200
    assert "256 characters" in read(text.format("x" * 257)).problems[0].message


def test_documents_without_kind_are_sigma_s():
    assert is_sigma({"title": "t", "detection": {}})
    assert is_sigma({"correlation": {}})
    assert not is_sigma({"kind": "match", "detection": {}})
    assert not is_sigma({"title": "t"})


def test_a_collection_of_the_old_kind_is_told_as_inapplicable(read):
    result = read("action: global\ntitle: t\nlogsource: {product: linux}\n---\ndetection: {s: [a], condition: s}")
    assert not result.problems
    assert [one.reason[:31] for one in result.inapplicable] == ["it is part of a collection (`ac"] * 2


def test_an_unsupported_rule_with_a_mistake_is_told_as_inapplicable(read):
    text = "title: t\nstatus: {}\nlogsource: {{product: linux}}\ndetection: {{s: [a], condition: s near t}}"
    result = read(text.format("unsupported"))
    assert not result.problems
    assert result.inapplicable[0].reason.startswith("its status is unsupported: detection.condition: not a condition")
    assert read(text.format("test")).problems


def test_importing_the_rules_loads_neither_pysigma_nor_re2():
    code = "import sys, fenghuo.rules, fenghuo.rules.files.load, fenghuo.rules.sigma; print([name for name in sys.modules if name.split('.')[0] in ('sigma', 're2', 'pyparsing', 'requests')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_log_source_alone_needs_no_pysigma():
    code = "import sys; from fenghuo.rules.sigma import detection_of; detection_of({'category': 'dns'}, None); print('sigma' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
