from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.errors import Located
from fenghuo.packs import packs_path
from fenghuo.rules import load_rules, read_rules
from fenghuo.rules.files.load import parse_rules

GOOD = """\
title: Server room too hot
id: 11111111-0000-4000-8000-000000000001
name: environment.server-room-hot
kind: threshold
data: sensor_temperature_celsius
where: {location: server-room, ifIndex: 3}
condition: value > 32
for: 5m
clear: value < 30 for 10m
level: {high: value > 32, critical: value > 38}
message: "{device} at {value:.1f} °C for {for}"
tests:
  - title: hot
    input: [{every: 1m, until: 10m, device: t1, sensor_temperature_celsius: 35}]
    expect: []
"""


def problems_of(text):
    rules, problems = parse_rules(text.encode(), "rule.yaml")
    assert not (rules and problems)
    return [str(problem) for problem in problems]


def test_a_good_rule_has_no_problems():
    assert problems_of(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("kind: threshold", "kind: thresold", r"rule.yaml:4:7: unknown kind 'thresold' \(did you mean 'threshold'\?"),
        ("kind: threshold\n", "", r"rule.yaml:1:1: 'kind' is missing \(allowed: .*threshold"),
        ("for: 5m", "fro: 5m", r"rule.yaml:8:1: unknown key 'fro' \(did you mean 'for'\?"),
        ("for: 5m", "for: 5m\nlateness: 2h", r"rule.yaml:9:11: lateness: must be at most 1h$"),
        ("for: 5m", "for: 5 parsecs", r"rule.yaml:8:6: for: expected a duration"),
        ("condition: value > 32", "condition: value >> 32", r"rule.yaml:7:19: condition: unexpected '>'"),
        ("condition: value > 32", "condition: value", r"rule.yaml:7:12: condition: a condition is wanted here"),
        ("condition: value > 32\n", "", r"rule.yaml:1:1: 'condition' is missing"),
        ("data: sensor_temperature_celsius", "data: a > 3", r"rule.yaml:5:7: data: a number is wanted here"),
        ("clear: value < 30 for 10m", "clear: value < 30 for 10x", r"rule.yaml:9:23: clear: expected a duration"),
        ("high: value > 32", "high: value > ", r"rule.yaml:10:22: level.high: .*(ends here|expected)"),
        ("high: value", "hihg: value", r"level.hihg: expected 'informational'"),
        ("{high: value > 32, critical: value > 38}", "huge", r"rule.yaml:10:8: level: "),
        ("{high: value > 32, critical: value > 38}", "{}", r"rule.yaml:10:8: level: no level is named"),
        ("{value:.1f}", "{value.__class__}", r"rule.yaml:11:10: message: \{value.__class__\} is no plain name"),
        ("{value:.1f}", "{device._x}", r"rule.yaml:11:10: message: \{device._x\} is no plain name"),
        ("{value:.1f}", "{0}", r"rule.yaml:11:10: message: \{0\} is no plain name"),
        ("{value:.1f}", "{value[0]}", r"message: \{value\[0\]\} is no plain name"),
        ("{value:.1f}", "{value!r}", r"message: \{value!r\}: conversions"),
        ("{value:.1f}", "{value:{for}}", r"message: .* no number format"),
        ("{value:.1f}", "{value:99999999f}", r"message: .* no number format"),
        ("{value:.1f}", "{value", r"message: "),
        ("id: 11111111-0000-4000-8000-000000000001", "id: 7", r"rule.yaml:2:5: id: expected a UUID"),
        ("environment.server-room-hot", "Server Room", r"rule.yaml:3:7: name: expected small letters and digits"),
        ("until: 10m, ", "", r"rule.yaml:14:13: tests.0.input.0: 'every' needs 'until'"),
        ("every: 1m, until: 10m", "device: t2", r"tests"),
        (
            "sensor_temperature_celsius: 35}",
            "sensor_temperature_celsius: [35, x]}",
            r"rule.yaml:14:13: tests.0.input.0: sensor",
        ),
        ("sensor_temperature_celsius: 35}", "}", r"no value is given"),
        ("every: 1m, until: 10m", "every: 1ms, until: 10d", r"more than 100000 readings"),
        ("title: Server room too hot", "title: [a]", r"rule.yaml:1:(1|8): title: expected text"),
        ("title: Server room too hot", "\ttitle: a", r"rule.yaml:1:1: a tab"),
        ("title: hot", "title: hot: cold", r"rule.yaml:13:"),
        ("where: {location: server-room, ifIndex: 3}", "where: {location: {a: b}}", r"rule.yaml:6:"),
        ("kind: threshold", "kind: change\nlasts: 1m", r"'lasts' is for rules without a clear condition"),
        ("kind: threshold", "kind: absence", r"unknown key 'condition'"),
    ],
)
def test_a_mistake_is_located_and_explained(old, new, wanted):
    assert old in GOOD
    problems = problems_of(GOOD.replace(old, new, 1))
    assert any(re.match(wanted if wanted.startswith("rule") else f".*{wanted}", problem) for problem in problems), (
        problems
    )


