"""A YAML file as a tree of values that know their place; everything wrong with it as `Problem`s.

Scalars follow YAML 1.2's core schema, so `on`, `no` and `1:30` are text. Each key appears once, `<<` merges, and aliases
are followed, but neither depth nor size grows past a bound, whatever the bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from fenghuo.config.compose import MAX_DEPTH, MAX_NODES, PLAIN, TEXT, TooDeep, compose, position
from fenghuo.config.environment import Reference, references, substitute
from fenghuo.config.words import printable, suggest
from fenghuo.errors import Located, Place, Problem

MAX_BYTES = 1 << 20

_SCALAR = re.compile(
    r"(?P<null>~|null|Null|NULL|)"
    r"|(?P<truth>true|True|TRUE|false|False|FALSE)"
    r"|(?P<whole>[-+]?[0-9]{1,18})"
    r"|(?P<based>0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21})"
    r"|(?P<real>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?)"
)
_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))
FORBIDDEN = re.compile(r"[\x00\ud800-\udfff]")
"""Characters that no text may hold."""


@dataclass(slots=True, eq=False)
class Tree:
    """A value and where it stands.

    `text`      a scalar as it was written, for fields that want text; None for mappings, lists and nothing
    `used`      the environment variables within a scalar: name → value
    `children`  by key or by index (both as text); None for a scalar
    `keys`      the place of each key
    """

    line: int
    column: int
    value: Any = None
    text: str | None = None
    used: Mapping[str, str] = field(default_factory=dict[str, str])
    children: dict[str, Tree] | None = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    is_list: bool = False
    made: Any = None

    def data(self) -> Any:
        """Plain Python values, made anew; `made` remembers the object, so that it can be told by identity."""
        if self.children is None:
            self.made = self.value
        elif self.is_list:
            self.made = [child.data() for child in self.children.values()]
        else:
            self.made = {key: child.data() for key, child in self.children.items()}
        return self.made

    def walk(self) -> Iterator[Tree]:
        """The value and all below it."""
        yield self
        for child in (self.children or {}).values():
            yield from child.walk()


def read(content: bytes, file: str, env: Mapping[str, str] | None) -> tuple[Tree, list[Problem], set[Tree]]:
    """The tree of a file's content, what is wrong with it, and the values that are already known to be wrong.

    `env` gives `${NAME}` its value; None leaves `${NAME}` as it is. Raises `Located` where nothing can be made of it.
    """
    text = decode(content, file)
    node = compose(text, file)
    if node is None:
        return Tree(1, 1, children={}), [], set()
    builder = _Builder(file, text, env)
    try:
        tree = builder.build(node, 0)
    except TooDeep as error:
        raise Located([Problem(Place(file, *position(text, builder.index)), str(error))]) from None
    return tree, builder.problems, builder.wrong


def decode(content: bytes, file: str) -> str:
    """The text of a file's content; raises `Located` where it is too large or none."""
    if len(content) > MAX_BYTES:
        raise Located([Problem(Place(file), f"the file is larger than {MAX_BYTES >> 20} MiB")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = content[: error.start].decode("utf-8-sig", errors="replace")
        raise Located([Problem(Place(file, *position(start, len(start))), "the file is not UTF-8 text")]) from None


def _start(node: yaml.Node) -> tuple[int, int]:
    mark = node.start_mark
    return mark.line + 1, mark.column + 1


class _Builder:
    """Nodes → tree. Aliases are written out, so the number of values is bounded here."""

    def __init__(self, file: str, text: str, env: Mapping[str, str] | None) -> None:
        self._file = file
        self._text = text
        self._env = env
        self._count = 0
        self.index = 0
        self.problems: list[Problem] = []
        self.wrong: set[Tree] = set()

    def build(self, node: yaml.Node, depth: int) -> Tree:
        self._count += 1
        self.index = node.start_mark.index
        if depth > MAX_DEPTH:
            raise TooDeep(f"nested deeper than {MAX_DEPTH} levels, or an alias within its own anchor")
        if self._count > MAX_NODES:
            raise TooDeep(f"more than {MAX_NODES} values, aliases followed")
        tree = Tree(*_start(node))
        if node.tag != PLAIN and node.tag not in _TAGS:
            self._say(tree, "this tag is not allowed", "plain values, lists and mappings are")
            tree.text = ""
        elif isinstance(node, yaml.MappingNode):
            tree.children = {}
            self._mapping(tree, node, depth)
        elif isinstance(node, yaml.SequenceNode):
            tree.is_list = True
            tree.children = {str(index): self.build(item, depth + 1) for index, item in enumerate(node.value)}
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(tree, node)
        return tree

    def _say(self, tree: Tree, message: str, hint: str = "", place: tuple[int, int] | None = None) -> None:
        self.problems.append(Problem(Place(self._file, *(place or (tree.line, tree.column))), message, hint))
        self.wrong.add(tree)

    def _mapping(self, tree: Tree, node: yaml.MappingNode, depth: int) -> None:
        assert tree.children is not None
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            place = _start(key_node)
            if not isinstance(key_node, yaml.ScalarNode) or FORBIDDEN.search(key_node.value):
                self._say(tree, "a key must be plain text", place=place)
            elif key_node.value == "<<" and key_node.tag == PLAIN:
                merged.append(value_node)
            elif key_node.value in tree.children:
                first = tree.keys[key_node.value][0]
                self.problems.append(
                    Problem(
                        Place(self._file, *place),
                        f"{printable(repr(key_node.value))} stands twice in one mapping",
                        f"first in line {first}",
                    )
                )
            else:
                tree.keys[key_node.value] = place
                tree.children[key_node.value] = self.build(value_node, depth + 1)
        for value_node in merged:
            self._merge(tree, value_node, depth)

    def _merge(self, tree: Tree, node: yaml.Node, depth: int) -> None:
        """`<<: *anchor` or `<<: [*one, *other]`: keys that stand here already win."""
        assert tree.children is not None
        sources: list[yaml.Node] = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            other = self.build(source, depth + 1)
            if other.children is None or other.is_list:
                self._say(other, "<< takes a mapping or a list of mappings")
                continue
            for key, child in other.children.items():
                if key not in tree.children:
                    tree.children[key] = child
                    tree.keys[key] = other.keys[key]

    def _scalar(self, tree: Tree, node: yaml.ScalarNode) -> None:
        text: str = node.value
        tree.text = text
        if FORBIDDEN.search(text):
            self._say(tree, "the text holds a character that is none (NUL or half a surrogate pair)")
            tree.value = ""
        elif self._env is not None and "${" in text:
            self._interpolate(tree, node, self._env)
        else:
            tree.value = text if node.tag == TEXT else resolve(text)
        if tree.value is None:
            tree.text = None

    def _interpolate(self, tree: Tree, node: yaml.ScalarNode, env: Mapping[str, str]) -> None:
        found = list(references(node.value))
        for reference in found:
            if not reference.name:
                self._say(tree, "${ begins no variable", "write ${NAME}, or $${ for the characters ${")
            elif reference.name not in env:
                self._say(
                    tree,
                    f"the environment variable {reference.name} is not set",
                    suggest(reference.name, env),
                    self._place_of(node, reference),
                )
        tree.used = {reference.name: env[reference.name] for reference in found if reference.name in env}
        tree.value = tree.text = substitute(node.value, env)
        if FORBIDDEN.search(tree.text):
            self._say(tree, "the variable's value holds bytes that are no UTF-8 text")
            tree.value = tree.text = ""

    def _place_of(self, node: yaml.ScalarNode, reference: Reference) -> tuple[int, int]:
        start = self._text.find(reference.text, node.start_mark.index, node.end_mark.index)
        return position(self._text, start if start >= 0 else node.start_mark.index)


def resolve(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema (infinities and NaN apart: they stay text)."""
    match = _SCALAR.fullmatch(text)
    if match is None:
        return text
    kind = match.lastgroup
    if kind == "whole":
        return int(text)
    if kind == "real":
        return float(text)
    if kind == "truth":
        return text[0] in "tT"
    return int(text, 0) if kind == "based" else None
