"""libyaml and PyYAML's own parser give the same nodes; where they would not, the latter alone is asked."""

from __future__ import annotations

import random

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fenghuo.config import compose
from fenghuo.config.compose import compose_fast, compose_slowly
from fenghuo.config.document import read
from fenghuo.config.plain import Unusual, read_plain
from fenghuo.errors import Located
from fenghuo.packs import packs_path

pytestmark = pytest.mark.skipif(compose.CParser is None, reason="PyYAML was built without libyaml")

SHIPPED = [
    text for file in sorted(packs_path().rglob("*.yaml")) for text in ("\n" + file.read_text()).split("\n---\n") if text
]
ODD = """\
a: 1
b: [x, {y: z}, "q", 'r', k: v]
c: |
  text

   more
d: >-
  folded
   more

  x
e: &A {x: 1, "y": [2, 3]}
f: *A
g:
- a
- - b
  - c
-  d: "multi
     line \\u00e9"
h: plain
  on two lines # a comment
'i': ~
"""


def shape(node):
    """A node with all its places; an alias is told as what it stands for."""
    mark = (node.start_mark.index, node.start_mark.line, node.start_mark.column)
    if isinstance(node, yaml.ScalarNode):
        return (node.tag, node.value, mark, node.end_mark.index)
    if isinstance(node, yaml.SequenceNode):
        return (node.tag, mark, [shape(item) for item in node.value])
    return (node.tag, mark, [(shape(key), shape(value)) for key, value in node.value])


def assert_alike(text):
    """What libyaml is asked for is what PyYAML's own parser gives, and plain data are those of the tree."""
    fast = compose_fast(text)
    if fast is not None:
        try:
            assert shape(fast) == shape(compose_slowly(text, "x"))
        except RecursionError:
            assert "*" in text
    try:
        plain = read_plain(text.encode())
    except Unusual:
        return
    tree, problems, wrong = read(text.encode(), "x", None)
    assert not problems
    assert not wrong
    assert repr(tree.data()) == repr(plain.data)
    assert (tree.line, tree.column) == plain.start


@pytest.mark.parametrize("text", [*SHIPPED, ODD])
def test_shipped_files_are_read_alike_and_fast(text):
    assert compose_fast(text) is not None
    assert_alike(text)


@pytest.mark.parametrize("text", SHIPPED)
def test_nothing_in_shipped_files_needs_a_second_look(text):
    assert read_plain(text.encode()).data


PIECES = [
    *" :{}[],'\"&*!|>-?#%@`\n~=/\\+0a.é中\u2028\x85\ufeff\r\t",
    *(": ", "- ", "? ", " #", "\n ", "\n  ", "&a ", "*a", "!!str ", "! ", "...\n", "---\n", ">#", "|-", "x: ]", "<<: "),
]


def test_damaged_files_are_read_alike_or_by_one_alone():
    chance = random.Random(20261122)
    for _ in range(6_000):
        text = chance.choice([*SHIPPED, ODD])[: chance.choice([100, 300, 800])]
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice([*PIECES, text[at : at + 9]]) + text[at + chance.choice([0, 0, 1, 4]) :]
        assert_alike(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.booleans(), st.booleans())
def test_any_values_are_read_alike(value, flow, allow_unicode):
    assert_alike(yaml.safe_dump(value, default_flow_style=flow, allow_unicode=allow_unicode))


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab1 :-,[]{}#&*!|>'\"%?\n\t~.é"), max_size=40))
@example("x: >#\n  a")
@example("[x: , y]")
@example("?")
@example("a:\tb")
@example("{a?: b}")
@example("a: !=!str b")
@example("&a [*a]")
def test_any_text_is_read_alike(text):
    assert_alike(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [*x]",
        "a: 1\na: 2",
        "a: {<<: {b: 1}}",
        "a: !!int 3",
        "",
        "# nothing",
        "a: 1\n---\nb: 2",
        "a: &x 1\n<<: *x",
        '"a\\0": 1',
        "? [a]\n: b",
        'a: "\\0"',
    ],
)
def test_what_needs_a_second_look_is_not_read_as_plain(text):
    with pytest.raises(Unusual):
        read_plain(text.encode())


def test_without_libyaml_all_is_the_same(monkeypatch):
    with_it = [shape(compose.compose(text, "x")) for text in SHIPPED]
    monkeypatch.setattr(compose, "_FastLoader", None)
    assert compose_fast(ODD) is None
    assert [shape(compose.compose(text, "x")) for text in SHIPPED] == with_it


@pytest.mark.parametrize("with_libyaml", [True, False])
@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a:\n" + "".join("  " * n + "- \n" for n in range(1, 60)), (41, 81), "nested deeper than 40 levels"),
        ("[" * 500_000, (1, 41), "nested deeper than 40 levels"),
        ("a: [" + "1," * 150_000 + "1]", (1, 4), "more than 100000 values"),
        ("a: &a [" + "1," * 40_000 + "1]\nb: [*a, *a]\nc: *a", (1, 39994), "more than 100000 values, aliases followed"),
    ],
    ids=["depth", "brackets", "width", "aliases"],
)
def test_bombs_are_refused_at_their_place(monkeypatch, with_libyaml, text, place, message):
    if not with_libyaml:
        monkeypatch.setattr(compose, "_FastLoader", None)
    with pytest.raises(Located) as caught:
        read(text.encode(), "bomb.yaml", None)
    (problem,) = caught.value.problems
    assert (problem.place.line, problem.place.column) == place
    assert problem.message == message
