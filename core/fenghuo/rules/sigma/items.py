"""One `field|modifiers: values` of a detection → pySigma's item, which applies the modifiers."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sigma.exceptions import SigmaError, SigmaModifiedError
from sigma.modifiers import modifier_mapping
from sigma.policy import SigmaPolicy  # pyright: ignore[reportMissingTypeStubs] — as below
from sigma.policy.regex_engine import (  # pyright: ignore[reportMissingTypeStubs] — as below
    RegexEngine,
    RegexPattern,
)
from sigma.rule.detection import (  # pyright: ignore[reportMissingTypeStubs] — its types are inline, only this package lacks the mark
    SigmaDetectionItem,
)
from sigma.types import SigmaExpansion, SigmaString, SigmaType

from fenghuo.config.words import allow
from fenghuo.rules.detection.pattern import text_of
from fenghuo.rules.sigma.documents import CannotApply, Wrong

_SPELLINGS = {"utf16le": "wide"}
"""Modifiers of the specification that pySigma knows by another name only."""
_KNOWN = frozenset({*modifier_mapping, *_SPELLINGS})
_OF_LISTS = ("all", "neq")
"""They are about the values as a whole, wherever they stand; pySigma wants some others to be the first."""
_OF_TEXTS = frozenset(
    {
        "contains",
        "startswith",
        "endswith",
        "re",
        "cased",
        "windash",
        "base64",
        "base64offset",
        *_SPELLINGS,
        "wide",
        "utf16",
        "utf16be",
    }
)
_UTF16 = {"wide": "utf-16le", "utf16": "utf-16le", "utf16be": "utf-16be"}
PERCENT = "\ue0fe"
"""Stands for a percent sign that the author escaped, until placeholders are found; nobody's text holds it."""
_ESCAPED = re.compile(r"(?<!\\)\\%")
_BOM = b"\xff\xfe"
# The characters of Base64 that depend on what stands before a text, and those that depend on what stands behind it.
_BEFORE = (0, 2, 3)
_BEHIND = (None, -3, -2)


class _AnyRegex(RegexEngine):
    """Lets pySigma take every regular expression: whether ours can run it is asked later, and told better."""

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        del pattern, flags
        return cast("RegexPattern", None)

    @property
    def error(self) -> type[Exception]:
        return re.error


POLICY = SigmaPolicy(regex_engine=_AnyRegex())


def read_item(key: str | None, value: Any, placeholders: Mapping[str, Sequence[str]]) -> SigmaDetectionItem:
    """Wrong and CannotApply say what stands against it. `key` None: keywords."""
    field, *modifiers = (key or "").split("|")
    for name in modifiers:
        if name not in _KNOWN:
            raise Wrong(f"unknown modifier {name[:60]!r}", hint=allow(name, _KNOWN))
    values = list(cast("list[Any]", value)) if isinstance(value, list) else [value]
    _check_values(field, modifiers, values)
    names = [_SPELLINGS.get(name, name) for name in modifiers]
    names = [name for name in names if name not in _OF_LISTS] + [name for name in names if name in _OF_LISTS]
    if _OF_TEXTS.intersection(names):
        values = [text_of(one) if isinstance(one, int | float) and not isinstance(one, bool) else one for one in values]
    if "expand" in names and "cidr" in names:
        # A network must be known before pySigma takes it for one.
        values = [network for one in values for network in _networks(one, placeholders)]
        names.remove("expand")
    elif "expand" in names:
        values = [_ESCAPED.sub(PERCENT, one) if isinstance(one, str) else one for one in values]
    try:
        encoded = _beyond_ascii(names, values)
        if encoded is not None:
            rest = [modifier_mapping[name] for name in names[2:]]
            return SigmaDetectionItem(field or None, rest, cast("list[SigmaType]", encoded))
        return SigmaDetectionItem.from_mapping(
            "|".join((field, *names)) if key is not None else None, values, policy=POLICY
        )
    except SigmaModifiedError as error:
        raise CannotApply(first_line(error)) from None
    except SigmaError as error:
        raise Wrong(first_line(error)) from None


def _check_values(field: str, modifiers: list[str], values: list[Any]) -> None:
    for one in values:
        if isinstance(one, Mapping | list):
            raise Wrong("expected a text, a number, true, false, null or a list of these")
        if one is None and (not field or modifiers):
            raise Wrong("null stands for a field that is absent: it needs a field, and no modifiers")
    if not values and not field:
        raise Wrong("an empty list of keywords")


def _networks(value: Any, placeholders: Mapping[str, Sequence[str]]) -> list[Any]:
    if not isinstance(value, str) or not (value.startswith("%") and value.endswith("%")):
        return [value]
    return list(values_of(value[1:-1], placeholders))


def values_of(name: str, placeholders: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The values of a placeholder; CannotApply where none are configured."""
    if name not in placeholders:
        raise CannotApply(f"no values are configured for its placeholder %{name}%")
    return placeholders[name]


def _beyond_ascii(names: list[str], values: list[Any]) -> list[SigmaExpansion] | None:
    """Texts in UTF-16 and Base64, where they are more than ASCII, which pySigma does not encode; None elsewhere."""
    if len(names) < 2 or names[0] not in _UTF16 or names[1] not in ("base64", "base64offset"):
        return None
    if all(not isinstance(one, str) or one.isascii() for one in values):
        return None
    found: list[SigmaExpansion] = []
    for one in values:
        text = SigmaString(str(one))
        if text.contains_special():
            raise Wrong("a text with wildcards cannot be encoded")
        data = (_BOM if names[0] == "utf16" else b"") + text.to_plain(regex=True).encode(
            _UTF16[names[0]], "surrogatepass"
        )
        shifts = range(3) if names[1] == "base64offset" else range(1)
        found.append(SigmaExpansion([SigmaString(_encoded(data, shift, names[1])) for shift in shifts]))
    return found


def _encoded(data: bytes, shift: int, how: str) -> str:
    if how == "base64":
        return b64encode(data).decode()
    return b64encode(b" " * shift + data)[_BEFORE[shift] : _BEHIND[(len(data) + shift) % 3]].decode()


def first_line(error: Exception) -> str:
    """What pySigma says, short."""
    text = str(error.args[0]) if error.args else str(error)
    return text.splitlines()[0][:300] if text else type(error).__name__
