"""Every modifier of Sigma 2.1 (appendix "modifiers"), on events that it is meant for and events that it is not."""

import base64

import pytest

CASES = [
    # plain texts: the whole value, whatever the case
    ("a", "x", [{"a": "x"}, {"a": "X"}, {"a": ["y", "x"]}], [{"a": "xy"}, {"a": ""}, {"b": "x"}, {"a": None}]),
    ("a", ["x", "y"], [{"a": "x"}, {"a": "Y"}], [{"a": "z"}]),
    ("a", 22, [{"a": 22}, {"a": "22"}, {"a": 22.0}], [{"a": 222}, {"a": "022"}]),
    ("a", "22", [{"a": 22}], [{"a": 2}]),
    ("a", 1.5, [{"a": 1.5}, {"a": "1.5"}], [{"a": 1}]),
    ("a", True, [{"a": True}, {"a": "true"}, {"a": "True"}], [{"a": False}, {"a": 1}]),
    ("a", "", [{"a": ""}], [{"a": " "}, {}, {"a": None}]),
    ("a", None, [{}, {"a": None}, {"b": 1}], [{"a": ""}, {"a": 0}, {"a": "x"}]),
    ("a", "学校", [{"a": "学校"}], [{"a": "学"}]),
    # nested and dotted names
    ("a.b", "x", [{"a": {"b": "x"}}, {"a.b": "x"}], [{"a": "x"}, {"b": "x"}]),
    # wildcards
    ("a", "x*", [{"a": "x"}, {"a": "xyz"}], [{"a": "yx"}]),
    ("a", "*x", [{"a": "x"}, {"a": "yx"}], [{"a": "xy"}]),
    ("a", "x*z", [{"a": "xz"}, {"a": "xyyz"}, {"a": "x\nz"}], [{"a": "xzy"}]),
    ("a", "x?z", [{"a": "xyz"}], [{"a": "xz"}, {"a": "xyyz"}]),
    ("a", "*", [{"a": "x"}, {"a": ""}], [{}, {"a": None}]),
    ("a", "a.c", [{"a": "a.c"}], [{"a": "abc"}]),
    # the backslash takes a wildcard's meaning, and stands for itself before anything else
    ("a", r"x\*", [{"a": "x*"}], [{"a": "xy"}, {"a": r"x\y"}]),
    ("a", r"x\?", [{"a": "x?"}], [{"a": "xy"}]),
    ("a", r"C:\dir\file", [{"a": r"C:\dir\file"}], [{"a": "C:dirfile"}]),
    ("a", r"x\\*", [{"a": "x\\y"}, {"a": "x\\"}], [{"a": "x*"}, {"a": "xy"}]),
    ("a", r"x\\\*", [{"a": r"x\*"}], [{"a": r"x\y"}]),
    ("a", r"\\\\host", [{"a": r"\\host"}], [{"a": r"\host"}]),
    # affixes
    ("a|startswith", "x", [{"a": "xyz"}, {"a": "XY"}], [{"a": "yx"}]),
    ("a|endswith", ["x", "y"], [{"a": "ay"}, {"a": "AX"}], [{"a": "xa"}]),
    ("a|contains", "x", [{"a": "axb"}, {"a": "x"}], [{"a": "y"}]),
    ("a|contains", "x?z", [{"a": "1xyz2"}], [{"a": "xz"}]),
    ("a|contains|all", ["x", "y"], [{"a": "y..x"}], [{"a": "x"}, {"a": "y"}]),
    ("a|all|contains", ["x", "y"], [{"a": "y..x"}], [{"a": "x"}]),
    ("a|startswith", 80, [{"a": 8080}, {"a": "80/tcp"}], [{"a": 180}]),
    # case
    ("a|cased", "Xy", [{"a": "Xy"}], [{"a": "xy"}]),
    ("a|contains|cased", "Xy", [{"a": "aXyb"}], [{"a": "axyb"}]),
    ("a|cased|startswith", "Xy", [{"a": "Xyb"}], [{"a": "xyb"}]),
    # absence and presence
    ("a|exists", True, [{"a": 1}, {"a": None}, {"a": ""}], [{"b": 1}]),
    ("a|exists", False, [{"b": 1}], [{"a": 1}, {"a": None}]),
    # neq
    ("a|neq", "x", [{"a": "y"}, {}], [{"a": "x"}, {"a": "X"}]),
    ("a|neq", ["x", "y"], [{"a": "z"}], [{"a": "x"}, {"a": "y"}]),
    ("a|contains|neq", "x", [{"a": "y"}], [{"a": "axb"}]),
    ("a|neq|cidr", "10.0.0.0/8", [{"a": "11.0.0.1"}], [{"a": "10.1.1.1"}]),
    ("a|neq", 5, [{"a": 6}], [{"a": 5}, {"a": "5"}]),
    # dashes of command lines
    (
        "a|windash|contains",
        " -f",
        [{"a": "x -f"}, {"a": "x /f"}, {"a": "x –f"}, {"a": "x —f"}, {"a": "x ―f"}],
        [{"a": "xf"}],
    ),
    ("a|contains|windash", "-a -b", [{"a": "/a -b"}, {"a": "–a /b"}], [{"a": "a b"}]),
    # regular expressions
    ("a|re", "^x.z$", [{"a": "xyz"}], [{"a": "xyzz"}, {"a": "XYZ"}, {"a": "x\nz"}]),
    ("a|re", "x{2,3}", [{"a": "axxb"}], [{"a": "axb"}]),
    ("a|re", ["^x", "y$"], [{"a": "xa"}, {"a": "ay"}], [{"a": "axa"}]),
    ("a|re|i", "^x.z$", [{"a": "XYZ"}], [{"a": "xz"}]),
    ("a|re|m", "^b$", [{"a": "a\nb\nc"}], [{"a": "ab"}]),
    ("a|re|s", "^a.b$", [{"a": "a\nb"}], [{"a": "ab"}]),
    ("a|re|i|s", "^A.B$", [{"a": "a\nb"}], [{"a": "ab"}]),
    ("a|re", r"\\d\d\.", [{"a": r"\d5."}], [{"a": "55."}]),
    ("a|re|contains", "b.d", [{"a": "abcde"}], [{"a": "abd"}]),
    # encodings
    ("a|base64", "ping", [{"a": base64.b64encode(b"ping").decode()}], [{"a": "ping"}]),
    ("a|base64|contains", "ping", [{"a": "x" + base64.b64encode(b"ping").decode()}], [{"a": "cGlu"}]),
    (
        "a|wide|base64|contains",
        "ping",
        [{"a": base64.b64encode("ping".encode("utf-16le")).decode()}],
        [{"a": "cGluZw=="}],
    ),
    ("a|utf16le|base64|contains", "ping", [{"a": base64.b64encode("ping".encode("utf-16le")).decode()}], [{"a": "x"}]),
    (
        "a|utf16be|base64|contains",
        "ping",
        [{"a": base64.b64encode("ping".encode("utf-16be")).decode()}],
        [{"a": base64.b64encode("ping".encode("utf-16le")).decode()}],
    ),
    (
        "a|utf16|base64|contains",
        "ping",
        [{"a": base64.b64encode(b"\xff\xfe" + "ping".encode("utf-16le")).decode()}],
        [{"a": base64.b64encode("ping".encode("utf-16le")).decode()}],
    ),
    ("a|wide|base64|contains", "密码", [{"a": base64.b64encode("密码".encode("utf-16le")).decode()}], [{"a": "x"}]),
    (
        "a|utf16be|base64offset|contains",
        "密码",
        [{"a": base64.b64encode(b"ab" + "密码".encode("utf-16be") + b"zz").decode()}],
        [{"a": "x"}],
    ),
    ("a|wide|contains", "ab", [{"a": "xa\0b\0"}], [{"a": "ab"}]),
    # numbers
    ("a|lt", 5, [{"a": 4}, {"a": "4.5"}, {"a": -1}], [{"a": 5}, {"a": "x"}, {}]),
    ("a|lte", 5, [{"a": 5}, {"a": 4}], [{"a": 5.1}]),
    ("a|gt", 5, [{"a": 6}, {"a": [1, 9]}], [{"a": 5}, {"a": None}]),
    ("a|gte", 5.5, [{"a": 5.5}, {"a": 6}], [{"a": 5}]),
    # times, as they are written
    ("a|minute", 30, [{"a": "2025-08-02T14:30:00Z"}], [{"a": "2025-08-02T14:31:00Z"}, {"a": "soon"}]),
    ("a|hour", 14, [{"a": "2025-08-02T14:30:00+08:00"}], [{"a": "2025-08-02T06:30:00Z"}]),
    ("a|hour", [1, 2], [{"a": "2025-08-02T02:30:00Z"}], [{"a": "2025-08-02T03:30:00Z"}]),
    ("a|hour|gte", 22, [{"a": "2025-08-02T23:30:00Z"}], [{"a": "2025-08-02T21:59:59Z"}]),
    ("a|hour|lt", 6, [{"a": "2025-08-02T05:59:59Z"}], [{"a": "2025-08-02T06:00:00Z"}]),
    ("a|day", 2, [{"a": "2025-08-02"}], [{"a": "2025-08-03"}]),
    ("a|week", 31, [{"a": "2025-08-02T14:30:00Z"}], [{"a": "2025-08-12T14:30:00Z"}]),
    ("a|month", 8, [{"a": "2025-08-02T14:30:00Z"}, {"a": 1754145000}], [{"a": "2025-09-02T14:30:00Z"}]),
    ("a|year", 2025, [{"a": "2025-08-02T14:30:00Z"}, {"a": 1754145000000}], [{"a": "2024-08-02T14:30:00Z"}]),
    # networks
    (
        "a|cidr",
        "10.0.0.0/8",
        [{"a": "10.1.2.3"}, {"a": "::ffff:10.1.2.3"}],
        [{"a": "11.1.2.3"}, {"a": "10.1.2"}, {"a": "x"}],
    ),
    ("a|cidr", ["10.0.0.0/8", "192.168.0.0/16"], [{"a": "192.168.9.9"}], [{"a": "8.8.8.8"}]),
    ("a|cidr", "fe80::/10", [{"a": "fe80::1"}, {"a": "fe80::1%eth0"}], [{"a": "2001:db8::1"}, {"a": "10.0.0.1"}]),
    # other fields of the same event
    (
        "a|fieldref",
        "b",
        [{"a": "x", "b": "x"}, {"a": "X", "b": "x"}],
        [{"a": "x", "b": "y"}, {"a": "x"}, {"b": "x"}, {}],
    ),
    ("a|fieldref|neq", "b", [{"a": "x", "b": "y"}], [{"a": "x", "b": "x"}]),
    ("a|fieldref|startswith", "b", [{"a": "xy", "b": "x"}], [{"a": "yx", "b": "x"}]),
    ("a|fieldref|endswith", "b", [{"a": "yx", "b": "x"}], [{"a": "xy", "b": "x"}]),
    ("a|fieldref|contains", "b", [{"a": "1x2", "b": "x"}], [{"a": "12", "b": "x"}]),
]


