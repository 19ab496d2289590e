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
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from fenghuo.config.environment import Reference, references, substitute
from fenghuo.config.words import printable, suggest
from fenghuo.errors import Located, Place, Problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_NODES = 100_000

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_TEXT = "tag:yaml.org,2002:str"
_LIST = "tag:yaml.org,2002:seq"
_MAPPING = "tag:yaml.org,2002:map"
_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map"))
_PLAIN = ""
"""The tag of an unquoted scalar without a tag of its own: its type follows from its text."""
_FORBIDDEN = re.compile(r"[\x00\ud800-\udfff]")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


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


class _Deep(yaml.YAMLError):
    """More nesting or more values than any honest file has."""


class _Loader(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML up to nodes, without implicit types, bounded in depth."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self.depth = 0

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:  # noqa: ARG002 — PyYAML's signature
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return _LIST if kind is yaml.SequenceNode else _MAPPING if kind is yaml.MappingNode else _TEXT

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth > MAX_DEPTH:
            raise _Deep(f"nested deeper than {MAX_DEPTH} levels")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read(content: bytes, file: str, env: Mapping[str, str] | None) -> tuple[Tree, list[Problem], set[Tree]]:
    """The tree of a file's content, what is wrong with it, and the values that are already known to be wrong.

    `env` gives `${NAME}` its value; None leaves `${NAME}` as it is. Raises `Located` where nothing can be made of it.
    """
    text = _decode(content, file)
    node = _compose(text, file)
    if node is None:
        return Tree(1, 1, children={}), [], set()
    builder = _Builder(file, text, env)
    try:
        tree = builder.build(node, 0)
    except _Deep as error:
        raise Located([Problem(Place(file, *_position(text, builder.index)), str(error))]) from None
    return tree, builder.problems, builder.wrong


def _decode(content: bytes, file: str) -> str:
    if len(content) > MAX_BYTES:
        raise Located([Problem(Place(file), f"the file is larger than {MAX_BYTES >> 20} MiB")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = content[: error.start].decode("utf-8-sig", errors="replace")
        raise Located([Problem(Place(file, *_position(start, len(start))), "the file is not UTF-8 text")]) from None


def _position(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `index`."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _compose(text: str, file: str) -> yaml.Node | None:
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.reader.ReaderError as error:
        place, message = _position(text, int(error.position)), "a character that YAML does not allow"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = _explain(error)
    except (_Deep, ValueError, OverflowError, IndexError) as error:
        # PyYAML lets chr(), int() and list errors through on escapes and directives that are out of range.
        mark = loader.get_mark() if loader else None
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = str(error) if isinstance(error, _Deep) else "not valid YAML"
    raise Located([Problem(Place(file, *place), message)]) from None


def _explain(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's words, without any word of the file (it may be a secret)."""
    problem = error.problem or ""
    if "\\t" in problem:
        return "a tab stands where YAML wants spaces"
    if "undefined alias" in problem:
        return "an alias (*name) without its anchor (&name); quote a text that begins with *"
    if "duplicate anchor" in problem or "duplicate anchor" in (error.context or ""):
        return "the same anchor (&name) twice"
    if "cannot start any token" in problem:
        return "a text that begins with this character must be quoted"
    if "single document" in (error.context or ""):
        return "a second document; one file holds one"
    parts = [_QUOTED.sub(_unless_own_word, part) for part in (error.context, problem) if part]
    return printable("not valid YAML: " + ", ".join(parts))


def _unless_own_word(match: re.Match[str]) -> str:
    """PyYAML quotes its own tokens (`<block end>`), single characters and the file's words alike: these go."""
    word = match[1] or match[2] or ""
    return match[0] if len(word) <= 1 or word.startswith("<") else "it"


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
            raise _Deep(f"nested deeper than {MAX_DEPTH} levels, or an alias within its own anchor")
        if self._count > MAX_NODES:
            raise _Deep(f"more than {MAX_NODES} values, aliases followed")
        tree = Tree(node.start_mark.line + 1, node.start_mark.column + 1)
        if node.tag != _PLAIN and node.tag not in _TAGS:
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
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode) or _FORBIDDEN.search(key_node.value):
                self._say(tree, "a key must be plain text", place=place)
            elif key_node.value == "<<" and key_node.tag == _PLAIN:
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
            tree.value = text if node.tag == _TEXT else _resolve(text)
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
        return _position(self._text, start if start >= 0 else node.start_mark.index)


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