def test_all_mistakes_of_all_files_come_at_once_in_reading_order(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD.replace("for: 5m", "for: x").replace("value > 38", "value >> 38"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yml").write_text(
        "# a comment\n---\n" + GOOD.replace("condition: value > 32", "condition: value")
    )
    (tmp_path / "c.yaml").write_bytes(b"title: \xff\n")
    (tmp_path / "readme.txt").write_text("no rule")
    with pytest.raises(Located) as caught:
        load_rules([tmp_path])
    places = [str(problem.place).removeprefix(str(tmp_path)) for problem in caught.value.problems]
    assert places == ["/a.yaml:8:6", "/a.yaml:10:44", "/c.yaml:1:8", "/sub/b.yml:9:12"]


def test_ids_and_names_are_unique_over_all_files(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    found, problems = read_rules([tmp_path])
    assert [problem.message for problem in problems] == [
        "id '11111111-0000-4000-8000-000000000001' is taken",
        "name 'environment.server-room-hot' is taken",
    ]
    assert [rule.place.file for rule in found.rules] == [str(tmp_path / "a.yaml")]
    assert [item.place.file for item in found.refused] == [str(tmp_path / "b.yaml")]


def test_a_rule_that_ships_has_tests(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD.partition("tests:")[0])
    assert load_rules([tmp_path]).rules
    with pytest.raises(Located, match="has no tests"):
        load_rules([tmp_path], require_tests=True)


def test_tests_that_are_not_wanted_are_passed_over(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (rule,) = load_rules([tmp_path], keep_tests=False, require_tests=True).rules
    assert not rule.tests
    (kept,) = load_rules([tmp_path]).rules
    assert kept.tests
    assert rule.section == kept.section.model_copy(update={"tests": []})
    for wrong in (GOOD.replace("expect:", "expected:"), GOOD.replace("until: 10m, ", "")):
        for text in (wrong, wrong.replace("title: S", "title: &a S")):
            (tmp_path / "a.yaml").write_text(text)
            with pytest.raises(Located, match=r"tests"):
                load_rules([tmp_path])
            assert load_rules([tmp_path], keep_tests=False).rules
    (tmp_path / "a.yaml").write_text(GOOD.replace("expect: []", "expect: []\n    expect: []"))
    with pytest.raises(Located, match="stands twice"):
        load_rules([tmp_path], keep_tests=False)


def test_rules_that_wait_for_each_other_or_for_nobody_are_refused(tmp_path):
    one = GOOD + "suppress_if: {rules: [b]}\n"
    other = (
        GOOD.replace("000001", "000002").replace("environment.server-room-hot", "b")
        + "suppress_if: {rules: environment.server-room-hot}\n"
    )
    (tmp_path / "a.yaml").write_text(one + "---\n" + other)
    with pytest.raises(Located, match=r"suppress_if: a circle: b → environment.server-room-hot → b"):
        load_rules([tmp_path])
    (tmp_path / "a.yaml").write_text(one)
    with pytest.raises(Located, match="no rule is named 'b'"):
        load_rules([tmp_path])
    assert load_rules([tmp_path], known=["b"]).rules


SIGMA = """\
title: A name that resolves to a miner
id: 5f1d9c4e-0000-4000-8000-000000000001
name: dns_miner
status: test
logsource: {category: dns}
detection:
  selection: {query|endswith: .pool.example}
  condition: selection
level: high
"""
CORRELATION = """\
title: Many miners
id: 5f1d9c4e-0000-4000-8000-000000000002
correlation:
  type: event_count
  rules: dns_miner
  group-by: [src_ip]
  timespan: 5m
  condition: {gte: 10}
"""


def test_sigmas_documents_of_all_files_are_rules_as_they_stand(tmp_path):
    (tmp_path / "a.yml").write_text(CORRELATION)
    (tmp_path / "b.yml").write_text(GOOD + "---\n" + SIGMA)
    rules = load_rules([tmp_path]).rules
    assert [(rule.place.file[-5:], rule.place.line, rule.kind) for rule in rules] == [
        ("a.yml", 1, "frequency"),
        ("b.yml", 1, "threshold"),
        ("b.yml", 17, "match"),
    ]


def test_a_sigma_document_that_is_wrong_is_refused_at_its_place(tmp_path):
    (tmp_path / "a.yml").write_text(GOOD + "---\n" + SIGMA.replace("condition: selection", "condition: selektion"))
    found, problems = read_rules([tmp_path])
    assert [problem.place.line for problem in problems] == [24]
    assert [item.title for item in found.refused] == ["A name that resolves to a miner"]


def test_a_sigma_document_of_a_source_that_we_do_not_have_is_listed_with_the_reason(tmp_path):
    (tmp_path / "a.yml").write_text(SIGMA.replace("{category: dns}", "{product: windows, service: security}"))
    found, problems = read_rules([tmp_path])
    assert not problems
    assert not found.rules
    (item,) = found.inapplicable
    assert item.title == "A name that resolves to a miner"
    assert item.reason


def test_a_set_without_sigma_documents_loads_nothing_of_sigma():
    script = (
        "import sys; from fenghuo.packs import packs_path; from fenghuo.rules import load_rules;"
        "load_rules([packs_path() / 'environment']); print([name for name in sys.modules if 'sigma' in name])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_path_that_is_not_there_is_a_problem(tmp_path):
    with pytest.raises(Located, match=r"gone.yaml: cannot read the file"):
        load_rules([tmp_path / "gone.yaml"])


def test_what_is_no_regular_file_is_a_problem_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    found, problems = read_rules([tmp_path / f"{name}.yaml" for name in ("pipe", "loop", "zero")])
    assert not found.rules
    assert [str(problem).removeprefix(str(tmp_path)) for problem in problems] == [
        "/pipe.yaml: cannot read the file: it is no regular file",
        "/loop.yaml: cannot read the file: Too many levels of symbolic links",
        "/zero.yaml: cannot read the file: it is no regular file",
    ]
    assert [rule.name for rule in load_rules([tmp_path]).rules] == ["environment.server-room-hot"]


def test_a_bomb_of_aliases_is_refused():
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12))
    assert "values" in problems_of(f"kind: threshold\na0: &a0 [x]\n{levels}\n")[0]


HOSTILE = {
    "an alias within its own anchor": (
        "data: sensor_temperature_celsius",
        "data: &a [*a]",
        ":5:7: nested deeper than 40",
    ),
    "depth": ("where: {", f"where: {'{a: ' * 50}{{", ":6:164: nested deeper than 40 levels"),
    "depth by lists": ("data: s", "data: " + "[" * 100_000, ":5:46: nested deeper than 40 levels"),
    "size": ("title: S", "title: " + "x" * 10_000_000, "rule.yaml: the file is larger than 1 MiB"),
    "many values": ("tests:", "x: [" + "1," * 120_000 + "]\ntests:", ":12:4: more than 100000 values"),
    "an object's insides": ("{device}", "{device.__class__}", r":11:10: message: {device.__class__} is no plain name"),
    "a position": ("{device}", "{0}", ":11:10: message: {0} is no plain name"),
    "an empty position": ("{device}", "{}", ":11:10: message: {} is no plain name"),
    "an index": ("{device}", "{device[0]}", ":11:10: message: {device[0]} is no plain name"),
    "a conversion": ("{device}", "{device!r}", ":11:10: message: {device!r}: conversions are not allowed"),
    "a nested field": ("{device}", "{device:{for}}", ":11:10: message: {device:{for}}: no number format"),
    "a width that fills the memory": (
        "{device}",
        "{device:999999999}",
        ":11:10: message: {device:999999999}: no number format",
    ),
    "a dotted way into an object": (
        "{device}",
        "{source.__init__.x}",
        ":11:10: message: {source.__init__.x} is no plain name",
    ),
    "a value's insides": ("{device}", "{value.real}", ":11:10: message: {value.real}: 'value' is a single value"),
    "an underscore before": ("{device}", "{__class__}", ":11:10: message: {__class__} is no plain name"),
    "an underscore in between": ("{device}", "{source._ip}", ":11:10: message: {source._ip} is no plain name"),
    "a long expression": (
        "condition: value > 32",
        "condition: value > " + "1+" * 600 + "1",
        "condition: must have at most 1000 characters",
    ),
    "a deep expression": (
        "condition: value > 32",
        "condition: " + "(" * 40 + "value > 1" + ")" * 40,
        "too many nested parentheses",
    ),
    "an endless regular expression": (
        "kind: threshold\ndata: sensor_temperature_celsius\nwhere: {location: server-room, ifIndex: 3}\ncondition: value > 32\nfor: 5m\nclear: value < 30 for 10m\nlevel: {high: value > 32, critical: value > 38}",
        "kind: match\ndataset: x\nwhere:\n  user.name|re: '^(a+)+$'\n\nlasts: 1m\nlevel: high",
        ":7:17: where.user.name|re: a repetition of nothing but a repetition",
    ),
    "a regular expression that is not linear": (
        "kind: threshold\ndata: sensor_temperature_celsius\nwhere: {location: server-room, ifIndex: 3}\ncondition: value > 32\nfor: 5m\nclear: value < 30 for 10m\nlevel: {high: value > 32, critical: value > 38}",
        "kind: match\ndataset: x\nwhere:\n  user.name|re: '^(a+)b\\1$'\n\nlasts: 1m\nlevel: high",
        ":7:17: where.user.name|re: no regular expression that runs in linear time",
    ),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_what_is_hostile_is_refused_at_its_place(attack):
    old, new, wanted = HOSTILE[attack]
    text = GOOD.replace("title: Server", "title: S", 1) if attack == "size" else GOOD
    assert old in text
    began = time.process_time()
    problems = problems_of(text.replace(old, new, 1))
    assert any(wanted in problem for problem in problems), [problem[:300] for problem in problems]
    assert time.process_time() - began < 10


@pytest.mark.parametrize("length", [1, 2, 5])
def test_composites_that_stand_on_each_other_are_refused_and_the_circle_is_named(tmp_path, length):
    frame = "title: C\nid: 11111111-0000-4000-8000-00000000000{0}\nname: c{0}\nkind: composite\nof: [c{1}, hot]\n"
    circle = [frame.format(number, (number + 1) % length) for number in range(length)]
    hot = GOOD.replace("environment.server-room-hot", "hot").replace("000001", "000009")
    (tmp_path / "a.yaml").write_text("---\n".join([hot, *circle]))
    found, problems = read_rules([tmp_path])
    assert [rule.name for rule in found.rules] == ["hot"]
    assert len(problems) == len(found.refused) == length
    if length > 1:
        way = " → ".join(f"c{number}" for number in [*range(length), 0])
        assert problems[0].message == f"a circle: {way}"
        assert (problems[0].place.line, problems[0].place.column) == (21, 6)
    else:
        assert "its own alerts" in problems[0].message


def test_a_composite_of_a_rule_that_is_not_there_is_refused_at_its_name(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "title: C\nid: 11111111-0000-4000-8000-000000000002\nname: c\nkind: composite\nof:\n  - environment.server-room-hott\n"
        "---\n" + GOOD
    )
    _, (problem,) = read_rules([tmp_path])
    assert str(problem).endswith(
        "a.yaml:6:5: no rule is named 'environment.server-room-hott' (did you mean 'environment.server-room-hot'?)"
    )


def test_a_rule_that_is_not_there_is_refused_at_the_condition_that_names_it_not_at_a_test(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "title: C\nid: 11111111-0000-4000-8000-000000000002\nname: c\nkind: composite\ncondition: a.b and not a.c\n"
        "group_by: [device]\ntests:\n  - title: x\n    input: [{at: 0s, alert: {rule: a.b, device: d}}]\n    expect: []\n"
    )
    _, problems = read_rules([tmp_path])
    assert [str(problem).partition("a.yaml:")[2] for problem in problems] == [
        "5:12: no rule is named 'a.b'",
        "5:12: no rule is named 'a.c'",
    ]


SHIPPED = [
    document
    for file in sorted(packs_path().rglob("*.yaml"))
    for document in file.read_text().split("\n---\n")
    if "calendars" not in file.parts
]


def mutations(count):
    """Shipped rules with a line lost, doubled or moved, characters exchanged, words swapped between rules."""
    chance = random.Random(4)
    words = sorted({word for text in SHIPPED for word in re.findall(r"[\w.]+|[^\w\s]", text)})
    for number in range(count):
        text = chance.choice(SHIPPED)
        lines = text.split("\n")
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(lines))
            match chance.randrange(6):
                case 0:
                    del lines[place]
                case 1:
                    lines.insert(chance.randrange(len(lines)), lines[place])
                case 2:
                    lines[place] = lines[place].replace(
                        chance.choice(" :{}[],'\""), chance.choice(" :{}[],'\"&*!|>-"), 1
                    )
                case 3:
                    parts = re.split(r"([\w.]+)", lines[place])
                    parts[chance.randrange(len(parts))] = chance.choice(words)
                    lines[place] = "".join(parts)
                case 4:
                    lines[place] = lines[place][: chance.randrange(len(lines[place]) + 1)]
                case _:
                    lines[place] = "  " + lines[place]
            lines = lines or [""]
        yield pytest.param("\n".join(lines), id=str(number))


@pytest.mark.parametrize("text", list(mutations(300)))
def test_a_damaged_rule_is_loaded_or_refused_with_its_place(text):
    rules, problems = parse_rules(text.encode(errors="surrogatepass"), "rule.yaml")
    for problem in problems:
        assert problem.place.file == "rule.yaml"
        assert problem.place.line >= 1
        assert problem.message
        assert "\n" not in str(problem)
    assert rules or problems


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "title",
    "id",
    "name",
    "kind",
    "data",
    "condition",
    "where",
    "for",
    "clear",
    "level",
    "message",
    "tests",
    "flap",
    "suppress_if",
    "limits",
    "group_by",
    "lateness",
    "labels",
    "tags",
    "runbook",
    "culprit",
]


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(KEYS), JSONISH)
def test_any_value_at_any_key_is_taken_or_refused(key, value):
    document = yaml.safe_load(GOOD)
    document[key] = value
    rules, problems = parse_rules(
        yaml.safe_dump(document, allow_unicode=True).encode(errors="surrogatepass"), "rule.yaml"
    )
    assert len(rules) == 1 or problems or key == "kind"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(content):
    parse_rules(content, "rule.yaml")


def test_a_rule_that_stands_in_the_base_too_is_meant_as_it_stands_here(tmp_path):
    for folder in ("shipped", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rule.yaml").write_text(GOOD)
    (tmp_path / "mine" / "other.yaml").write_text("overlay: environment.server-room-hot\nfor: 7m\n")
    found, problems = read_rules([tmp_path / "mine"], base=[tmp_path / "shipped"])
    assert problems == []
    assert [(rule.place.file, rule.holds.fire) for rule in found.rules] == [
        (str(tmp_path / "mine" / "rule.yaml"), 420_000)
    ]
