"""STIX 2.1 bundles and MISP events, object after object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, cast

import ijson  # pyright: ignore[reportMissingTypeStubs] — it brings none

from fenghuo.rules.indicators.entry import (
    Entry,
    Refused,
    Unfit,
    Unreadable,
    read_confidence,
    read_time,
    read_value,
)
from fenghuo.rules.indicators.readers.stix_pattern import NotAList, read_pattern
from fenghuo.rules.indicators.source import ListSource
from fenghuo.rules.indicators.values import Type

MAX_OBJECT = 8 * 2**20
"""Bytes of a file that may pass without one whole object: what is larger is no indicator and would only fill memory."""

MAX_DEPTH = 64
_READ = 16_384

_STIX: Mapping[str, Type | None] = {
    "domain-name:value": Type.DOMAIN,
    "ipv4-addr:value": Type.IP,
    "ipv6-addr:value": Type.IP,
    "url:value": Type.URL,
    "network-traffic:dst_ref.value": None,
    "network-traffic:src_ref.value": None,
}
_HASHES = ("file:hashes.", "artifact:hashes.", "x509-certificate:hashes.", "directory:hashes.")
_HASH_WORDS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "x509-fingerprint-md5", "x509-fingerprint-sha1",
               "x509-fingerprint-sha256", "ja3-fingerprint-md5", "hassh-md5", "hasshserver-md5")  # fmt: skip
_MISP: Mapping[str, tuple[Type | None, ...]] = {
    **dict.fromkeys(("domain", "hostname"), (Type.DOMAIN,)),
    **dict.fromkeys(("ip-src", "ip-dst"), (Type.IP,)),
    **dict.fromkeys(("ip-src|port", "ip-dst|port"), (Type.IP,)),
    "hostname|port": (Type.DOMAIN, None),
    "domain|ip": (Type.DOMAIN, Type.IP),
    "url": (Type.URL,),
    **dict.fromkeys(_HASH_WORDS, (Type.HASH,)),
    **dict.fromkeys((f"filename|{word}" for word in _HASH_WORDS[:6]), (None, Type.HASH)),
}
"""MISP's attribute types, and what each part of a value (parted by `|`) is; None: a part that is not looked up."""


