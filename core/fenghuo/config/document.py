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

from fenghuo.config.compose import LIST, MAPPING, MAX_DEPTH, MAX_NODES, PLAIN, TEXT, TooDeep, compose, position
from fenghuo.config.environment import Reference, references, substitute
from fenghuo.config.words import printable, suggest
from fenghuo.errors import Located, Place, Problem

MAX_BYTES = 1 << 20

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))
_FORBIDDEN = re.compile(r"[\x00\ud800-\udfff]")
_NO_TEXT = frozenset("~nNtTfF+-.0123456789")
"""How a plain scalar begins that is no text; an empty one is none either."""


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


class Document:
    """A YAML file's content, taken apart. Raises `Located` where nothing can be made of it."""

    def __init__(self, content: bytes, file: str) -> None:
        self._file = file
        self._text = _decode(content, file)
        self._root = compose(self._text, file)

    @property
    def is_empty(self) -> bool:
        return self._root is None

    @property
    def start(self) -> tuple[int, int]:
        """Line and column of its first value."""
        return (1, 1) if self._root is None else _start(self._root)

    def plain(self) -> Any:
        """The same data as that of `tree(None)`, five times as fast, without places; raises `Unusual`, where one must look."""
        return {} if self._root is None else _Plain().value(self._root, 0)

    def tree(self, env: Mapping[str, str] | None) -> tuple[Tree, list[Problem], set[Tree]]:
        """The tree, what is wrong with it, and the values that are already known to be wrong.

        `env` gives `${NAME}` its value; None leaves `${NAME}` as it is. Raises `Located` where aliases grow past bounds.
        """
        if self._root is None:
            return Tree(1, 1, children={}), [], set()
        builder = _Builder(self._file, self._text, env)
        try:
            tree = builder.build(self._root, 0)
        except TooDeep as error:
            raise Located([Problem(Place(self._file, *position(self._text, builder.index)), str(error))]) from None
        return tree, builder.problems, builder.wrong


def read(content: bytes, file: str, env: Mapping[str, str] | None) -> tuple[Tree, list[Problem], set[Tree]]:
    """As `Document.tree`, of a file's content."""
    return Document(content, file).tree(env)


def _decode(content: bytes, file: str) -> str:
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


class Unusual(Exception):  # noqa: N818 — nothing is wrong as yet
    """Something that only a tree can tell well: a mistake, a merge, a tag."""


class _Plain:
    """Nodes → plain data. Aliases are written out, so the number of values is bounded here."""

    def __init__(self) -> None:
        self._count = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            raise Unusual
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        depth += 1
        if isinstance(node, yaml.SequenceNode) and node.tag == LIST:
            return [self.value(item, depth) for item in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == MAPPING:
            found = {_key(key): self.value(value, depth) for key, value in node.value}
            if len(found) == len(node.value):
                return found
        raise Unusual


def _key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.value == "<<":
        raise Unusual
    _check_text(node.value)
    return node.value


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.tag == PLAIN:
        if not text or text[0] in _NO_TEXT:
            return _resolve(text)
    elif node.tag != TEXT:
        raise Unusual
    _check_text(text)
    return text


def _check_text(text: str) -> None:
    if not text.isprintable() and _FORBIDDEN.search(text):
        raise Unusual


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
            if not isinstance(key_node, yaml.ScalarNode) or _FORBIDDEN.search(key_node.value):
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
        if _FORBIDDEN.search(text):
            self._say(tree, "the text holds a character that is none (NUL or half a surrogate pair)")
            tree.value = ""
        elif self._env is not None and "${" in text:
            self._interpolate(tree, node, self._env)
        else:
            tree.value = text if node.tag == TEXT else _resolve(text)
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
        if _FORBIDDEN.search(tree.text):
            self._say(tree, "the variable's value holds bytes that are no UTF-8 text")
            tree.value = tree.text = ""

    def _place_of(self, node: yaml.ScalarNode, reference: Reference) -> tuple[int, int]:
        start = self._text.find(reference.text, node.start_mark.index, node.end_mark.index)
        return position(self._text, start if start >= 0 else node.start_mark.index)


def _resolve(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema (infinities and NaN apart: they stay text)."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
