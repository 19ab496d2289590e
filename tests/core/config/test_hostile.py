"""Whatever the bytes, a configuration is valid or every problem has its place: never another exception."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from school import School, read

from fenghuo.config import parse
from fenghuo.errors import Located

VALID = """\
# A school's file, with all that YAML offers.
site: bj/haidian/zgc-no1
name: "gw1"
port: ${PORT}
ratio: 1.5e-3
enabled: yes
cap: 64MiB
interfaces: [eth0, 'eth1']
labels: &labels {building: library, floor: "3"}
anything:
  <<: *labels
  text: |
    two
    lines
  folded: >-
    one
    line
token: ${TOKEN}
inputs:
  snmp:
    discover: [10.20.0.0/22]
    interval: 1m30s
    version: 3
    credentials:
      - community: public
      - user: monitor
        auth: {sha256: "${TOKEN}"}
  sensors:
    - {kind: broker, url: mqtt://127.0.0.1}
    - kind: replay
      file: recording.ndjson
"""
ENV = {"PORT": "8883", "TOKEN": "hunter2-correct-horse"}
MALFORMED = 240


def outcome(content: bytes) -> School | Located:
    """What `parse` makes of it; any exception but `Located` fails the test."""
    try:
        return parse(content, School, env=ENV, file="school.yaml", folder=Path("/nonexistent"))
    except Located as error:
        return error


def assert_well_told(error: Located) -> None:
    assert error.problems
    for problem in error.problems:
        assert problem.message
        assert problem.message.isprintable()
        assert "hunter2" not in str(problem)
        assert problem.place.file == "school.yaml"
    places = [(problem.place.line, problem.place.column) for problem in error.problems]
    assert places == sorted(places)


def test_the_file_to_be_mangled_is_valid():
    school = read(VALID, **ENV)
    assert school.anything["folded"] == "one line"
    assert school.port == 8883


def mangle(rng: random.Random) -> bytes:
    """The valid file with one to three things broken."""
    content = bytearray(VALID.encode())
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(content))
        match rng.randrange(7):
            case 0:
                content[at : at + rng.randint(1, 40)] = b""
            case 1:
                content[at:at] = bytes([rng.randrange(256)])
            case 2:
                content[at] = rng.randrange(256)
            case 3:
                content[at:at] = rng.choice(
                    [
                        b"\t",
                        b": ",
                        b"- ",
                        b"{",
                        b"}",
                        b"[",
                        b"]",
                        b"*",
                        b"&",
                        b"!",
                        b"|",
                        b"'",
                        b'"',
                        b"%",
                        b"@",
                        b"${",
                        b"\n",
                    ]
                )
            case 4:
                content[at:at] = content[: rng.randint(1, 200)]
            case 5:
                del content[at:]
            case _:
                lines = bytes(content).split(b"\n")
                rng.shuffle(lines)
                content = bytearray(b"\n".join(lines))
        content = content or bytearray(b"-")
    return bytes(content)


def test_hundreds_of_malformed_files_are_refused_with_a_place():
    rng = random.Random(20261122)
    refused = 0
    while refused < MALFORMED:
        result = outcome(mangle(rng))
        if isinstance(result, Located):
            refused += 1
            assert_well_told(result)
            assert all(problem.place.line for problem in result.problems), result


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
@example(b"\xff\xfes\x00")
@example(b"%YAML 1.99999999999999999999999999\n---\na: b")
@example(b'"\\UFFFFFFFF": x')
@example(b"? ? ? ? ? ?")
@example(b"- - - - - -")
@example(b"<<: <<")
@example(b"<<: [{<<: {a: 1}}]")
@example(b"!!set {a, b}")
@example(b"!<tag:yaml.org,2002:int> abc: !!int abc")
@example(b"site: !!seq x")
@example(b"&a &b c")
@example(b"{{}: {}}")
@example(b"site: x\nanything: {? : y}")
@example(b"---\n...\n---")
def test_arbitrary_bytes_never_give_anything_else(content):
    result = outcome(content)
    if isinstance(result, Located):
        assert_well_told(result)


@given(st.text(st.sampled_from(list("ab: -[]{}&*!|>'\"%@`#,?\n\t \\$~<=.0")), max_size=120))
@settings(max_examples=400, deadline=None)
def test_arbitrary_punctuation_never_gives_anything_else(text):
    result = outcome(text.encode())
    if isinstance(result, Located):
        assert_well_told(result)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["${TOKEN}", "${X}", "5m", "x", "kind", "broker"]),
)
keys = st.one_of(
    st.sampled_from(
        [
            "site",
            "name",
            "port",
            "token",
            "token_file",
            "inputs",
            "snmp",
            "sensors",
            "credentials",
            "community",
            "user",
            "auth",
            "kind",
            "file",
            "url",
            "labels",
            "interfaces",
        ]
    ),
    st.text(max_size=6),
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6), max_leaves=20
)


@given(st.dictionaries(keys, trees, max_size=8))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_well_formed_yaml_of_the_wrong_shape_never_gives_anything_else(tree):
    result = outcome(yaml.safe_dump(tree, allow_unicode=True).encode(errors="surrogatepass"))
    if isinstance(result, Located):
        assert_well_told(result)


@pytest.mark.parametrize("size", [1000, 40_000])
def test_a_large_honest_file_is_read(size):
    lines = "\n".join(f"  key{number}: value" for number in range(size // 20))
    assert len(read(f"site: x\nanything:\n{lines}").anything) == size // 20
