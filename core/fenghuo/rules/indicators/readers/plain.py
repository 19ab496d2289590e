"""Plain lists: one indicator a line, lines of a hosts file, and the domain rules of ad blockers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, summarize_address_range
from typing import BinaryIO

from fenghuo.rules.indicators.entry import Entry, Refused, Unfit, read_value
from fenghuo.rules.indicators.readers.lines import read_lines
from fenghuo.rules.indicators.source import ListSource
from fenghuo.rules.indicators.values import Type

_RANGE = re.compile(r"([0-9.]+)\s*-\s*([0-9.]+)")
_SINKS = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1", "::0"})  # noqa: S104 — what hosts files point to
_LOCAL = frozenset(
    {"localhost", "localhost.localdomain", "local", "broadcasthost", "ip6-localhost", "ip6-loopback", "0.0.0.0"}  # noqa: S104
)
_HARMLESS = frozenset({"all", "important", "document", "doc", "popup", "third-party", "3p", ""})
"""Options of ad blockers' rules without which the rule means the same to us."""


def read_plain(stream: BinaryIO, source: ListSource, refused: Refused) -> Iterator[Entry]:
    """One entry a line; `#`, `;` and `!` begin comments."""
    type_ = None if source.type == "auto" else Type[source.type.upper()]
    for number, line in read_lines(stream, refused):
        text = line.strip()
        if not text or text[0] in "#!;" or (text[0] == "[" and text.lower().startswith("[adblock")):
            continue
        try:
            yield from read_line(text, type_)
        except Unfit as error:
            refused.add(str(error), number, text)


def read_line(text: str, type_: Type | None) -> Iterator[Entry]:
    """The entries of one line that is no comment."""
    if text.startswith(("||", "@@", "|http")) or "##" in text:
        yield _of_type(_block_rule(text), type_)
        return
    value, comment = _split(text)
    match = _RANGE.fullmatch(value)
    if match and type_ in (None, Type.IP):
        for entry in _range(match[1], match[2]):
            entry.text = comment
            yield entry
        return
    parts = value.split()
    if len(parts) > 1:
        if parts[0] not in _SINKS:
            raise Unfit("more than one word")
        for name in parts[1:]:
            if name.lower() not in _LOCAL:
                yield _of_type(read_value(name, Type.DOMAIN), type_)
        return
    entry = read_value(value, type_)
    entry.text = comment
    yield entry


def _of_type(entry: Entry, type_: Type | None) -> Entry:
    if type_ not in (None, entry.type):
        raise Unfit("of another type than the list")
    return entry


def _range(first: str, last: str) -> Iterator[Entry]:
    """The networks that make up a range of addresses."""
    try:
        found = list(summarize_address_range(IPv4Address(first), IPv4Address(last)))
    except ValueError:
        raise Unfit("no range of addresses") from None
    for network in found:
        yield read_value(str(network), Type.IP)


def _split(text: str) -> tuple[str, str]:
    """The value and the comment after it."""
    for sign in (" #", "\t#", " ;", "\t;"):
        value, found, comment = text.partition(sign)
        if found:
            return value.rstrip(), comment.strip()
    return text, ""


def _block_rule(text: str) -> Entry:
    if text.startswith("@@"):
        raise Unfit("an exception of an ad blocker")
    rule, _, options = text.partition("$")
    if not rule.startswith("||") or not _HARMLESS.issuperset(options.lower().split(",")):
        raise Unfit("an ad blocker's rule that is not about a domain")
    name = rule[2:]
    if not name.endswith("^") or any(sign in name[:-1] for sign in "^*/|"):
        raise Unfit("an ad blocker's rule that is not about a domain")
    return read_value(name[:-1])