@pytest.mark.parametrize(
    ("key", "value", "hits", "misses"), CASES, ids=[f"{key}: {value!r}" for key, value, *_ in CASES]
)
def test_a_modifier_matches_what_the_specification_says(matches, key, value, hits, misses):
    detection = {"selection": {key: value}, "condition": "selection"}
    for event in hits:
        assert matches(detection, event), event
    for event in misses:
        assert not matches(detection, event), event


def test_base64offset_finds_a_text_wherever_it_stands_in_the_encoded_one(matches):
    detection = {"selection": {"a|base64offset|contains": "/bin/bash"}, "condition": "selection"}
    for before in (b"", b"x", b"xy", b"xyz"):
        assert matches(detection, {"a": base64.b64encode(before + b"/bin/bash -i").decode()})
    assert not matches(detection, {"a": base64.b64encode(b"/bin/dash").decode()})


def test_a_placeholder_stands_for_its_configured_values_and_patterns(matches):
    options = {"placeholders": {"Servers": ["srv*", "nas"], "one": ["b"]}}
    detection = {"selection": {"host|expand": "%Servers%"}, "condition": "selection"}
    assert matches(detection, {"host": "srv12"}, options=options)
    assert matches(detection, {"host": "NAS"}, options=options)
    assert not matches(detection, {"host": "pc1"}, options=options)
    within = {"selection": {"a|expand|contains": "x%one%z"}, "condition": "selection"}
    assert matches(within, {"a": "1xbz2"}, options=options)
    assert not matches(within, {"a": "1x%one%z2"}, options=options)


