"""Correlations of Sigma 2.1 on a virtual clock."""

import pytest

RULES = """
title: Failed login
name: failed_login
logsource: {category: authentication}
detection:
  selection: {event.outcome: failure}
  condition: selection
---
title: Successful login
name: successful_login
logsource: {category: authentication}
detection:
  selection: {event.outcome: success}
  condition: selection
---
title: Web access
name: web_access
logsource: {category: proxy}
detection:
  selection: {cs-method: GET}
  condition: selection
"""


def correlation(body, title="Correlated", **frame):
    lines = [f"title: {title}", *(f"{key}: {value}" for key, value in frame.items()), "correlation:"]
    return "\n".join([*lines, *("  " + line for line in body.strip().splitlines()), ""])


def login(outcome, user="bob", ip="10.0.0.1", **more):
    return {
        "event": {"category": ["authentication"], "outcome": outcome},
        "user": {"name": user},
        "source": {"ip": ip},
        **more,
    }


def get(size, user="bob", ip="10.0.0.1"):
    return {
        "event": {"dataset": "proxy"},
        "http": {"request": {"method": "GET", "bytes": size}},
        "user": {"name": user},
        "source": {"ip": ip},
    }


def seconds(times, document):
    return [(time, document) for time in times]


COUNT = correlation(
    """
type: event_count
rules: [failed_login]
group-by: [User]
timespan: 1m
condition: {gte: 3}
""",
    level="high",
)


def test_event_count_fires_once_the_window_holds_enough_and_resolves_when_it_does_not(replay):
    told = replay(seconds([0, 20, 40], login("failure")), RULES, COUNT, until=300)
    assert [(one.state, one.at, one.labels, one.level, one.value) for one in told] == [
        ("firing", 40, {"user_name": "bob"}, "high", 3),
        ("resolved", 60, {"user_name": "bob"}, "high", 2),
    ]
    assert told[0].events == ["e0", "e1", "e2"]


def test_event_count_does_not_fire_just_outside_of_the_window(replay):
    assert not replay(seconds([0, 30, 60], login("failure")), RULES, COUNT, until=300)
    assert replay(seconds([0, 30, 59.999], login("failure")), RULES, COUNT)


def test_event_count_counts_each_group_by_itself(replay):
    events = [(0, login("failure")), (1, login("failure", "eve")), (2, login("failure")), (3, login("failure", "eve"))]
    assert not replay(events, RULES, COUNT, until=300)


def test_rules_of_a_correlation_tell_nothing_of_their_own_unless_it_says_generate(replay):
    assert {one.title for one in replay(seconds([0, 1, 2], login("failure")), RULES, COUNT)} == {"Correlated"}
    generating = COUNT + "  generate: true\n"
    told = replay(seconds([0, 1, 2], login("failure")), RULES, generating)
    assert [one.title for one in told].count("Failed login") == 3


def test_generate_may_stand_beside_the_section_too(replay):
    told = replay(seconds([0], login("failure")), RULES, "generate: true\n" + COUNT)
    assert [one.title for one in told] == ["Failed login"]


@pytest.mark.parametrize(
    ("condition", "fires_at"),
    [
        ("{gte: 2}", {2, 3, 4}),
        ("{gt: 2}", {3, 4}),
        ("{eq: 2}", {2}),
        ("{gt: 1, lt: 3}", {2}),
        ("{gt: 1, lte: 3}", {2, 3}),
        ("{neq: 2}", {3, 4}),
        ("{lte: 3, gte: 3}", {3}),
    ],
)
def test_conditions_and_ranges_speak_of_the_count(replay, condition, fires_at):
    rule = COUNT.replace("{gte: 3}", condition)
    on = False
    held = set()
    for count in (1, 2, 3, 4):
        told = replay(seconds(range(count), login("failure")), RULES, rule)
        on = bool(told) and told[-1].state == "firing"
        if on:
            held.add(count)
    assert held == fires_at


