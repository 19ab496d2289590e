"""Values of events as texts that can be kept and compared."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from fenghuo.rules.runtime.observe import Seen

MAX_LENGTH = 120
MAX_COMBINATIONS = 64
"""So many values of one observation are looked at, where its fields are lists."""
_MAC = re.compile(
    r"[0-9A-Fa-f]{2}(?:([-:])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}|[0-9A-Fa-f]{10})|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}"
)
_NUMBER = re.compile(r"\s*[-+]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?\s*", re.ASCII)
MAX_NUMBER = 1e150
"""Larger numbers are none: their squares and sums would be no numbers any more."""


def text_of(value: Any) -> str:
    """A value as text; of a long one the beginning and a hash of the whole."""
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) <= MAX_LENGTH:
        return text
    digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=12).hexdigest()
    return f"{text[: MAX_LENGTH - 26]}… {digest}"


def number_of(value: Any) -> float | None:
    """A number, or a text that looks like one (of a list: the first); None for anything else."""
    if isinstance(value, list):
        value = next(iter(cast("list[Any]", value)), None)
    if isinstance(value, str) and len(value) <= MAX_LENGTH and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        return None
    return value


def is_random_mac(text: str) -> bool:
    """Whether a text is a MAC address that its device made up (the locally administered bit; IEEE 802-2014, 8.2.2)."""
    return text[1:2] in _LOCAL and _MAC.fullmatch(text) is not None


_LOCAL = frozenset("2367abefABEF")


def reader_of(fields: Sequence[str]) -> Callable[[Seen], Sequence[str]]:
    """What an observation says: the values of one field (several of a list), or the combinations of several fields.

    Nothing where a field is absent. Several fields are joined by ` / `.
    """
    if len(fields) == 1:
        return lambda seen, field=fields[0]: _texts(seen.get(field))

    def read(seen: Seen) -> Sequence[str]:
        every = [_texts(seen.get(field)) for field in fields]
        return [text_of(" / ".join(texts)) for texts in itertools.islice(itertools.product(*every), MAX_COMBINATIONS)]

    return read


def _texts(value: Any) -> Sequence[str]:
    if value is None or value == "":
        return ()
    if value.__class__ is str and len(value) <= MAX_LENGTH:
        return (value,)
    if isinstance(value, list):
        return list(dict.fromkeys(text_of(item) for item in cast("list[Any]", value)[:MAX_COMBINATIONS]))
    return (text_of(value),)