class _Bounded:
    """A stream that stops when too much is read without an object coming out of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._since = 0

    def read(self, size: int = -1) -> bytes:
        if size <= 0:
            return b""
        self._since += size
        if self._since > MAX_OBJECT:
            raise Unreadable(f"an object of more than {MAX_OBJECT // 2**20} MiB")
        return self._stream.read(size)

    def came(self) -> None:
        self._since = 0


def _broken(error: Exception) -> Unreadable:
    return Unreadable(f"no valid JSON: {str(error).splitlines()[0][:100] if str(error) else type(error).__name__}")


def _failures() -> tuple[type[Exception], ...]:
    # A number of ten thousand digits and half a surrogate are ValueErrors.
    return (ijson.JSONError, ValueError, RecursionError, OverflowError)


def _objects(stream: BinaryIO, is_wanted: Callable[[list[str]], bool]) -> Iterator[dict[str, Any]]:
    """The objects at the places that are wanted: the keys on the way there, `[]` for a list.

    ijson's own prefixes would fill the memory where a hostile file nests a hundred thousand lists.
    """
    bounded = _Bounded(stream)
    way: list[str] = []
    builder: Any = None
    inside = 0
    try:
        for event, value in ijson.basic_parse(bounded, buf_size=_READ, use_float=True):
            if event == "map_key":
                way[-1] = value
            elif event == "start_map":
                if builder is None and is_wanted(way):
                    builder, inside = ijson.ObjectBuilder(), len(way)
                way.append("")
            elif event == "start_array":
                way.append("[]")
            elif event in ("end_map", "end_array"):
                way.pop()
            if len(way) > MAX_DEPTH:
                raise Unreadable(f"no valid JSON: nested more than {MAX_DEPTH} deep")
            if builder is None:
                bounded.came()
                continue
            builder.event(event, value)
            if event == "end_map" and len(way) == inside:
                bounded.came()
                yield builder.value
                builder = None
    except _failures() as error:
        raise _broken(error) from None


def _is_stix(way: list[str]) -> bool:
    return way[-2:] == ["objects", "[]"]


def _is_misp(way: list[str]) -> bool:
    return way[-2:] == ["Attribute", "[]"]


def read_stix(stream: BinaryIO, source: ListSource, refused: Refused) -> Iterator[Entry]:
    """The indicators of a bundle (or of a TAXII envelope)."""
    wanted = None if source.type == "auto" else Type[source.type.upper()]
    for number, item in enumerate(_objects(stream, _is_stix), 1):
        yield from _indicator(item, number, wanted, refused)


def _indicator(item: Mapping[str, Any], number: int, wanted: Type | None, refused: Refused) -> Iterable[Entry]:
    if item.get("type") != "indicator":
        return ()
    if item.get("revoked") is True:
        refused.add("revoked", number, item.get("pattern", ""))
        return ()
    kind = item.get("pattern_type", "stix")
    pattern = str(item.get("pattern", ""))
    if kind != "stix":
        refused.add(f"pattern of type {str(kind)[:20]}", number, pattern)
        return ()
    try:
        comparisons = read_pattern(pattern)
        since, until = read_time(item.get("valid_from", "")), read_time(item.get("valid_until", ""))
        confidence = read_confidence(item.get("confidence", ""))
    except (NotAList, Unfit) as error:
        refused.add(str(error), number, pattern)
        return ()
    labels = item.get("indicator_types") or item.get("labels") or ()
    words = [str(item.get("name") or item.get("description") or "")]
    words += [str(label) for label in cast("list[Any]", labels)[:5]] if isinstance(labels, list) else []
    text = ", ".join(word for word in words if word)
    found: list[Entry] = []
    for path, value in comparisons:
        try:
            entry = read_value(value, _stix_type(path))
            if wanted is not None and entry.type is not wanted:
                raise Unfit("of another type than the list")  # noqa: TRY301 — counted with the others
        except Unfit as error:
            refused.add(str(error), number, f"{path} = {value}")
            continue
        entry.since, entry.until, entry.confidence, entry.text = since, until, confidence, text
        found.append(entry)
    return found


def _stix_type(path: str) -> Type | None:
    if path in _STIX:
        return _STIX[path]
    if path.startswith(_HASHES):
        return Type.HASH
    raise Unfit(f"pattern about {path[:40]}")


def read_misp(stream: BinaryIO, source: ListSource, refused: Refused) -> Iterator[Entry]:
    """The attributes of MISP events, of their objects and of searches that are meant for detection (`to_ids`)."""
    wanted = None if source.type == "auto" else Type[source.type.upper()]
    for number, item in enumerate(_objects(stream, _is_misp), 1):
        yield from _attribute(item, number, wanted, refused)


def _attribute(item: Mapping[str, Any], number: int, wanted: Type | None, refused: Refused) -> Iterable[Entry]:
    kind, value = str(item.get("type", "")), str(item.get("value", ""))
    if item.get("to_ids") not in (True, 1, "1") or item.get("deleted") in (True, 1, "1"):
        refused.add("not meant for detection (to_ids)" if not item.get("deleted") else "deleted", number, value)
        return ()
    types = _MISP.get(kind)
    if types is None:
        refused.add("a type that is not looked up", number, f"{kind}: {value}")
        return ()
    parts = [value.replace("|", ":")] if kind.endswith("|port") and types == (Type.IP,) else value.split("|")
    found: list[Entry] = []
    for type_, part in zip(types, parts[-len(types) :], strict=False):
        if type_ is None or (wanted is not None and type_ is not wanted):
            continue
        try:
            entry = read_value(_bracketed(part) if type_ is Type.IP and kind.endswith("|port") else part, type_)
            entry.since = read_time(item.get("first_seen") or "")
        except Unfit as error:
            refused.add(str(error), number, f"{kind}: {value}")
            continue
        entry.text = _about(item)
        found.append(entry)
    return found


def _bracketed(text: str) -> str:
    """An IPv6 address with a port as URLs write it."""
    address, _, port = text.rpartition(":")
    return f"[{address}]:{port}" if ":" in address else text


def _about(item: Mapping[str, Any]) -> str:
    tags: Any = item.get("Tag")
    names = [str(cast("dict[str, Any]", tag).get("name", "")) for tag in cast("list[Any]", tags)[:5] if isinstance(tag, dict)] if isinstance(tags, list) else []  # fmt: skip
    words = [str(item.get("comment") or ""), str(item.get("category") or ""), *names]
    return ", ".join(word for word in words if word)