def test_a_condition_that_is_true_of_none_waits_until_the_group_was_heard_for_a_whole_timespan(replay):
    few = COUNT.replace("{gte: 3}", "{lt: 2}")
    events = seconds([0, 20, 50, 70, 90, 200], login("failure"))
    told = replay(events, RULES, few)
    assert [(one.state, one.at, one.value) for one in told] == [("firing", 130, 1)]


def test_a_late_event_counts_where_it_belongs(replay):
    events = [(0, login("failure")), (50, login("failure")), (30, login("failure"))]
    told = replay(events, RULES, COUNT)
    assert [one.state for one in told] == ["firing"]


def test_value_count_counts_different_values(replay):
    rule = correlation("""
type: value_count
rules: [failed_login]
group-by: [src_ip]
timespan: 5m
condition: {field: User, gte: 3}
""")
    events = [(0, login("failure", "a")), (1, login("failure", "b")), (2, login("failure", "b"))]
    assert not replay(events, RULES, rule)
    told = replay([*events, (3, login("failure", "c"))], RULES, rule)
    assert [(one.labels, one.value) for one in told] == [({"source_ip": "10.0.0.1"}, 3)]
    assert not replay([*events, (300, login("failure", "c"))], RULES, rule)


def test_value_count_of_several_fields_counts_their_combinations(replay):
    rule = correlation("""
type: value_count
rules: failed_login
timespan: 5m
condition: {field: [User, src_ip], gt: 2}
""")
    events = [(0, login("failure", "a")), (1, login("failure", "b")), (2, login("failure", "a"))]
    assert not replay(events, RULES, rule)
    assert replay([*events, (3, login("failure", "a", "10.0.0.2"))], RULES, rule)


def test_temporal_needs_all_rules_in_any_order(replay):
    rule = correlation("""
type: temporal
rules: [failed_login, successful_login]
group-by: [User]
timespan: 5m
""")
    told = replay([(0, login("success")), (10, login("failure"))], RULES, rule)
    assert [(one.state, one.at, one.events) for one in told] == [("firing", 10, ["e0", "e1"])]
    assert not replay([(0, login("success")), (10, login("failure", "eve"))], RULES, rule)
    assert not replay([(0, login("success")), (301, login("failure"))], RULES, rule)


def test_temporal_ordered_needs_them_in_the_order_of_its_rules(replay):
    rule = correlation("""
type: temporal_ordered
rules: [failed_login, successful_login]
group-by: [User]
timespan: 5m
""")
    assert replay([(0, login("failure")), (10, login("success"))], RULES, rule)
    assert not replay([(0, login("success")), (10, login("failure"))], RULES, rule)


def test_temporal_ordered_may_name_a_rule_twice(replay):
    rule = correlation("""
type: temporal_ordered
rules: [failed_login, failed_login, successful_login]
group-by: [User]
timespan: 5m
""")
    assert not replay([(0, login("failure")), (10, login("success"))], RULES, rule)
    assert replay([(0, login("failure")), (5, login("failure")), (10, login("success"))], RULES, rule)


def test_temporal_with_a_count_needs_so_many_of_its_rules(replay):
    rule = correlation("""
type: temporal
rules: [failed_login, successful_login, web_access]
group-by: [User]
timespan: 5m
condition: {gte: 2}
""")
    assert replay([(0, login("failure")), (10, get(1))], RULES, rule)
    assert not replay([(0, login("failure")), (10, login("failure"))], RULES, rule)


@pytest.mark.parametrize(
    ("condition", "events", "fires"),
    [
        ("failed_login and (successful_login or web_access)", ["f", "w"], True),
        ("failed_login and (successful_login or web_access)", ["s", "w"], False),
        ("failed_login and successful_login and not web_access", ["f", "s"], True),
        ("failed_login and successful_login and not web_access", ["w", "f", "s"], False),
        ("failed_login", ["f"], True),
    ],
)
def test_temporal_with_an_expression_over_rules(replay, condition, events, fires):
    rule = correlation(f"""
type: temporal
group-by: [User]
timespan: 5m
condition: {condition}
""")
    made = {"f": login("failure"), "s": login("success"), "w": get(1)}
    told = replay([(second, made[each]) for second, each in enumerate(events)], RULES, rule)
    assert bool(told) is fires


