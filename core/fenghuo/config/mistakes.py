"""pydantic's errors as problems of the file: at their place, in the operator's words, with what is allowed.

pydantic names the place of an error by keys and indices, mixed with the names of union members it tried. Here these are
told apart by walking the tree of the file; of several members of a union the one that fits best speaks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from fenghuo.config.document import Tree
from fenghuo.config.secret import FILE_SUFFIX
from fenghuo.config.section import Section, secret_files
from fenghuo.config.units import format_duration, parse_duration
from fenghuo.config.words import allow, printable
from fenghuo.errors import Place, Problem

Loc = tuple[int | str, ...]
Seen = Mapping[int, Sequence[type[Section]]]
"""Identity of a mapping's data → the sections that it was tried as."""

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
    "path_type": "a file name",
}
_BOUNDS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
}
_CHOICE = {"literal_error", "enum"}
_SAYING_NO_VALUE = {*_EXPECTED, *_CHOICE, *_BOUNDS, "missing", "extra_forbidden", "duration", "size"}
"""Errors whose words are our own; any other may quote the value."""
_MEMBER = re.compile(r"(\w+)\]*$")
"""The class in pydantic's name of a union's member: `User`, `function-before[note(), User]`."""
_KIND_WEIGHT = 10
"""A wrong `kind: …` says louder than anything else that a union's member is not meant."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One error at its node. `name` is the key that is missing or unknown there."""

    error: ErrorDetails
    tree: Tree
    path: str
    key_place: tuple[int, int]
    name: str = ""
    member: str = ""

    @property
    def kind(self) -> str:
        return self.error["type"]

    @property
    def weight(self) -> int:
        return _KIND_WEIGHT if self.kind in _CHOICE else 1

    @property
    def expected(self) -> str:
        """What should stand at the node, where the error says just that; otherwise empty."""
        if self.kind in _EXPECTED:
            return _EXPECTED[self.kind]
        if self.kind in _CHOICE:
            return str((self.error.get("ctx") or {}).get("expected", ""))
        message = self.error["msg"]
        return message.removeprefix("expected ") if message.startswith("expected ") else ""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A node with its path (`inputs.snmp[0]`) and the place of the key that leads to it."""

    tree: Tree
    path: str
    place: tuple[int, int]

    def child(self, segment: int | str) -> _Spot | None:
        children = self.tree.children
        if not children:
            return None
        key = str(segment)
        if self.tree.is_list:
            if key not in children:
                return None
            node = children[key]
            return _Spot(node, f"{self.path}[{key}]", (node.line, node.column))
        if key not in children:
            key += FILE_SUFFIX
        if key not in children:
            return None
        return _Spot(children[key], f"{self.path}.{key}" if self.path else key, self.tree.keys[key])


def explain(
    errors: Sequence[ErrorDetails], tree: Tree, file: str, *, seen: Seen, wrong: set[Tree], secrets: Mapping[str, str]
) -> list[Problem]:
    """The problems that pydantic's `errors` about the data of `tree` amount to.

    Nodes in `wrong` are already known to be so and are passed over. `secrets` is variable → value: no value of the
    environment is shown, its variable's name stands for it.
    """
    spot = _Spot(tree, "", (tree.line, tree.column))
    found = _place(spot, [(error["loc"], error) for error in errors], "")
    return [_problem(one, file, seen, secrets) for one in found if one.tree not in wrong]


def _place(spot: _Spot, errors: Sequence[tuple[Loc, ErrorDetails]], member: str) -> list[_Found]:
    """Each error at its node, the best member of each union only."""
    here: list[_Found] = []
    below: dict[int | str, list[tuple[Loc, ErrorDetails]]] = {}
    members: dict[int | str, list[tuple[Loc, ErrorDetails]]] = {}
    for loc, error in errors:
        rest = loc[1:]
        if not loc or loc == ("[key]",):
            here.append(_Found(error, spot.tree, spot.path, spot.place, member=member))
        elif not rest and error["type"] == "missing":
            here.append(_Found(error, spot.tree, spot.path, spot.place, str(loc[0]), member))
        elif not rest and error["type"] == "extra_forbidden" and spot.child(loc[0]):
            here.append(_unknown_key(spot, error, str(loc[0]), member))
        elif spot.child(loc[0]):
            below.setdefault(loc[0], []).append((rest, error))
        else:
            members.setdefault(loc[0], []).append((rest, error))
    for segment, inner in below.items():
        child = spot.child(segment)
        if child:
            here += _place(child, inner, "")
    tried = [_place(spot, inner, str(name)) for name, inner in members.items()]
    return here + _best(tried, spot)


def _unknown_key(spot: _Spot, error: ErrorDetails, name: str, member: str) -> _Found:
    place = spot.tree.keys.get(name, (spot.tree.line, spot.tree.column))
    return _Found(error, spot.tree, spot.path, place, name, member)


def _best(tried: list[list[_Found]], spot: _Spot) -> list[_Found]:
    """Of a union's members, the errors of the one that was most likely meant."""
    fitting = [found for found in tried if not _is_other_shape(found, spot)]
    if not fitting:
        return _joined([one for found in tried for one in found])
    lowest = min(sum(one.weight for one in found) for found in fitting)
    nearest = [found for found in fitting if sum(one.weight for one in found) == lowest]
    if len(nearest) > 1 and all(_is_one_missing(found) for found in nearest):
        names = " or ".join(dict.fromkeys(f"{found[0].name!r}" for found in nearest))
        error: ErrorDetails = {**nearest[0][0].error, "type": "any_missing", "msg": f"{names} is missing"}
        return [_Found(error, spot.tree, spot.path, spot.place)]
    return nearest[0]


