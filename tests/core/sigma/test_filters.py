"""Filter documents of Sigma 2.1."""

import pytest

from fenghuo.rules.detection import View, compile_detection

RULES = """
title: Queries for tunnels
id: 6f3e2987-db24-4c78-a860-b4f4095a7095
name: tunnels
logsource: {category: dns}
detection:
  selection: {query|endswith: .tunnel.example}
  condition: selection
---
title: Long queries of zeek
name: long
logsource: {product: zeek, service: dns}
detection:
  selection: {query|re: '.{20,}'}
  condition: selection
"""

FILTER = """
title: Not our own scanner
logsource: {category: dns}
filter:
  rules: [RULES]
  selection: {src_ip: 10.0.0.5}
  condition: not selection
"""


def query(name, ip):
    return {"event": {"dataset": "zeek.dns"}, "dns": {"question": {"name": name}}, "source": {"ip": ip}}


def hits(result, event):
    return {rule.frame.title for rule in result.rules if compile_detection(rule.node)(View(event))}


@pytest.mark.parametrize("rules", ["tunnels", "6f3e2987-db24-4c78-a860-b4f4095a7095", "TUNNELS"])
def test_a_filter_is_a_further_condition_of_the_rules_that_it_names(read, rules):
    result = read(RULES, FILTER.replace("RULES", rules))
    assert not result.problems
    assert not result.inapplicable
    assert hits(result, query("a.tunnel.example", "10.0.0.6")) == {"Queries for tunnels"}
    assert hits(result, query("a.tunnel.example", "10.0.0.5")) == set()
    assert hits(result, query("a" * 30, "10.0.0.5")) == {"Long queries of zeek"}


@pytest.mark.parametrize("rules", ["any", "[]", "[any]", "Any"])
def test_any_means_all_rules_of_its_logsource(read, rules):
    result = read(FILTER.replace("[RULES]", rules), RULES)
    assert hits(result, query("a.tunnel.example" + "b" * 20, "10.0.0.5")) == {"Long queries of zeek"}
    zeek = FILTER.replace("[RULES]", rules).replace("{category: dns}", "{product: zeek}")
    result = read(RULES, zeek)
    event = query("a" * 30 + ".tunnel.example", "10.0.0.5")
    assert hits(result, event) == {"Queries for tunnels"}


def test_several_filters_all_apply(read):
    second = FILTER.replace("10.0.0.5", "10.0.0.7").replace("Not our own", "Nor that")
    result = read(RULES, FILTER.replace("RULES", "tunnels"), second.replace("RULES", "tunnels"))
    assert [hits(result, query("a.tunnel.example", f"10.0.0.{last}")) for last in (5, 6, 7)] == [
        set(),
        {"Queries for tunnels"},
        set(),
    ]


def test_a_filter_may_have_several_selections_and_patterns(read):
    text = FILTER.replace(
        "  selection: {src_ip: 10.0.0.5}\n  condition: not selection",
        """\
  selection_a: {src_ip: 10.0.0.5}
  selection_b: {query: ok.tunnel.example}
  condition: not 1 of selection_*""",
    ).replace("RULES", "tunnels")
    result = read(RULES, text)
    assert hits(result, query("ok.tunnel.example", "10.0.0.6")) == set()
    assert hits(result, query("a.tunnel.example", "10.0.0.6")) == {"Queries for tunnels"}


def test_a_filter_reaches_the_rules_below_a_correlation(replay):
    correlation = """
title: Many
correlation: {type: event_count, rules: [tunnels], group-by: [src_ip], timespan: 1m, condition: {gte: 2}}
"""
    texts = (RULES, FILTER.replace("RULES", "tunnels"), correlation)
    assert not replay([(0, query("a.tunnel.example", "10.0.0.5")), (1, query("b.tunnel.example", "10.0.0.5"))], *texts)
    assert replay([(0, query("a.tunnel.example", "10.0.0.6")), (1, query("b.tunnel.example", "10.0.0.6"))], *texts)


def test_a_filter_of_an_unknown_rule_is_a_located_problem(read):
    result = read(RULES, FILTER.replace("RULES", "tunels"))
    problem = result.problems[0]
    assert (problem.place.file, problem.place.column) == ("file1.yml", 3)
    assert "no rule has the id or name 'tunels'" in problem.message
    assert problem.hint == "did you mean 'tunnels'?"


def test_a_filter_whose_logsource_is_another_is_inapplicable(read):
    result = read(RULES, FILTER.replace("RULES", "tunnels").replace("category: dns", "category: proxy"))
    assert [one.reason for one in result.inapplicable] == ["its logsource is not that of the rules that it names"]
    assert hits(result, query("a.tunnel.example", "10.0.0.5")) == {"Queries for tunnels"}


def test_a_filter_of_rules_that_cannot_apply_is_inapplicable(read):
    result = read("""
title: whoami
name: whoami
logsource: {category: process_creation, product: windows}
detection: {s: {Image: x}, condition: s}
---
title: but not admins
logsource: {category: process_creation, product: windows}
filter: {rules: [whoami], selection: {User|startswith: adm_}, condition: not selection}
""")
    assert {one.title: one.reason for one in result.inapplicable} == {
        "whoami": "no input of Fenghuo produces windows/process_creation events: none reads the logs of Windows hosts",
        "but not admins": "the rules that it names cannot apply themselves",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  rules: [RULES]\n", "", "it needs `rules`"),
        ("[RULES]", "[5]", "expected the id or the name"),
        ("condition: not selection", "condition: not selektion", "no selection is named 'selektion'"),
        ("src_ip: 10", "src_ip|foo: 10", "unknown modifier"),
        ("logsource: {category: dns}\n", "", "a logsource is missing"),
        ("logsource: {category: dns}", "logsource: {}", "logsource"),
    ],
)
def test_a_mistake_in_a_filter_is_told_where_it_stands(read, old, new, message):
    result = read(RULES, FILTER.replace(old, new).replace("RULES", "tunnels"))
    assert [problem.place.file for problem in result.problems] == ["file1.yml"]
    assert message in result.problems[0].message