def test_value_sum_adds_up(replay):
    rule = correlation("""
type: value_sum
rules: [web_access]
group-by: [src_ip]
timespan: 1h
condition: {field: cs-bytes, gt: 1000}
""")
    assert not replay([(0, get(500)), (10, get(500))], RULES, rule)
    told = replay([(0, get(500)), (10, get(501))], RULES, rule)
    assert [(one.value, one.labels) for one in told] == [(1001, {"source_ip": "10.0.0.1"})]
    assert not replay([(0, get(500)), (3600, get(501))], RULES, rule)


def test_value_avg_takes_the_mean(replay):
    rule = correlation("""
type: value_avg
rules: [web_access]
group-by: [src_ip]
timespan: 1h
condition: {field: cs-bytes, gt: 500.5}
""")
    assert not replay([(0, get(400)), (10, get(601))], RULES, rule)
    assert replay([(0, get(400)), (10, get(602))], RULES, rule)


def test_value_percentile_takes_the_percentile_that_its_condition_names(replay):
    rule = correlation("""
type: value_percentile
rules: [web_access]
group-by: [src_ip]
timespan: 1h
condition: {field: cs-bytes, percentile: 50, gte: 100}
""")
    assert not replay([(0, get(1)), (1, get(2)), (2, get(1000))], RULES, rule)
    assert replay([(0, get(1)), (1, get(100)), (2, get(1000))], RULES, rule)


def test_value_percentile_without_one_asks_for_the_share_of_a_value(replay):
    rule = correlation("""
type: value_percentile
rules: [web_access]
group-by: [src_ip]
timespan: 24h
condition: {field: User, lte: 10}
""")
    usual = seconds(range(9), get(1, "bob"))
    assert not replay([*usual[:8], (9, get(1, "eve"))], RULES, rule)
    told = replay([*usual, (9, get(1, "eve")), (10, get(1, "bob")), (11, get(1, "eve"))], RULES, rule)
    assert [(one.at, one.labels, one.value, one.events) for one in told] == [
        (9, {"source_ip": "10.0.0.1", "user_name": "eve"}, 10, ["e9"])
    ]
    later = [*usual, *seconds(range(86_400, 86_409), get(1, "eve"))]
    assert not replay(later[:9] + later[17:], RULES, rule)


def test_correlations_go_on_after_a_restart(replay):
    share = correlation(
        "type: value_percentile\nrules: [web_access]\ntimespan: 1h\ncondition: {field: User, lte: 10}", "Share"
    )
    values = correlation(
        "type: value_count\nrules: [failed_login]\ngroup-by: [User]\ntimespan: 1h\ncondition: {field: src_ip, gte: 3}",
        "Values",
    )
    total = correlation(
        "type: value_sum\nrules: [web_access]\ngroup-by: [User]\ntimespan: 1h\ncondition: {field: cs-bytes, gt: 1000}",
        "Total",
    )
    events = [
        *((second, login("failure", ip=f"10.0.0.{second}")) for second in range(2)),
        *((second, get(100)) for second in range(3, 12)),
        (20, login("failure", ip="10.0.0.9")),
        (21, get(600, "eve")),
        (22, get(600, "eve")),
        (23, login("success")),
    ]
    texts = (RULES, CHAIN, share, values, total)
    told = [(one.title, one.at, one.state, one.labels, one.events) for one in replay(events, *texts)]
    assert {title for title, *_ in told} == {"Share", "Values", "Total", "Many failures, then success"}
    for moment in range(len(events)):
        again = [
            (one.title, one.at, one.state, one.labels, one.events) for one in replay(events, *texts, restart=moment)
        ]
        assert again == told, moment


