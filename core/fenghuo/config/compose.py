"""A text → PyYAML's nodes, each with its place, without any type of its own; bounded in depth and number.

libyaml composes what is ordinary, twenty times as fast as PyYAML's own parser. The latter composes what the two are known
to read differently, finds the words for what is wrong, and does all where libyaml is missing: the nodes are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from fenghuo.config.words import printable
from fenghuo.errors import Located, Place, Problem

try:
    from yaml._yaml import CParser
except ImportError:
    CParser = None  # PyYAML was built without libyaml

MAX_DEPTH = 40
MAX_NODES = 100_000

PLAIN = ""
"""The tag of an unquoted scalar without a tag of its own: its type follows from its text."""
TEXT = "tag:yaml.org,2002:str"
LIST = "tag:yaml.org,2002:seq"
MAPPING = "tag:yaml.org,2002:map"

_ODD_SPACES = re.compile("[\t\r\x85\u2028\u2029\ufeff]")
_NO_VALUE = re.compile(r":\s*[],}]")
_TOUCHED_HEADER = re.compile(r"[>|][-+0-9]*#")
_KEY_INDICATOR = re.compile(r"(?:^|[\s,\[{:-])\?(?:\s|\Z)")
_TAG = re.compile(r"(?:^|[\s,\[{:])!(?!= )")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


class TooDeep(yaml.YAMLError):
    """More nesting or more values than any honest file has; `within`: the value around, where it was composed."""

    def __init__(self, message: str, within: yaml.Node | None = None) -> None:
        super().__init__(message)
        self.within = within


class _Bounded:
    """Resolves tags, without implicit types, and bounds the depth and number of nodes."""

    depth = 0
    count = 0

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:  # noqa: ARG002 — PyYAML's signature
        if kind is yaml.ScalarNode:
            return PLAIN if implicit[0] else TEXT
        return LIST if kind is yaml.SequenceNode else MAPPING

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:  # noqa: ARG002 — PyYAML's signature
        if self.depth > MAX_DEPTH:
            raise TooDeep(f"nested deeper than {MAX_DEPTH} levels", current_node)
        if self.count >= MAX_NODES:
            raise TooDeep(f"more than {MAX_NODES} values", current_node)
        self.depth += 1
        self.count += 1

    def ascend_resolver(self) -> None:
        self.depth -= 1


class _Loader(_Bounded, Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's own parser, up to nodes."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)


_FastLoader: Any = None if CParser is None else type("_FastLoader", (_Bounded, CParser), {})
"""libyaml, up to nodes."""


def compose(text: str, file: str) -> yaml.Node | None:
    """The root node of the one document in `text`; None where there is nothing. `Located` says what is wrong with it."""
    try:
        return compose_fast(text) or compose_slowly(text, file)
    except TooDeep as error:
        mark = error.within.start_mark if error.within else None
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise Located([Problem(Place(file, *place), str(error))]) from None


def compose_fast(text: str) -> yaml.Node | None:
    """The nodes by libyaml; None where it is missing, finds something wrong or may read the text in a way of its own.

    Raises `TooDeep`.
    """
    if _FastLoader is None or not is_read_alike(text):
        return None
    try:
        root = _FastLoader(text).get_single_node()
    except TooDeep:
        raise
    except (yaml.YAMLError, ValueError, OverflowError, IndexError):
        return None
    return None if "?" in text and root is not None and _asks_within_flow(root) else root


def fast_events(text: str) -> Callable[[], Any] | None:
    """What gives libyaml's events of a text, one a call; None where it is missing or may read the text in a way of its own."""
    return _FastLoader(text).get_event if _FastLoader is not None and is_read_alike(text) else None


def is_read_alike(text: str) -> bool:
    """Whether libyaml and PyYAML's own parser read a text alike, but for question marks in unquoted flow scalars.

    Not, generously, with what was found by comparing them on damaged files: blanks that are none, directives, keys without
    a value in a flow collection (its column), comments that touch a block scalar's header, keys with an indicator, tags.
    """
    return not (
        _ODD_SPACES.search(text)
        or text.startswith("%")
        or "\n%" in text
        or _NO_VALUE.search(text)
        or ("#" in text and _TOUCHED_HEADER.search(text))
        or ("?" in text and _KEY_INDICATOR.search(text))
        or ("!" in text and _TAG.search(text))
    )


def _asks_within_flow(root: yaml.Node) -> bool:
    """Whether an unquoted scalar in a flow collection holds a question mark: PyYAML's own parser refuses it."""
    waiting = [(root, False)]
    seen: set[int] = set()
    while waiting:
        node, in_flow = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            if in_flow and node.tag == PLAIN and "?" in node.value:
                return True
        elif isinstance(node, yaml.CollectionNode) and id(node) not in seen:
            seen.add(id(node))
            in_flow = bool(node.flow_style)
            values = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
            waiting += [(value, in_flow) for value in values]
    return False


def compose_slowly(text: str, file: str) -> yaml.Node | None:
    """The nodes by PyYAML's own parser. Raises `TooDeep`."""
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.reader.ReaderError as error:
        place, message = position(text, int(error.position)), "a character that YAML does not allow"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = _explain(error)
    except (ValueError, OverflowError, IndexError):
        # PyYAML lets chr(), int() and list errors through on escapes and directives that are out of range.
        mark = loader.get_mark() if loader else None
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        message = "not valid YAML"
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


def position(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `index`."""
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1
