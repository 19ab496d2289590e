"""`fenghuo replay`: recordings on their own clock."""

from __future__ import annotations

import gzip
import json
import random

import pytest
from typer.testing import CliRunner

from fenghuo.alerts import event_to_alert
from fenghuo.model import Event
from fenghuo.rules.tools.recording import Line, Recording, Refused, parse_time, read_lines, sort_lines
from fenghuo.rules.tools.replay import app

RULE = """\
title: Denied
id: 00000000-0000-4000-8000-000000000901
name: t.denied
kind: match
where: {event.action: deny}
group_by: [source.ip]
lasts: 1m
flap: false
---
title: Hot
id: 00000000-0000-4000-8000-000000000902
name: t.hot
kind: threshold
data: t
condition: value > 30
for: 1m
flap: false
---
title: Silent
id: 00000000-0000-4000-8000-000000000903
name: t.silent
kind: absence
data: t
for: 10m
flap: false
---
title: Opt-in
id: 00000000-0000-4000-8000-000000000904
name: t.opt-in
kind: match
runs: collector
enabled: false
where: {event.action: deny}
flap: false
"""


def denied(second, source="10.0.0.1", **more):
    return {"@timestamp": f"2026-03-02T08:00:{second:02d}Z", "event": {"action": "deny"}, "source.ip": source, **more}