def _is_other_shape(found: list[_Found], spot: _Spot) -> bool:
    """Whether a member wanted something else here altogether (text for a mapping, say)."""
    return len(found) == 1 and found[0].tree is spot.tree and bool(found[0].expected)


def _is_one_missing(found: list[_Found]) -> bool:
    return len(found) == 1 and found[0].kind == "missing"


def _joined(found: list[_Found]) -> list[_Found]:
    """One error for a node at which none of several things was found."""
    if len(found) < 2:
        return found
    expected = " or ".join(dict.fromkeys(one.expected for one in found))
    error: ErrorDetails = {**found[0].error, "type": "any", "msg": f"expected {expected}"}
    return [_Found(error, found[0].tree, found[0].path, found[0].key_place)]


def _problem(found: _Found, file: str, seen: Seen, secrets: Mapping[str, str]) -> Problem:
    message, hint = _words(found, seen)
    if found.kind not in _SAYING_NO_VALUE:
        for name, value in (*found.tree.used.items(), *secrets.items()):
            message = message.replace(value, f"${{{name}}}") if value else message
    if found.path:
        message = f"{found.path}: {message}"
    is_of_key = bool(found.name) or found.tree.children is not None
    line, column = found.key_place if is_of_key else (found.tree.line, found.tree.column)
    return Problem(Place(file, line, column), printable(message), printable(hint))


def _words(found: _Found, seen: Seen) -> tuple[str, str]:
    error, kind = found.error, found.kind
    context: Mapping[str, Any] = error.get("ctx") or {}
    if kind == "missing":
        return _missing(found, seen)
    if kind == "extra_forbidden":
        return f"unknown key {found.name!r}", allow(found.name, _allowed(found, seen))
    if kind == "union_tag_not_found":
        return f"{_unquoted(context, 'discriminator')!r} is missing", "it says which kind this is"
    if kind == "union_tag_invalid":
        tags = [tag.strip(" '") for tag in str(context.get("expected_tags", "")).split(",") if tag.strip()]
        return f"{_unquoted(context, 'discriminator')!r} says none of the known kinds", allow(
            str(context.get("tag", "")), tags
        )
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"])).replace("\n", " "), ""
    if kind in _BOUNDS:
        return _BOUNDS[kind].format_map(_as_written(context, found.tree.text)), ""
    found_nothing = found.tree.children is None and found.tree.value is None
    message = f"expected {found.expected}" if found.expected else error["msg"].replace("Input should be", "expected")
    if found_nothing:
        message += ", found nothing"
    return message, _guess(found) if kind in _CHOICE else ""


def _as_written(context: Mapping[str, Any], text: str | None) -> Mapping[str, Any]:
    """The bounds of a span of time as spans, where one is written: at most 31d, not 2678400."""
    try:
        parse_duration(text or "")
    except ValueError:
        return context
    return {
        name: format_duration(value) if isinstance(value, int | float) else value for name, value in context.items()
    }


def _unquoted(context: Mapping[str, Any], name: str) -> str:
    return str(context.get(name, "")).strip("'")


def _missing(found: _Found, seen: Seen) -> tuple[str, str]:
    file_key = found.name + FILE_SUFFIX
    by_file = any(file_key in secret_files(section) for section in _sections(found, seen))
    return f"{found.name!r} is missing", f"or {file_key!r}, the name of a file that holds it" if by_file else ""


def _guess(found: _Found) -> str:
    """What was probably meant, of the choices; nothing where the value came from the environment."""
    written = found.tree.text
    if written is None or found.tree.used:
        return ""
    choices = [part for part in found.expected.split("'") if part.strip(" ,") not in ("", "or")]
    return allow(written, choices).partition("allowed:")[0].strip()


def _sections(found: _Found, seen: Seen) -> Sequence[type[Section]]:
    sections = seen.get(id(found.tree.made), ())
    name = _MEMBER.search(found.member)
    return [section for section in sections if name and section.__name__ == name[1]] or sections


def _allowed(found: _Found, seen: Seen) -> list[str]:
    names: dict[str, None] = {}
    for section in _sections(found, seen):
        names |= dict.fromkeys(field.alias or name for name, field in section.model_fields.items())
        names |= dict.fromkeys(secret_files(section))
    return list(names)
