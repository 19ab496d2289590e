"""What readers of feeds give: entries in canonical form, and what they had to leave out."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fenghuo.config.words import printable
from fenghuo.rules.indicators.values import (
    MAX_VALUE,
    Type,
    address_key,
    cleared,
    digest_key,
    domain_key,
    network_key,
    refang,
    url_key,
)

MAX_EXAMPLES = 5
MAX_REASONS = 50
_LATEST = 0xFFFFFFFF


@dataclass(slots=True)
class Entry:
    """One indicator. `key`: canonical text (domain, URL), or bytes (address, digest; with `prefix` a network). Times in Unix seconds."""

    type: Type
    key: str | bytes
    prefix: int | None = None
    port: int | None = None
    confidence: int | None = None
    since: int | None = None
    until: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that was refused: its line (or the number of the object, in JSON), and how it begins."""

    line: int
    text: str


@dataclass
class Refused:
    """What was left out of one file: by reason, how often, with the first few."""

    counts: Counter[str] = field(default_factory=Counter[str])
    examples: dict[str, list[Example]] = field(default_factory=dict[str, list[Example]])

    @property
    def total(self) -> int:
        return self.counts.total()

    def add(self, reason: str, line: int, text: object = "") -> None:
        reason = printable(reason)
        if reason not in self.counts and len(self.counts) >= MAX_REASONS:
            reason = "other"
        self.counts[reason] += 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < MAX_EXAMPLES:
            kept.append(Example(line, printable(str(text)[:100])))


class Unfit(ValueError):  # noqa: N818 — the name says what it is
    """A value that is no indicator of the wanted type; its text is the reason that is counted."""


class Unreadable(Exception):  # noqa: N818 — the name says what it is
    """A file that is not of its format, or breaks off; what was read before may be used."""


_PORT = re.compile(r"([0-9.]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
_HEX = re.compile(r"[0-9a-fA-F]{32,128}")


def read_value(text: str, type_: Type | None = None) -> Entry:
    """An indicator as people write it, defanged or not; Unfit where it is none (of this type)."""
    text = refang(text.strip().strip("\"'"))
    if not text:
        raise Unfit("empty")
    if len(text) > MAX_VALUE:
        raise Unfit("too long")
    if type_ is None:
        type_ = _guess(text)
    return _READERS[type_](text)


def _guess(text: str) -> Type:
    if "/" in text:
        return Type.IP if network_key(text) is not None else Type.URL
    if ":" in text:
        if address_key(text) is not None or _PORT.fullmatch(text):
            return Type.IP
        return Type.URL
    if _HEX.fullmatch(text):
        return Type.HASH
    return Type.IP if address_key(text) is not None else Type.DOMAIN


def _domain(text: str) -> Entry:
    wide = text.startswith((".", "*."))
    key = domain_key(text.lstrip("*").lstrip(".") if wide else text)
    if key is None or ("." not in key and not wide):
        raise Unfit("no domain")
    return Entry(Type.DOMAIN, key)


def _address(text: str) -> Entry:
    port = None
    match = _PORT.fullmatch(text)
    if match:
        text, port = match[1].strip("[]"), int(match[2])
        if not 0 < port <= 65_535:
            raise Unfit("no address")
    if "/" not in text:
        packed = address_key(text)
        if packed is None:
            raise Unfit("no address")
        return Entry(Type.IP, packed, port=port)
    network = network_key(text)
    if network is None:
        raise Unfit("no network")
    packed, prefix = network
    if prefix == len(packed) * 8:
        return Entry(Type.IP, packed)
    if prefix == 0:
        raise Unfit("a network of everything")
    return Entry(Type.IP, cleared(packed, prefix), prefix)


def _digest(text: str) -> Entry:
    for label in ("md5:", "sha1:", "sha256:", "sha512:"):
        text = text.removeprefix(label)
    digest = digest_key(text)
    if digest is None:
        raise Unfit("no hash")
    return Entry(Type.HASH, digest)


def _url(text: str) -> Entry:
    key = url_key(text)
    if key is None:
        raise Unfit("no URL")
    return Entry(Type.URL, key)


_READERS = {Type.DOMAIN: _domain, Type.IP: _address, Type.HASH: _digest, Type.URL: _url}


def read_time(value: Any) -> int | None:
    """Unix seconds of a time as feeds write it: ISO 8601, a date, or Unix seconds or milliseconds; None for an empty text. Unfit for what is none."""
    text = str(value).strip()
    if text.lower() in ("", "none", "null", "-"):
        return None
    try:
        if text.replace(".", "", 1).isdecimal():
            number = float(text)
            seconds = number / 1000 if number > 1e11 else number
        else:
            moment = datetime.fromisoformat(text.removesuffix(" UTC"))
            seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        return min(max(0, int(seconds)), _LATEST)
    except (ValueError, OverflowError):
        raise Unfit("no time") from None


def read_confidence(value: Any) -> int | None:
    """0 to 100; None for an empty text. Unfit for what is none."""
    text = str(value).strip().removesuffix("%")
    if text.lower() in ("", "none", "null", "-"):
        return None
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        number = float(text)
    except ValueError:
        raise Unfit("no confidence") from None
    if not 0 <= number <= 100:
        raise Unfit("no confidence")
    return int(number)


_WORDS = {"low": 15, "medium": 50, "med": 50, "high": 85}
"""The words of STIX 2.1, appendix A, with the middle of what they span."""
