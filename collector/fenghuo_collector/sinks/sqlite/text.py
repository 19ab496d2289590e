"""Words for full-text search, Chinese included.

SQLite's `unicode61` tokenizer splits at spaces and punctuation, so a Chinese sentence would be one word, and its
`trigram` tokenizer cannot find words of two characters, the commonest in Chinese. So runs of Han characters (kana and
hangul too) are laid down as overlapping pairs and their last character, as Lucene's CJK analyser does: 端口关闭 becomes
端口 口关 关闭 闭, and every part of it of one character or more is found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any, cast

MAX_TEXT = 16_384
"""Characters of a document that are searchable; what is beyond is stored but not found by text."""
MAX_QUERY = 500
MAX_TERMS = 20
_MAX_DEPTH = 20
_CJK = (
    r"\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_CJK}]+")
_BETWEEN = re.compile(r"[\W_]+")
_TERM = re.compile(r'"([^"]*)"?|(\S+)')
_SKIPPED = frozenset({"ecs", "@timestamp"})


def searchable(document: Any) -> str:
    """The text of a document under which it is found: every string and whole number in it, without keys."""
    parts: list[str] = []
    room = MAX_TEXT
    seen: set[str] = set()
    for leaf in _leaves(document, 0):
        if leaf in seen:
            continue
        seen.add(leaf)
        parts.append(leaf[:room])
        room -= len(leaf)
        if room <= 0:
            break
    return _split(" \n ".join(parts))


def _leaves(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value)
    elif depth < _MAX_DEPTH and isinstance(value, dict):
        for key, inner in cast("dict[str, Any]", value).items():
            if depth or key not in _SKIPPED:
                yield from _leaves(inner, depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, list | tuple):
        for inner in cast("list[Any]", value):
            yield from _leaves(inner, depth + 1)


def _normal(text: str) -> str:
    """Full-width forms as the usual ones, control characters gone."""
    return unicodedata.normalize("NFKC", text).replace("\x00", " ")


def _split(text: str) -> str:
    return _RUN.sub(lambda run: f" {' '.join(_pairs(run.group()))} {run.group()[-1]} ", " ".join(_words(_normal(text))))


def _pairs(run: str) -> list[str]:
    return [run[index : index + 2] for index in range(len(run) - 1)]


def match_expression(query: str) -> str:
    """What a person typed, as an FTS5 expression; "" where it holds no word.

    All words must occur, in any order; "several words" in quotes must follow each other; a word also finds longer
    words that begin with it.
    """
    terms: list[str] = []
    for quoted, bare in _TERM.findall(_normal(query[:MAX_QUERY])):
        phrase = _phrase(quoted or bare, whole=bool(quoted))
        if phrase:
            terms.append(phrase)
        if len(terms) == MAX_TERMS:
            break
    return " AND ".join(terms)


def _phrase(term: str, *, whole: bool) -> str:
    term = " ".join(_words(term))
    words: list[str] = []
    end = 0
    open_end = not whole
    for run in _RUN.finditer(term):
        words += _words(term[end : run.start()])
        end = run.end()
        last = not _words(term[end:])
        words += _pairs(run.group())
        if not last or len(run.group()) == 1:
            words.append(run.group()[-1])
        open_end = last and len(run.group()) == 1
    tail = _words(term[end:])
    words += tail
    if tail:
        open_end = not whole
    if not words:
        return ""
    return '"' + " ".join(words) + ('"*' if open_end else '"')


def _words(text: str) -> list[str]:
    """Runs of letters and digits. Documents and questions go through it alike, so that SQLite, whose tables of letters
    are older than Python's, never takes for one word what is two here.
    """
    return _BETWEEN.sub(" ", text).split()