@pytest.fixture
def play(tmp_path):
    (tmp_path / "rule.yaml").write_text(RULE)

    def run(*lines, options=("--json",), stdin=None, content=None):
        file = tmp_path / "recording.ndjson"
        file.write_bytes(content or "\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines).encode())
        where = "-" if stdin else str(file)
        found = CliRunner().invoke(
            app, [where, "--rules", str(tmp_path / "rule.yaml"), *options], input=file.read_bytes() if stdin else None
        )
        alerts = [json.loads(line) for line in found.stdout.splitlines()] if "--json" in options else []
        return found.exit_code, alerts, found.stderr if "--json" in options else found.stdout + found.stderr

    return run


def told(alerts):
    bodies = [(alert["@timestamp"][11:19], alert["rule"]["name"], alert["fenghuo"]["alert"]) for alert in alerts]
    return [(time, rule, body["state"], body["event_ids"]) for time, rule, body in bodies]


def test_alerts_name_the_events_that_made_them_and_resolve_after_the_end(play):
    code, alerts, err = play(
        denied(0, event={"action": "deny", "id": "a"}), denied(30, _id="b"), denied(31, "10.0.0.2")
    )
    assert code == 0
    assert told(alerts) == [
        ("08:00:00", "t.denied", "firing", ["a"]),
        ("08:00:30", "t.denied", "firing", ["b"]),
        ("08:00:31", "t.denied", "firing", ["line-3"]),
        ("08:01:30", "t.denied", "resolved", []),
        ("08:01:31", "t.denied", "resolved", []),
    ]
    assert "3 events, 0 readings, 0 lines refused" in err
    assert "1 opt-in rules did not run" in err


def test_without_draining_time_ends_with_the_last_line(play):
    _, alerts, _ = play(denied(0), options=("--json", "--no-drain"))
    assert [each[2] for each in told(alerts)] == ["firing"]


def test_what_is_printed_is_an_alert_as_a_store_has_it_and_is_the_same_each_time(play):
    first, second = (play(denied(0), denied(5))[1] for _ in range(2))
    assert first == second
    assert len({alert["event"]["id"] for alert in first}) == len(first)
    for alert in first:
        assert event_to_alert(Event(alert["event"]["id"], 0, alert)).rule_name == "t.denied"


def test_all_runs_the_opt_in_rules_and_those_of_the_collector_too(play):
    _, alerts, _ = play(denied(0), options=("--json", "--all", "--no-drain"))
    assert sorted(rule for _, rule, *_ in told(alerts)) == ["t.denied", "t.opt-in"]


def test_readings_are_judged_beside_events_and_the_end_of_the_file_is_no_silence(play):
    readings = [
        {"measurement": "s", "time": f"2026-03-02T08:0{m}:00Z", "labels": {"device": "x"}, "values": {"t": 31}}
        for m in range(3)
    ]
    _, alerts, err = play(*readings)
    assert [each[:3] for each in told(alerts)] == [
        ("08:01:00", "t.hot", "firing"),
        ("08:02:00", "t.hot", "resolved"),
    ]
    assert "0 events, 3 readings" in err


def test_a_silence_within_the_recording_is_told(play):
    lines = [
        {"measurement": "s", "time": f"2026-03-02T08:{m:02d}:00Z", "labels": {"device": "x"}, "values": {"t": 3}}
        for m in (0, 1, 30)
    ]
    _, alerts, _ = play(*lines)
    assert [each[:3] for each in told(alerts)] == [
        ("08:11:00", "t.silent", "firing"),
        ("08:30:00", "t.silent", "resolved"),
    ]


FEW = """\
title: Too few
id: 00000000-0000-4000-8000-000000000911
name: t.few
kind: frequency
where: {event.action: deny}
condition: value < 2
window: 1m
flap: false
---
title: No answer
id: 00000000-0000-4000-8000-000000000912
name: t.no-answer
kind: sequence
within: 1m
steps:
  - {name: ask, where: {event.action: deny}}
  - {name: answer, where: {event.action: allow}, not: true, within: 30s}
flap: false
"""


def test_after_the_end_too_few_is_no_alert_but_a_step_that_does_not_follow_is(play, tmp_path):
    (tmp_path / "rule.yaml").write_text(FEW)
    _, alerts, _ = play(denied(0), denied(30))
    assert [(time, rule) for time, rule, state, _ in told(alerts) if state == "firing"] == [
        ("08:00:30", "t.no-answer"),
        ("08:01:00", "t.no-answer"),
    ]


def test_after_the_end_what_fires_is_not_told_again_but_resolves(play, tmp_path):
    many = (
        FEW.split("---\n", maxsplit=1)[0]
        .replace("value < 2", "value >= 1")
        .replace("window", "level: {low: value >= 1, high: value >= 2}\nwindow")
    )
    (tmp_path / "rule.yaml").write_text(many)
    _, alerts, _ = play(denied(0), denied(30))
    levels = [alert["fenghuo"]["alert"]["level"] for alert in alerts]
    assert [state for _, _, state, _ in told(alerts)] == ["firing", "firing", "resolved"]
    assert levels[:2] == ["low", "high"]


def test_hits_of_a_search_are_taken_with_their_id(play):
    _, alerts, _ = play({"_index": "logs", "_id": "hit", "_source": denied(0)}, options=("--json", "--no-drain"))
    assert told(alerts) == [("08:00:00", "t.denied", "firing", ["hit"])]


@pytest.mark.parametrize(
    "line", ["{", "[1]", "null", '"x"', "{}", '{"@timestamp": "yesterday"}', '{"@timestamp": true}', "\x00", "[" * 5000]
)
def test_bad_lines_are_counted_and_told_and_stop_nothing(play, line):
    code, alerts, err = play(denied(0), line, "", denied(1))
    assert code == 0
    assert [each[2] for each in told(alerts)] == ["firing", "firing", "resolved"]
    assert "recording.ndjson:2: " in err
    assert "2 events, 0 readings, 1 lines refused" in err


def test_only_the_first_bad_lines_are_told_one_by_one(play):
    _, _, err = play(*["{"] * 100)
    assert err.count("recording.ndjson:") == 20
    assert "… and 80 more" in err


@pytest.mark.parametrize("values", [{"x": "text"}, {"x": True}, 5, {"x": [1]}, {"x": 10**400}, {"x": -1e300}])
def test_readings_whose_values_are_no_numbers_are_refused(play, values):
    code, _, err = play({"measurement": "m", "time": 1772438400, "labels": {}, "values": values})
    assert (code, "1 lines refused" in err) == (0, True)


def test_gzip_and_standard_input_are_read_alike(play):
    plain = "\n".join(json.dumps(denied(second)) for second in range(5)).encode()
    expected = play(content=plain)[1]
    assert len(expected) == 6
    assert play(content=gzip.compress(plain))[1] == expected
    assert play(content=plain, stdin=True)[1] == expected
    assert play(content=b"\xef\xbb\xbf" + plain)[1] == expected


def test_a_broken_gzip_file_is_told_and_what_came_before_it_is_judged(play):
    lines = [json.dumps(denied(second, note=random.Random(second).randbytes(2000).hex())) for second in range(50)]
    packed = gzip.compress("\n".join(lines).encode())
    code, alerts, err = play(content=packed[: len(packed) // 2])
    assert code == 0
    assert told(alerts)[0][2] == "firing"
    assert "the gzip file is broken here" in err


def test_a_packet_capture_is_named_as_what_it_is(play):
    assert "a packet capture" in play(content=b"\xd4\xc3\xb2\xa1\x02\x00")[2]


def test_the_clock_never_goes_back_and_lines_out_of_order_are_counted(play):
    _, _, err = play(denied(10), denied(5), denied(20))
    assert "1 lines were older than one before them" in err


@pytest.mark.parametrize("option", [("--sort",), ("--lateness", "30s")])
def test_sorting_and_lateness_give_what_the_right_order_gives(play, option):
    lines = [denied(second, f"10.0.0.{second % 3}", id=f"n{second}") for second in range(25)]
    expected = play(*lines)[1]
    random.Random(4).shuffle(lines)
    _, alerts, err = play(*lines, options=("--json", *option))
    assert told(alerts) == told(expected)
    assert "older" not in err


def test_more_lines_than_fit_in_memory_are_sorted_in_files(monkeypatch):
    monkeypatch.setattr("fenghuo.rules.tools.recording.RUN_LINES", 3)
    times = [5, 3, 3, 9, 1, 7, 2, 8, 2]
    lines = [Line("f", n, json.dumps({"@timestamp": t, "n": n}).encode() + b"\n") for n, t in enumerate(times)]
    found = [recorded.document["n"] for recorded in Recording().read(sort_lines(lines, Recording()))]
    assert found == sorted(range(9), key=lambda n: (times[n], n))


def test_a_line_that_is_too_long_is_refused_and_the_next_one_is_read(tmp_path):
    file = tmp_path / "long.ndjson"
    file.write_bytes(b"x" * 3_000_000 + b"\n" + b'{"@timestamp": 1}\n')
    recording = Recording()
    assert [event.time for event in recording.read(read_lines(str(file), recording))] == [1000]
    assert recording.refused == 1


def test_a_file_that_is_not_there_is_wrong_use(tmp_path):
    assert CliRunner().invoke(app, [str(tmp_path / "none")]).exit_code == 2


def test_wrong_rules_are_told_and_the_others_run(play, tmp_path):
    (tmp_path / "rule.yaml").write_text(RULE + "---\ntitle: x\nkind: nonsense\n")
    code, alerts, err = play(denied(0))
    assert code == 1
    assert "unknown kind 'nonsense'" in err
    assert alerts


def test_people_get_a_table(play):
    _, _, out = play(denied(0), options=())
    assert "2026-03-02T08:00:00.000Z  firing    medium         t.denied" in out
    assert "source_ip=10.0.0.1 · Denied · line-1" in out


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-03-02T08:00:00Z", 1772438400000),
        ("2026-03-02T16:00:00.123456789+08:00", 1772438400123),
        ("2026-03-02T16:00:00,5+0800", 1772438400500),
        ("2026-03-02 08:00:00", 1772438400000),
        ("2026-03-02t08:00:00z", 1772438400000),
        ("2016-12-31T23:59:60Z", 1483228800000),
        (1772438400, 1772438400000),
        (1772438400.25, 1772438400250),
        (1772438400250, 1772438400250),
        ("1772438400", 1772438400000),
    ],
)
def test_moments_are_read_in_every_usual_form(value, moment):
    assert parse_time(value) == moment


@pytest.mark.parametrize("value", ["", "x", -1, 1e30, float("nan"), [], "1969-12-31T23:59:59Z", "99999-01-01"])
def test_what_is_no_moment_is_refused(value):
    with pytest.raises((ValueError, OverflowError)):
        parse_time(value)


def test_ids_are_looked_for_in_order():
    def identified(document):
        return Recording().parse(Line("f", 7, json.dumps({"@timestamp": 1, **document}).encode())).id

    assert identified({"event": {"id": "a"}, "_id": "b", "id": "c"}) == "a"
    assert identified({"event.id": "a", "id": "c"}) == "a"
    assert identified({"_id": "b", "id": "c"}) == "b"
    assert identified({"id": 5}) == "5"
    assert identified({"event": "text"}) == "line-7"
    with pytest.raises(Refused):
        identified({"@timestamp": None})