def test_aliases_join_fields_of_different_names(replay):
    rules = """
title: Internal error
name: internal_error
logsource: {category: webserver}
detection:
  selection: {http.response.status_code: 500}
  condition: selection
---
title: New connection
name: new_network_connection
id: 0e95725d-7320-415d-80f7-004da920fc11
logsource: {category: network_connection}
detection:
  selection: {event.outcome: success}
  condition: selection
---
title: Connected back
correlation:
  type: temporal
  rules: [internal_error, new_network_connection]
  group-by: [internal_ip, remote_ip]
  timespan: 10s
  aliases:
    internal_ip: {internal_error: destination.ip, 0e95725d-7320-415d-80f7-004da920fc11: source.ip}
    remote_ip: {internal_error: source.ip, new_network_connection: dst_ip}
"""
    error = {
        "event": {"dataset": "nginx.access"},
        "http": {"response": {"status_code": 500}},
        "source": {"ip": "6.6.6.6"},
        "destination": {"ip": "10.0.0.9"},
    }
    back = {
        "event": {"dataset": "flow", "outcome": "success"},
        "source": {"ip": "10.0.0.9"},
        "destination": {"ip": "6.6.6.6"},
    }
    other = {
        "event": {"dataset": "flow", "outcome": "success"},
        "source": {"ip": "10.0.0.8"},
        "destination": {"ip": "6.6.6.6"},
    }
    told = replay([(0, error), (5, back)], rules)
    assert [one.labels for one in told] == [{"internal_ip": "10.0.0.9", "remote_ip": "6.6.6.6"}]
    assert not replay([(0, error), (5, other)], rules)


CHAIN = """
title: Many failures, then success
correlation:
  type: temporal_ordered
  rules: [many_failed, successful_login]
  group-by: [User]
  timespan: 10m
---
title: Many failed
name: many_failed
correlation:
  type: event_count
  rules: [failed_login]
  group-by: [User]
  timespan: 10m
  condition: {gte: 3}
"""


def test_correlations_stand_on_correlations_in_whatever_order_and_file(replay):
    events = [*seconds([0, 10, 20], login("failure")), (30, login("success"))]
    for texts in ((RULES, CHAIN), (CHAIN, RULES), (CHAIN + "---" + RULES,)):
        told = replay(events, *texts)
        assert [(one.title, one.at, one.events) for one in told] == [
            ("Many failures, then success", 30, ["e0", "e1", "e2", "e3"])
        ]
    assert not replay([*seconds([0, 10], login("failure")), (30, login("success"))], RULES, CHAIN)


def test_events_are_counted_through_chains_of_counts(replay):
    outer = """
title: Three storms
correlation:
  type: event_count
  rules: [many_failed]
  timespan: 1d
  condition: {gte: 2}
"""
    events = [
        (second, login("failure", user))
        for user, start in (("a", 0), ("b", 100))
        for second in (start, start + 1, start + 2)
    ]
    told = replay(events, RULES, CHAIN, outer)
    assert [(one.title, one.at, one.events) for one in told] == [
        ("Three storms", 102, [f"e{number}" for number in range(6)])
    ]


def test_the_end_of_an_alert_is_no_observation_for_the_correlation_above(replay):
    outer = """
title: Two storms
correlation: {type: event_count, rules: [many_failed], timespan: 1d, condition: {gte: 2}}
"""
    assert not replay(seconds([0, 1, 2], login("failure")), RULES, CHAIN, outer, until=3600)
    again = seconds([0, 1, 2, 1000, 1001, 1002], login("failure"))
    assert [one.at for one in replay(again, RULES, CHAIN, outer)] == [1002]


def test_an_event_that_two_rules_match_counts_once(replay):
    twice = (
        RULES
        + """
---
title: Any login
name: any_login
logsource: {category: authentication}
detection:
  selection: {user.name: bob}
  condition: selection
"""
    )
    rule = COUNT.replace("[failed_login]", "[failed_login, any_login]")
    assert not replay(seconds([0, 1], login("failure")), twice, rule)
    assert replay(seconds([0, 1, 2], login("failure")), twice, rule)


def test_groups_are_found_under_the_log_s_own_names_too(replay):
    raw = {"event": {"category": "authentication", "outcome": "failure"}, "User": "bob"}
    told = replay(seconds([0, 1, 2], raw), RULES, COUNT)
    assert [one.labels for one in told] == [{"user_name": "bob"}]


