"""STIX patterns as far as they are lists of values: comparisons by `=` and `IN`, joined by OR.

Of the pattern language (STIX 2.1, 9) only that part can be looked up; all else says why not. The reference parser
(stix2-patterns) reads the whole language at a third of a millisecond a pattern, nine minutes for 1.5 million; this one
takes 3 µs.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\['\\])*')
    | (?P<path>[A-Za-z][A-Za-z0-9_-]*:[A-Za-z0-9_.\-\[\]*]+(?:'[^'\\]*'(?:\.[A-Za-z0-9_-]+|\])*)?)
    | (?P<word>[A-Za-z]+)
    | (?P<sign>==|!=|<=|>=|[=<>\[\](),])
    | (?P<other>\S)
    )""",
    re.VERBOSE,
)
MAX_PATTERN = 20_000
_WORDS = {
    "AND": "AND",
    "FOLLOWEDBY": "FOLLOWEDBY",
    "NOT": "NOT",
    "WITHIN": "a qualifier of time",
    "REPEATS": "a qualifier of number",
    "START": "a qualifier of time",
    "LIKE": "LIKE",
    "MATCHES": "MATCHES",
    "ISSUPERSET": "ISSUPERSET",
    "EXISTS": "EXISTS",
}


class NotAList(ValueError):  # noqa: N818 — the name says what it is
    """A pattern that is no list of values; its text is the reason."""


def read_pattern(pattern: str) -> list[tuple[str, str]]:
    """Object path and value of each comparison; NotAList for all that says more than 'one of these'."""
    if len(pattern) > MAX_PATTERN:
        raise NotAList("pattern too long")
    tokens = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in _TOKEN.finditer(pattern.strip())]
    for kind, text in tokens:
        if kind == "word" and text.upper() in _WORDS:
            raise NotAList(f"pattern with {_WORDS[text.upper()]}")
        if kind == "other" or (kind == "sign" and text in ("!=", "<", ">", "<=", ">=")):
            raise NotAList("pattern with an order" if kind == "sign" else "pattern not readable")
    found: list[tuple[str, str]] = []
    place, depth, inside = 0, 0, False
    wants_comparison = True
    while place < len(tokens):
        kind, text = tokens[place]
        if kind == "sign" and text in "[(" and wants_comparison:
            if text == "[" and inside:
                raise NotAList("pattern not readable")
            inside, depth, place = inside or text == "[", depth + 1, place + 1
        elif kind == "path" and wants_comparison and inside:
            place = _comparison(tokens, place, found)
            wants_comparison = False
        elif kind == "sign" and text in "])" and not wants_comparison and depth:
            inside, depth, place = inside and text != "]", depth - 1, place + 1
        elif kind == "word" and text.upper() == "OR" and not wants_comparison:
            wants_comparison, place = True, place + 1
        else:
            raise NotAList("pattern not readable")
    if wants_comparison or depth:
        raise NotAList("pattern not readable")
    return found


def _comparison(tokens: list[tuple[str, str]], place: int, found: list[tuple[str, str]]) -> int:
    """Read `path = 'value'`, `path IN ('a', 'b')` or `path ISSUBSET 'network'`; the place after it."""
    path = tokens[place][1]
    rest = tokens[place + 1 : place + 3]
    operator = rest[0][1].upper() if rest else ""
    if operator in ("=", "==", "ISSUBSET") and len(rest) == 2 and rest[1][0] == "text":
        found.append((path, _text(rest[1][1])))
        return place + 3
    if operator != "IN" or len(rest) != 2 or rest[1][1] != "(":
        raise NotAList("pattern not readable")
    place += 3
    while place < len(tokens) and tokens[place][0] == "text":
        found.append((path, _text(tokens[place][1])))
        place += 1
        if place < len(tokens) and tokens[place][1] == ",":
            place += 1
    if place >= len(tokens) or tokens[place][1] != ")":
        raise NotAList("pattern not readable")
    return place + 1


def _text(token: str) -> str:
    return token[1:-1].replace("\\'", "'").replace("\\\\", "\\")
