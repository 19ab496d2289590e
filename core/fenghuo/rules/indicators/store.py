"""All lists in memory, as small as they can be asked quickly: `IndicatorSet` is asked, `IndicatorSetBuilder` makes it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fenghuo.rules.indicators.entry import Entry
from fenghuo.rules.indicators.networks import Networks4, Networks4Builder
from fenghuo.rules.indicators.records import Blocks, Record, Texts, pack, unpack, value_at
from fenghuo.rules.indicators.table import SLICE, Pause, Table, TableBuilder
from fenghuo.rules.indicators.values import (
    Type,
    address_key,
    cleared,
    digest_key,
    domain_key,
    format_address,
    url_key,
    url_parents,
    without_scheme,
)

_PRINT = 0xFFFFFFFF
_LONGEST_NAME = 253
_LONGEST_URL = 16_384
"""Longer observed URLs are not looked up."""
PREFIX_MARK = "^"
"""Stands before the key of a URL that means everything below it."""


@dataclass(frozen=True, slots=True)
class ListInfo:
    """What a set knows of one of its lists. `subdomains`: whether its domains stand for the names below them.

    `id` is the list's own, in every set; 0 for one that was given up while it was read.
    """

    name: str
    id: int = 1
    subdomains: bool = True
    url_prefixes: bool = False
    confidence: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that a list holds. `list` is the list's number in the set; `since` and `until` in Unix milliseconds."""

    list: int
    type: Type
    indicator: str
    confidence: int | None
    description: str
    since: int | None
    until: int | None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that a set keeps: indicators, bytes of their values, bytes of descriptions."""

    indicators: int = 3_000_000
    value_bytes: int = 128 * 2**20
    text_bytes: int = 24 * 2**20


class Full(Exception):  # noqa: N818 — the name says what it is
    """No more goes in; its text says which bound is reached."""


class IndicatorSet:
    """What observed values are asked of; it never changes.

    Each question answers with all lists that hold the value at the moment `at` (Unix milliseconds), the most particular
    entry of each list first; what had not begun or was over then does not count.
    """

    def __init__(
        self,
        lists: Sequence[ListInfo],
        records: Blocks,
        texts: Texts,
        tables: Sequence[Table],
        networks4: Networks4,
        lengths6: Sequence[int],
        extents: Sequence[tuple[int, int]],
        types: Sequence[int],
    ) -> None:
        self.lists = tuple(lists)
        self.records = records
        self.texts = texts
        self._domains, self._addresses, self._digests, self._urls = tables
        self._networks4 = networks4
        self._extents = tuple(extents)
        self._types = tuple(types)
        self._lengths6 = tuple(lengths6)
        self._has_prefixes = any(info.url_prefixes for info in lists)

    def __len__(self) -> int:
        return len(self._domains) + len(self._addresses) + len(self._digests) + len(self._urls) + len(self._networks4)

    def types_of(self, ids: frozenset[int]) -> frozenset[Type]:
        """The types of which lists with these ids hold anything."""
        held = [types for info, types in zip(self.lists, self._types, strict=True) if info.id in ids]
        return frozenset(type_ for type_ in Type if any(types >> type_ & 1 for types in held))

    def records_of(self, number: int) -> Iterator[Record]:
        """Everything of one list."""
        return self.records.walk(*self._extents[number])

    def find(self, type_: Type, value: str, at: int, port: int | None = None) -> Sequence[Hit]:
        """The lists that hold a value; nothing for what is no value of the type."""
        if type_ is Type.DOMAIN:
            return self.domain(value, at)
        if type_ is Type.IP:
            return self.address(value, at, port)
        return self.digest(value, at) if type_ is Type.HASH else self.url(value, at)

    def domain(self, name: str, at: int) -> Sequence[Hit]:
        """A host name, by itself and by the names above it."""
        if not name.islower() or name[-1] == "." or not name.isascii() or len(name) > _LONGEST_NAME:
            name = domain_key(name) or ""
        table = self._domains
        mask, starts, prints = table.mask, table.starts, table.prints
        below, found = name, None
        while True:
            hashed = hash(below)
            bucket = hashed & mask
            start, end = starts[bucket], starts[bucket + 1]
            while start < end:
                if prints[start] == (hashed >> 32) & _PRINT:
                    found = self._domain_hit(found, table.places[start], below, at, whole=below is name)
                start += 1
            dot = below.find(".")
            if dot < 0:
                return found or ()
            below = below[dot + 1 :]

    def _domain_hit(self, found: list[Hit] | None, place: int, name: str, at: int, *, whole: bool) -> list[Hit] | None:
        record = self._record(place, name.encode("utf-8", "surrogatepass"))
        if record is None or not (whole or self.lists[record.list].subdomains):
            return found
        return self._take(found, record, name, at)

    def address(self, text: str, at: int, port: int | None = None) -> Sequence[Hit]:
        """An address, by itself and by the networks that hold it. `port`: entries with a port count only for that one."""
        packed = address_key(text)
        if packed is None:
            return ()
        found: list[Hit] | None = None
        for place in self._addresses.candidates(hash(packed)):
            record = self._record(place, packed)
            if record is not None and (record.port is None or record.port == port):
                name = format_address(packed) + (f":{record.port}" if record.port else "")
                found = self._take(found, record, name, at)
        if len(packed) == 4:
            number = int.from_bytes(packed, "big")
            if self._networks4.holds(number):
                for place in self._networks4.places(number):
                    record, _ = unpack(*self.records.at(place))
                    found = self._take(found, record, format_network(record.value), at)
        else:
            for length in self._lengths6:
                key = cleared(packed, length) + bytes((length,))
                for place in self._addresses.candidates(hash(key)):
                    record = self._record(place, key)
                    found = self._take(found, record, format_network(key), at) if record else found
        return found or ()

    def digest(self, text: str, at: int) -> Sequence[Hit]:
        """A hash in hexadecimal."""
        key = digest_key(text)
        if key is None:
            return ()
        found: list[Hit] | None = None
        for place in self._digests.candidates(hash(key)):
            record = self._record(place, key)
            found = self._take(found, record, key.hex(), at) if record else found
        return found or ()

    def url(self, text: str, at: int) -> Sequence[Hit]:
        """A URL, by itself, without its scheme, and by the folders above it in lists that mean those."""
        key = url_key(text) if len(text) <= _LONGEST_URL else None
        if key is None:
            return ()
        found = self._url_hits(None, key, at)
        rest = without_scheme(key)
        if rest is not key:
            found = self._url_hits(found, rest, at)
        if self._has_prefixes:
            for parent in url_parents(key):
                found = self._url_hits(found, PREFIX_MARK + parent, at)
        return found or ()

    def _url_hits(self, found: list[Hit] | None, key: str, at: int) -> list[Hit] | None:
        for place in self._urls.candidates(hash(key)):
            record = self._record(place, key.encode("utf-8", "surrogatepass"))
            found = self._take(found, record, key.removeprefix(PREFIX_MARK), at) if record else found
        return found

    def _record(self, place: int, value: bytes) -> Record | None:
        """The record there if it is of this value: a print alone may deceive, once in four thousand million."""
        block, offset = self.records.at(place)
        return unpack(block, offset)[0] if value_at(block, offset) == value else None

    def _take(self, found: list[Hit] | None, record: Record, name: str, at: int) -> list[Hit] | None:
        """Add a hit unless it does not count at `at`, or its list has a more particular one; of equals the surest stays."""
        if not self.lists[record.list].id:
            return found
        seconds = at // 1000
        if (record.since is not None and seconds < record.since) or (
            record.until is not None and seconds >= record.until
        ):
            return found
        confidence = self.lists[record.list].confidence if record.confidence is None else record.confidence
        description = "" if record.text is None else self.texts.get(record.text)
        hit = Hit(record.list, record.type, name, confidence, description, _ms(record.since), _ms(record.until))
        if found is None:
            return [hit]
        for index, other in enumerate(found):
            if other.list == hit.list:
                if other.indicator == name and (other.confidence or 0) < (confidence or 0):
                    found[index] = hit
                return found
        found.append(hit)
        return found


def _ms(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * 1000


def format_network(value: bytes) -> str:
    """The network that a record holds as its first address and its prefix length."""
    return f"{format_address(value[:-1])}/{value[-1]}"


class IndicatorSetBuilder:
    """Takes entries list by list; `build` makes the set. Raises `Full` at a bound."""

    def __init__(self, bounds: Bounds, pause: Pause) -> None:
        self._bounds = bounds
        self._pause = pause
        self._lists: list[ListInfo] = []
        self._records = Blocks()
        self._texts = Texts(bounds.text_bytes)
        self._begins: list[int] = []
        self._types: list[int] = []
        self._tables = tuple(TableBuilder() for _ in Type)
        self._networks4 = Networks4Builder()
        self._lengths6: set[int] = set()
        self.count = 0
        self._before = 0

    @property
    def taken(self) -> int:
        """How many are of the list begun last."""
        return self.count - self._before

    @property
    def texts_left_out(self) -> int:
        return self._texts.left_out

    def begin(self, info: ListInfo) -> int:
        """What comes next is of this list; its number."""
        self._lists.append(info)
        self._begins.append(self._records.size)
        self._types.append(0)
        self._before = self.count
        return len(self._lists) - 1

    def give_up(self) -> None:
        """What was taken of the list begun last does not count."""
        self._lists[-1] = replace(self._lists[-1], id=0)

    def add(self, entry: Entry) -> None:
        """Take an entry of the list begun last."""
        info = self._lists[-1]
        key = entry.key
        if entry.type is Type.URL and info.url_prefixes and isinstance(key, str) and "?" not in key:
            key = PREFIX_MARK + url_parents(key, 1)[0]
        value = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        if entry.prefix is not None:
            value += bytes((entry.prefix,))
        record = Record(entry.type, len(self._lists) - 1, value, entry.confidence, entry.since, entry.until)
        record.port = entry.port
        if entry.text:
            record.text = self._texts.add(entry.text)
        self._put(record, key)

    def adopt(self, former: IndicatorSet, number: int) -> int:
        """Take over a list of another set as it is; how many indicators that were."""
        for record in former.records_of(number):
            record.list = len(self._lists) - 1
            if record.text is not None:
                record.text = self._texts.add(former.texts.get(record.text))
            self._put(record, _key(record))
        return self.taken

    def _put(self, record: Record, key: str | bytes) -> None:
        if self.count >= self._bounds.indicators:
            raise Full(f"more than {self._bounds.indicators:,} indicators")
        if self._records.size > self._bounds.value_bytes:
            raise Full(f"more than {self._bounds.value_bytes // 2**20} MiB of indicators")
        place = self._records.append(pack(record))
        self._types[-1] |= 1 << record.type
        if record.type is Type.IP and len(record.value) == 5:
            self._networks4.add(int.from_bytes(record.value[:4], "big"), record.value[4], place)
        else:
            if record.type is Type.IP and len(record.value) == 17:
                self._lengths6.add(record.value[16])
                key = record.value
            self._tables[record.type].add(hash(key), place)
        self.count += 1
        if not self.count % SLICE:
            self._pause()

    def build(self) -> IndicatorSet:
        """The set of all that was taken; the builder is empty afterwards."""
        tables: list[Table] = [table.build(self._pause) for table in self._tables]
        self._texts.finish()
        return IndicatorSet(
            self._lists,
            self._records,
            self._texts,
            tables,
            self._networks4.build(self._pause),
            sorted(self._lengths6, reverse=True),
            list(itertools.pairwise([*self._begins, self._records.size])),
            self._types,
        )


def _key(record: Record) -> str | bytes:
    is_text = record.type in (Type.DOMAIN, Type.URL)
    return record.value.decode("utf-8", "surrogatepass") if is_text else record.value


def set_of(lists: Iterable[tuple[ListInfo, Iterable[Entry]]], bounds: Bounds | None = None) -> IndicatorSet:
    """A set made at once, for those who have the entries at hand."""
    builder = IndicatorSetBuilder(bounds or Bounds(), lambda: None)
    for info, entries in lists:
        builder.begin(info)
        for entry in entries:
            builder.add(entry)
    return builder.build()