def test_an_escaped_percent_sign_is_one_although_placeholders_are_expanded(matches):
    options = {"placeholders": {"name": ["x"], "plain": ["wrong"]}}
    detection = {"selection": {"a|expand": r"\%plain%name%"}, "condition": "selection"}
    assert matches(detection, {"a": "%plainx"}, options=options)
    regex = {"selection": {"a|re|expand": r"^\%%name%+$"}, "condition": "selection"}
    assert matches(regex, {"a": "%xxx"}, options=options)
    assert not matches(regex, {"a": "xxx"}, options=options)


@pytest.mark.parametrize("key", ["ip|cidr|expand", "ip|expand|cidr", "ip|neq|cidr|expand"])
def test_a_placeholder_may_stand_for_networks(matches, key):
    options = {"placeholders": {"home": ["10.0.0.0/8", "fd00::/8"]}}
    detection = {"selection": {key: ["%home%", "192.168.0.0/16"]}, "condition": "selection"}
    truth = [
        matches(detection, {"ip": ip}, options=options) for ip in ("10.1.1.1", "fd00::1", "192.168.1.1", "8.8.8.8")
    ]
    assert truth == ([False, False, False, True] if "neq" in key else [True, True, True, False])


def test_a_percent_sign_without_expand_is_one(matches):
    assert matches({"selection": {"a": "%one%"}, "condition": "selection"}, {"a": "%one%"})