@pytest.mark.parametrize(
    ("timespan", "milliseconds"),
    [
        ("30s", 30_000),
        ("5m", 300_000),
        ("2h", 7_200_000),
        ("1d", 86_400_000),
        ("1w", 604_800_000),
        ("1M", 2_629_746_000),
        ("1y", 31_556_952_000),
    ],
)
def test_timespans_know_all_units(read, timespan, milliseconds):
    result = read(RULES, COUNT.replace("timespan: 1m", f"timespan: {timespan}"))
    assert [rule.timespan for rule in result.rules if rule.frame.title == "Correlated"] == [milliseconds]


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("type: event_count", "type: event_cuont", 2, "no valid Sigma correlation type"),
        ("type: event_count", "type: [a]", 2, "expected a text"),
        ("timespan: 1m", "timespan: soon", 2, "is invalid"),
        ("timespan: 1m", "timespan: 3y", 2, "400 days"),
        ("{gte: 3}", "{gte: many}", 3, "expected a number"),
        ("{gte: 3}", "{}", 2, "exactly one condition item"),
        ("{gte: 3}", "{gte: 1, lte: 3, neq: 2}", 2, "at most two bounds"),
        ("{gte: 3}", "failed_login", 1, "Extended conditions"),
        ("[failed_login]", "[fialed_login]", 3, "no rule has the id or name 'fialed_login'"),
        ("[failed_login]", "[]", 2, "refers to no rule"),
        ("[failed_login]", "[[a]]", 3, "expected a text"),
        ("[failed_login]", "{a: b}", 2, "expected a text"),
        ("timespan: 1m", "timespna: 1m", 2, "unknown key 'timespna'"),
        ("type: event_count", "type: value_count", 1, "without field reference"),
    ],
)
def test_a_mistake_in_a_correlation_is_told_where_it_stands(read, old, new, path, message):
    result = read(RULES, COUNT.replace(old, new))
    assert [(problem.place.file, problem.place.column) for problem in result.problems] == [("file1.yml", path)]
    assert message in result.problems[0].message


def test_a_word_nearly_right_is_suggested(read):
    result = read(RULES, COUNT.replace("[failed_login]", "[fialed_login]"))
    assert result.problems[0].hint == "did you mean 'failed_login'?"


def test_correlations_in_a_circle_are_refused_and_located(read):
    circle = """
title: a
name: a
correlation: {type: event_count, rules: [b], timespan: 1m, condition: {gte: 1}}
---
title: b
name: b
correlation: {type: event_count, rules: [a], timespan: 1m, condition: {gte: 1}}
---
title: c
name: c
correlation: {type: event_count, rules: [c], timespan: 1m, condition: {gte: 1}}
"""
    result = read(circle)
    assert not result.rules
    told = [problem.message for problem in result.problems]
    assert "correlation.rules: it refers to itself, by way of 'a'" in told
    assert "correlation.rules: it refers to itself, by way of 'c'" in told


def test_a_correlation_of_an_inapplicable_rule_is_inapplicable_and_says_why(read):
    result = read(
        COUNT,
        """
title: Failed login
name: failed_login
logsource: {product: windows, service: security}
detection:
  selection: {EventID: 4625}
  condition: selection
""",
    )
    assert not result.rules
    reasons = {one.title: one.reason for one in result.inapplicable}
    assert reasons["Correlated"].startswith(
        "the rule 'failed_login' that it refers to cannot apply: no input of Fenghuo"
    )


def test_a_chain_whose_inner_group_is_another_is_inapplicable_and_says_why(read):
    result = read(
        RULES,
        CHAIN.replace(
            "  group-by: [User]\n  timespan: 10m\n  condition", "  group-by: [src_ip]\n  timespan: 10m\n  condition"
        ),
    )
    assert "does not group by it" in " ".join(one.reason for one in result.inapplicable)


def test_a_correlation_may_stand_on_a_rule_of_our_own(read):
    result = read(
        "title: t\ncorrelation: {type: event_count, rules: [network.link-flap], group-by: [device], timespan: 1h, condition: {gte: 3}}",
        known=["network.link-flap"],
    )
    assert result.rules[0].rules == ("network.link-flap",)
