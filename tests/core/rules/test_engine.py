from __future__ import annotations

import pytest

from fenghuo.model import Layout, Table
from fenghuo.wire.body import decode_layout, decode_tables, encode_tables

SW1 = {"device": "sw1"}
PORTS = {"ifName": ["a", "b"]}


def test_a_threshold_fires_at_once_without_a_hold_time_and_clears_when_it_is_not_true(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1"))
    for second, x in [(0, 1), (10, 2), (20, 3), (30, 1)]:
        on.read(second, SW1, x=x)
    assert on.told == [(10, "firing", "medium"), (30, "resolved", "medium")]
    assert on.alerts[0].fingerprint == on.alerts[1].fingerprint
    assert on.alerts[1].ends_at == on.alerts[1].time
    assert on.alerts[0].starts_at == on.alerts[1].starts_at


def test_each_row_of_a_table_is_judged_by_itself(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1"))
    on.read(0, SW1, PORTS, x=[2, 0])
    on.read(10, SW1, PORTS, x=[2, 2])
    on.read(20, SW1, PORTS, x=[0, 2])
    assert [(alert.labels["ifName"], alert.state) for alert in on.alerts] == [
        ("a", "firing"),
        ("b", "firing"),
        ("a", "resolved"),
    ]
    assert len({alert.fingerprint for alert in on.alerts}) == 2
    assert [alert.labels["ifName"] for alert in on.engine.firing()] == ["b"]


def test_devices_that_look_the_same_share_a_rule_s_closures_and_no_memory(make_rule, run):
    on = run(make_rule(kind="change", data="x"))
    for second, values in [(0, {"sw1": 1, "sw2": 2}), (10, {"sw1": 1, "sw2": 3}), (20, {"sw1": 4, "sw2": 3})]:
        for device, x in values.items():
            on.read(second, {"device": device}, x=x)
    assert [(alert.labels["device"], alert.time - on.alerts[0].time) for alert in on.alerts] == [
        ("sw2", 0),
        ("sw1", 10_000),
    ]
    (state,) = on.engine.states
    assert state.form(("x",)) is state.form(("x",))
    assert len(state._forms) == 1


def test_a_group_of_several_rows_is_on_while_one_of_them_is(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", group_by=["device"]))
    for second, xs in [(0, [2, 0]), (10, [2, 2]), (20, [0, 2]), (30, [0, 0])]:
        on.read(second, SW1, PORTS, x=xs)
    assert on.steps == [(0, "firing"), (30, "resolved")]


def test_groups_of_two_sources_are_two_alerts(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", group_by=["device"]))
    on.read(0, {"device": "sw1", "sensor": "a"}, x=2)
    on.read(0, {"device": "sw1", "sensor": "b"}, x=2)
    on.read(10, {"device": "sw1", "sensor": "a"}, x=0)
    first, second, over = (alert.fingerprint for alert in on.alerts)
    assert over == first != second


def test_a_hold_time_bridges_no_silence_longer_than_a_reading_speaks_for(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", hold="30s", clear="value < 1 for 30s", stale="20s"))
    for second, x in [(0, 2), (25, 2), (45, 2), (56, 2), (60, 0), (85, 0), (100, 0), (115, 0)]:
        on.read(second, SW1, x=x)
    assert on.steps == [(55, "firing"), (115, "resolved")]


def test_an_absent_value_leaves_things_as_they_are(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", hold="20s"))
    for second, x in [(0, 2), (10, None), (20, 2), (30, None), (40, 0)]:
        on.read(second, SW1, x=x)
    assert on.steps == [(20, "firing"), (40, "resolved")]


def test_only_rows_that_meet_where_and_no_exception_are_judged(make_rule, run):
    rule = make_rule(
        data="x", condition="value > 1", where={"ifName": ["Gi*", "uplink"]}, exceptions=[{"ifName": "Gi9*"}]
    )
    on = run(rule)
    on.read(0, SW1, {"ifName": ["Gi1", "Te1", "uplink", "Gi91", ""]}, x=[2, 2, 2, 2, 2])
    assert [alert.labels["ifName"] for alert in on.alerts] == ["Gi1", "uplink"]


def test_rules_of_another_measurement_or_without_their_fields_are_not_asked(make_rule, run):
    on = run(
        make_rule(data="x", condition="value > y"),
        make_rule(name="other", measurement="m", data="x", condition="value > 1"),
    )
    on.read(0, SW1, x=2)
    on.read(0, SW1, name="m", x=2)
    assert [alert.rule_name for alert in on.alerts] == ["other"]
    assert [state.evaluations for state in on.engine.states] == [0, 1]


@pytest.mark.parametrize(
    ("instance", "victim"),
    [
        ("10.0.0.1", {"name": "sw1", "ip": "10.0.0.1"}),
        ("10.0.0.1:1161", {"name": "sw1", "ip": "10.0.0.1"}),
        ("[2001:db8::1]:1161", {"name": "sw1", "ip": "2001:db8::1"}),
        ("fe80::1%eth0", {"name": "sw1", "ip": "fe80::1"}),
        ("sw1.school.example", {"name": "sw1"}),
    ],
)
def test_a_party_s_ip_is_an_address_or_absent(make_rule, run, instance, victim):
    on = run(make_rule(data="x", condition="value > 1", victim={"name": "device", "ip": "instance"}))
    on.read(0, {**SW1, "instance": instance}, x=2)
    assert [alert.victim for alert in on.alerts] == [victim]


def test_an_alert_names_its_values_parties_and_labels(make_rule, run):
    rule = make_rule(
        data="rate(x) / y",
        condition="value > 1",
        labels={"team": "net"},
        message="{device}: {value:.2f} ({x_rate:.0f} over {y}) {gone}",
        message_zh="{device}",
        victim={"name": "device", "ip": "instance"},
        culprit={"mac": "mac"},
        tags=["mlps.8.1.1.8"],
        runbook={"en": "Do.", "zh": "做。"},
    )
    on = run(rule)
    for second, x in [(0, 0), (10, 300)]:
        on.read(second, {**SW1, "instance": "10.0.0.1"}, counters={"x": 32}, x=x, y=4)
    (alert,) = on.alerts
    assert alert.message == "sw1: 7.50 (30 over 4) "
    assert alert.labels == {"device": "sw1", "instance": "10.0.0.1", "team": "net"}
    assert alert.victim == {"name": "sw1", "ip": "10.0.0.1"}
    assert alert.culprit == {}
    assert alert.evidence["values"] == {"x_rate": 30, "y": 4}
    assert alert.value == 7.5
    assert alert.runbook == {"en": "Do.", "zh": "做。"}


def test_fingerprints_differ_by_agent_and_rule_and_stay_over_restarts(make_rule, run):
    def first(agent, name):
        on = run(make_rule(name=name, data="x", condition="value > 1"), agent=agent)
        on.read(0, SW1, x=2)
        return on.alerts[0].fingerprint

    prints = [first("a/gw1", "r1"), first("a/gw2", "r1"), first("a/gw1", "r2")]
    assert len(set(prints)) == 3
    assert prints[0] == first("a/gw1", "r1")


def test_one_engine_keeps_the_tables_of_several_agents_apart(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1"))
    on.read(0, SW1, x=2)
    (layout,) = on.layouts.values()
    on.alerts += on.engine.process(Table(layout, on.clock.now(), [[2]]), agent="bj/other/gw9")
    assert len({alert.fingerprint for alert in on.alerts}) == 2


def test_what_is_dead_for_others_holds_them_back(make_rule, run):
    dead = make_rule(name="dead", data="up", condition="value == 0", hold="30s")
    port = make_rule(name="port", data="x", condition="value > 1", suppress_if={"rules": ["dead"]})
    on = run(dead, port)
    on.read(0, SW1, name="system", up=0)
    on.read(1, SW1, PORTS, x=[2, 0])
    on.read(2, {"device": "sw2"}, PORTS, x=[2, 0])
    assert [(alert.rule_name, alert.labels["device"]) for alert in on.alerts] == [("port", "sw2")]
    on.read(20, SW1, name="system", up=1)
    on.advance(40)
    assert [(alert.rule_name, alert.labels["device"]) for alert in on.alerts] == [("port", "sw2"), ("port", "sw1")]


def test_an_older_reading_and_a_repeated_one_are_passed_over(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1"))
    on.read(10, SW1, x=2)
    on.read(5, SW1, x=0)
    on.read(10, SW1, x=0)
    assert on.steps == [(10, "firing")]
    assert on.engine.states[0].late == 2


def test_a_device_that_stops_answering_is_seen_over_two_layouts(make_rule, run):
    on = run(make_rule(data="snmp_up", condition="value == 0", hold="2m", measurement="system"))
    on.read(0, SW1, name="system", snmp_up=1, sysUpTime=5)
    for second in (60, 120, 180):
        on.read(second, SW1, name="system", snmp_up=0)
    on.read(240, SW1, name="system", snmp_up=1, sysUpTime=6)
    assert on.steps == [(180, "firing"), (240, "resolved")]


def test_rows_that_move_keep_their_alerts(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1"))
    on.read(0, SW1, {"ifName": ["a", "b"]}, x=[2, 0])
    on.read(10, SW1, {"ifName": ["new", "a"]}, x=[0, 2])
    on.read(20, SW1, {"ifName": ["new", "a"]}, x=[0, 0])
    assert [(alert.labels["ifName"], alert.state) for alert in on.alerts] == [("a", "firing"), ("a", "resolved")]


def test_a_series_that_ends_resolves_what_fires(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", hold="10s", clear="value < 0 for 1h"))
    on.read(0, SW1, PORTS, x=[2, 2])
    on.read(10, SW1, PORTS, x=[2, 2])
    on.end(20, SW1, {"ifName": ["a"]})
    assert [(alert.labels["ifName"], alert.state) for alert in on.alerts] == [
        ("a", "firing"),
        ("b", "firing"),
        ("a", "resolved"),
    ]
    assert on.alerts[-1].evidence["reason"] == "ended"
    assert len(on.engine.firing()) == 1


def test_what_is_not_heard_of_for_long_is_resolved(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", forget="1h"))
    on.read(0, SW1, x=2)
    on.advance(3600)
    assert len(on.alerts) == 1
    on.advance(3620)
    assert on.steps == [(0, "firing"), (3600, "resolved")]
    assert on.alerts[-1].evidence["reason"] == "forgotten"


def test_a_rule_keeps_at_most_its_limit_of_groups_and_counts_what_it_gives_up(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", limits={"groups": 32}))
    for number in range(100):
        on.read(number, {"device": f"d{number}"}, x=2)
    state = on.engine.states[0]
    assert state.groups <= 32
    assert state.evictions == 100 - state.groups
    firing = {alert.fingerprint for alert in on.engine.firing()}
    told = {}
    for alert in on.alerts:
        told[alert.fingerprint] = alert.state
    assert {key for key, value in told.items() if value == "firing"} == firing


def test_the_groups_that_are_given_up_first_do_not_fire(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", hold="1m", limits={"groups": 4}))
    for second in (0, 60):
        on.read(second, {"device": "fires"}, x=2)
    for number in range(10):
        on.read(70 + number, {"device": f"d{number}"}, x=2)
    assert [alert.labels["device"] for alert in on.engine.firing()] == ["fires"]


def test_an_alert_that_comes_and_goes_is_held_until_it_is_quiet(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", flap={"changes": 4, "window": "10m", "hold": "5m"}))
    for step in range(20):
        on.read(step * 10, SW1, x=2 if step % 2 == 0 else 0)
    assert on.steps == [(0, "firing"), (10, "resolved"), (20, "firing")]
    for second in range(200, 800, 60):
        on.read(second, SW1, x=0)
    assert on.steps[3:] == [(190 + 300, "resolved")]
    assert on.alerts[-1].evidence["flapping"] is True


def test_a_change_without_clear_lasts_its_time(make_rule, run):
    on = run(make_rule(kind="change", data="x", condition="value < previous", lasts="1m"))
    for second, x in [(0, 5), (10, 6), (20, 1), (30, 2), (90, 3)]:
        on.read(second, SW1, x=x)
    assert on.steps == [(20, "firing"), (80, "resolved")]


def test_a_change_without_clear_ends_by_the_timer_when_nothing_comes(make_rule, run):
    on = run(make_rule(kind="change", data="x", lasts="1m"))
    on.read(0, SW1, x=5)
    on.read(10, SW1, x=6)
    on.advance(100)
    assert on.steps == [(10, "firing"), (70, "resolved")]


def test_a_change_is_seen_over_polls_in_which_the_value_was_missed(make_rule, run):
    on = run(make_rule(kind="change", data="x", condition="previous == 1 and value == 2", clear="value == 1"))
    for second, x in [(0, 1), (10, None), (20, 2), (30, None), (40, 1)]:
        on.read(second, SW1, x=x)
    assert on.steps == [(20, "firing"), (40, "resolved")]


def test_the_first_value_is_no_change(make_rule, run):
    on = run(make_rule(kind="change", data="x"))
    on.read(0, SW1, x=2)
    assert on.alerts == []


def test_a_silent_series_fires_and_a_word_resolves(make_rule, run):
    on = run(make_rule(kind="absence", data="x", hold="1m"))
    on.read(0, SW1, PORTS, x=[1, 1])
    on.read(30, SW1, PORTS, x=[1, None])
    on.advance(69)
    assert on.alerts == []
    on.advance(71)
    assert [(alert.labels["ifName"], second) for alert, (second, _) in zip(on.alerts, on.steps, strict=True)] == [
        ("b", 60)
    ]
    on.advance(101)
    on.read(110, SW1, PORTS, x=[1, 1])
    assert [alert.labels["ifName"] for alert in on.alerts[2:]] == ["a", "b"]
    assert on.steps[1:] == [(90, "firing"), (110, "resolved"), (110, "resolved")]


def test_a_series_that_ended_is_not_missed(make_rule, run):
    on = run(make_rule(kind="absence", data="x", hold="1m"))
    on.read(0, SW1, PORTS, x=[1, 1])
    on.end(10, SW1, {"ifName": ["a"]})
    on.advance(200)
    assert [alert.labels["ifName"] for alert in on.alerts] == ["b"]


def test_a_silent_series_is_forgotten_in_the_end_and_does_not_come_back(make_rule, run):
    on = run(make_rule(kind="absence", data="x", hold="1m", forget="1h"))
    on.read(0, SW1, x=1)
    for second in range(0, 20_000, 100):
        on.advance(second)
    assert on.steps == [(60, "firing"), (3600, "resolved")]


def test_tables_that_came_over_the_wire_are_judged_as_they_were(make_rule, run):
    rules = [
        make_rule(name="t", data="x / y", condition="value > 1", level={"low": "value > 1", "high": "value > 2"}),
        make_rule(name="r", kind="rate", data="n", condition="value > 1"),
        make_rule(name="c", kind="change", data="x", condition="value > previous"),
        make_rule(name="a", kind="absence", data="y", hold="1m"),
    ]
    layout = Layout("test", SW1, PORTS, ("x", "y", "n"), {"n": 64})
    there, here = run(*rules), run(*rules)
    cache = {}
    for number, columns in enumerate(
        [[[1, 5], [1, 2], [0, 0]], [[3, 3], [1, None], [0, 600]], [[3, 3], [1, None], [1, 2]], [[1, 1]] * 3]
    ):
        table = Table(layout, there.clock.now() + number * 60_000, columns)
        there.table(table)
        (decoded,) = decode_tables(encode_tables([table]), lambda raw: cache.setdefault(raw, decode_layout(raw)))
        here.table(decoded)
    there.advance(600)
    here.advance(600)
    assert here.alerts == there.alerts
    assert {alert.rule_name for alert in here.alerts} == {"t", "r", "c", "a"}


# Restarts


def test_after_a_restart_what_fires_goes_on_without_a_step_and_holds_go_on(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", hold="1m", clear="value < 1 for 1m"))
    on.read(0, SW1, PORTS, x=[2, 0])
    on.read(40, SW1, PORTS, x=[2, 2])
    on.restart()
    on.read(60, SW1, PORTS, x=[2, 2])
    on.restart()
    assert len(on.engine.firing()) == 1
    on.read(100, SW1, PORTS, x=[0, 2])
    on.restart()
    on.read(160, SW1, PORTS, x=[0, 2])
    assert [
        (second, state, alert.labels["ifName"]) for alert, (second, state) in zip(on.alerts, on.steps, strict=True)
    ] == [
        (60, "firing", "a"),
        (100, "firing", "b"),
        (160, "resolved", "a"),
    ]


def test_after_a_restart_what_fires_is_told_whole(make_rule, run):
    runbook = {"en": "Do.", "zh": "做。"}
    on = run(
        make_rule(data="x", condition="value > 1", runbook=runbook, tags=["mlps.8.1.1.8"], message="{device} {value}")
    )
    on.read(0, SW1, x=2)
    before = on.engine.firing()
    on.restart(away=30)
    assert on.engine.firing() == before


def test_time_in_which_the_agent_was_down_is_no_silence(make_rule, run):
    on = run(make_rule(kind="absence", data="x", hold="10m"))
    on.read(0, SW1, x=1)
    on.advance(60)
    on.restart(away=7200)
    on.advance(7261)
    assert on.alerts == []
    on.advance(7200 + 600 + 11)
    assert on.steps == [(7800, "firing")]


def test_after_days_off_nothing_is_forgotten_before_it_could_speak(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", forget="1h"))
    on.read(0, SW1, x=2)
    on.restart(away=3 * 86400)
    on.advance(3 * 86400 + 1)
    on.read(3 * 86400 + 2, SW1, x=2)
    assert on.steps == [(0, "firing")]


def test_a_rule_that_is_gone_takes_its_alerts_along(make_rule, run):
    rule, other = make_rule(data="x", condition="value > 1"), make_rule(name="other", data="x", condition="value > 100")
    on = run(rule, other)
    on.read(0, SW1, x=2)
    on.restart(rules=[other])
    on.advance(1)
    assert [alert.state for alert in on.alerts] == ["firing", "resolved"]
    assert on.alerts[0].fingerprint == on.alerts[1].fingerprint


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", b"hello", b"\x84\xa7version\x63", bytes(range(256))])
def test_a_snapshot_that_is_none_is_passed_over(make_rule, run, data, caplog):
    on = run(make_rule(data="x", condition="value > 1"))
    on.engine.restore(data)
    assert "starting afresh" in caplog.text
    on.read(0, SW1, x=2)
    assert on.steps == [(0, "firing")]


def test_a_damaged_snapshot_never_stops_the_engine(make_rule, run):
    on = run(
        make_rule(data="x", condition="value > 1"),
        make_rule(name="b", kind="change", data="x"),
        make_rule(name="c", kind="absence", data="x", hold="1m"),
    )
    on.read(0, SW1, PORTS, x=[2, 0])
    on.read(10, SW1, PORTS, x=[2, 1])
    data = on.engine.snapshot()
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x55
        fresh = run(*on.rules.rules)
        fresh.engine.restore(bytes(broken))
        fresh.read(20, SW1, PORTS, x=[2, 0])
        fresh.advance(200)
        fresh.engine.snapshot()


def test_due_says_when_something_will_happen(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", hold="1m"))
    assert on.engine.due is None
    on.read(0, SW1, x=2)
    assert on.engine.due == on.clock.now() + 70_000


def test_readings_out_of_order_within_lateness_are_judged_in_order(make_rule, run):
    on = run(make_rule(data="x", condition="value > 1", hold="20s", lateness="30s"))
    for arrival, second, x in [(0, 0, 2), (20, 20, 2), (25, 10, 0), (45, 40, 2)]:
        on.advance(arrival)
        on.read(second, SW1, x=x)
    for second in range(46, 120):
        on.advance(second)
    assert on.steps == [(40, "firing")]