def test_all_with_placeholders_needs_one_value_of_each(matches):
    options = {"placeholders": {"a": ["x", "y"], "b": ["1", "2"]}}
    detection = {"selection": {"f|expand|contains|all": ["%a%", "%b%"]}, "condition": "selection"}
    assert matches(detection, {"f": "y1"}, options=options)
    assert not matches(detection, {"f": "xy"}, options=options)


def test_a_rule_with_an_unconfigured_placeholder_is_told_as_inapplicable(read):
    result = read(
        """
title: jump
logsource: {category: authentication}
detection:
  s: {host.name|expand: '%JumpServers%'}
  condition: s
"""
    )
    assert [one.reason for one in result.inapplicable] == ["no values are configured for its placeholder %JumpServers%"]


@pytest.mark.parametrize("pattern", ["(?=x)y", r"(a)\1", "(?<!x)y", "x" * 3000])
def test_a_regular_expression_without_linear_time_is_told_as_inapplicable(read, pattern):
    result = read(f"""
title: look
logsource: {{category: dns}}
detection:
  s: {{query|re: '{pattern}'}}
  condition: s
""")
    assert not result.rules
    assert not result.problems
    assert result.inapplicable[0].reason.startswith("its regular expression ")
    assert "linear" in result.inapplicable[0].reason or "characters" in result.inapplicable[0].reason


def test_too_many_dashes_are_told_as_inapplicable(read):
    result = read("""
title: dashes
logsource: {category: dns}
detection:
  s: {query|windash: '-a -b -c -d -e'}
  condition: s
""")
    assert "three dash" in result.inapplicable[0].reason


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("a|contians", "x", "unknown modifier 'contians'"),
        ("a|cidr", "10.0.0.1/8", "has host bits set"),
        ("a|cidr", "x", "CIDR"),
        ("a|lt", "x", "incompatible"),
        ("a|re", "(", "invalid"),
        ("a|exists", "yes", "incompatible"),
        ("a|hour", "late", "incompatible"),
        ("a|base64", "x*", "wildcards"),
        ("a|startswith", None, "null"),
        ("a", {"b": 1}, "expected a text"),
        ("a", [["x"]], "expected a text"),
        ("|exists", True, "Exists modifier must be applied to field"),
        ("a|re|cidr", "x", ""),
    ],
)
def test_a_mistake_is_told_at_the_key_it_stands_at(read, key, value, message):
    import json

    result = read(
        json.dumps(
            {
                "title": "t",
                "logsource": {"category": "dns"},
                "detection": {"s": {key: value}, "condition": "s"},
            }
        )
    )
    assert not result.rules
    assert [problem.place.column for problem in result.problems] == [3]
    assert message in result.problems[0].message
    assert result.problems[0].message.startswith(f"detection.s.{key}: ")
    assert result.refused[0].title == "t"
