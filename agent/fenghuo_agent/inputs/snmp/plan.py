"""What is asked of a device at every poll, made once and shared by all devices that look the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple
from weakref import WeakValueDictionary

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import COUNTER64, INTEGER
from fenghuo_agent.snmp.objects import SCALAR, Object

STEPS = (
    1,
    2,
    4,
    8,
    12,
    16,
    20,
    24,
    28,
    32,
    36,
    40,
    44,
    48,
    52,
    56,
    60,
    64,
    68,
    72,
    76,
    80,
    84,
    96,
    112,
    128,
    160,
    192,
    224,
    256,
)
"""The numbers of objects in a request: steps, so that alike devices share their plans."""
ENVELOPE_SIZE = 80
VARBIND_SIZE = 26
PATIENCE = 10
MOST_PATIENCE = 1000
ROOM = 0.97
"""Answers grow by themselves as counters do: so much of the allowed size is used."""


class Shape(NamedTuple):
    """What a device has in what is read at every poll: the scalars, then the interfaces row by row.

    `missing` holds the places in the grid of rows × columns that the device does not have.
    """

    scalars: tuple[Object, ...]
    columns: tuple[Object, ...]
    rows: tuple[int, ...]
    missing: frozenset[int]

    @property
    def grid(self) -> int:
        """Where the interfaces start."""
        return len(self.scalars)

    @property
    def size(self) -> int:
        """How many values there are, those that the device does not have included."""
        return self.grid + len(self.rows) * len(self.columns)

    def part(self, lines: Sequence[int]) -> Shape:
        """The scalars and these of the rows alone, counted from 0."""
        width = len(self.columns)
        missing = frozenset(
            at * width + place
            for at, line in enumerate(lines)
            for place in range(width)
            if line * width + place in self.missing
        )
        return Shape(self.scalars, self.columns, tuple(self.rows[line] for line in lines), missing)

    def objects(self) -> Iterator[tuple[Object, tuple[int, ...]] | None]:
        """Object and index of each value in order; None for those that the device does not have."""
        for scalar in self.scalars:
            yield scalar, SCALAR
        place = 0
        for row in self.rows:
            for column in self.columns:
                yield None if place in self.missing else (column, (row,))
                place += 1


class Unusual(Exception):  # noqa: N818 — the name says what an answer is; never leaves this package
    """An answer that is not what a device usually sends; it has to be read with more care."""


Head = tuple[bytes, int]
_UNSEEN: Head = (b"", 0)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """One request: its encoded variable bindings, and for each the name, the tag of its type and its longest value.

    `integers` are the places of signed ones. `heads` holds, by place and length of the value, what stands before the
    value in an answer, a leading zero included, and the value's length without it: nothing before such a value was seen.
    """

    names: tuple[bytes, ...]
    tags: bytes
    longest: bytes
    integers: tuple[int, ...]
    body: bytes
    heads: tuple[list[Head], ...]

    def look(self, place: int, answer: bytes, at: int) -> int:
        """The length of the value at `answer[at:]`, whose head is known from now on.

        Raises `Unusual` where it is not this chunk's object, its type or a plain length, `IndexError` where the answer
        breaks off.
        """
        name, tag, longest = self.names[place], self.tags[place], self.longest[place]
        length = answer[at + 3 + len(name)]
        if not 0 < length <= longest:
            raise Unusual
        zero = b"\0" if length == longest and tag != INTEGER else b""
        head = bytes((ber.SEQUENCE, len(name) + 2 + length)) + name + bytes((tag, length)) + zero
        if answer[at : at + len(head)] != head:
            raise Unusual
        self.heads[place][length] = head, length - len(zero)
        return length


Guess = bytearray
"""The lengths of the values in one device's next answer to a chunk: probably those of the last one."""


@dataclass(frozen=True, eq=False)
class Plan:
    """All requests of one poll. `places` says which value each answer is, None where it is simply the next.

    `starts` says with which answer each request begins, and at last how many there are.
    """

    shape: Shape
    chunks: tuple[Chunk, ...]
    places: tuple[int, ...] | None
    starts: tuple[int, ...]

    def places_of(self, number: int) -> Sequence[int]:
        """The places of the values that a request, counted from 0, asks for."""
        first, last = self.starts[number : number + 2]
        return range(first, last) if self.places is None else self.places[first:last]

    @cached_property
    def spans(self) -> tuple[tuple[int, int] | None, ...]:
        """For each request the lines of the grid that it touches, from and to before; None where it has scalars too."""
        grid, width = self.shape.grid, len(self.shape.columns)
        found: list[tuple[int, int] | None] = []
        for number in range(len(self.chunks)):
            places = self.places_of(number)
            first, last = places[0] - grid, places[-1] - grid
            found.append(None if first < 0 else (first // width, last // width + 1))
        return tuple(found)


def _chunk(objects: list[tuple[Object, tuple[int, ...]]]) -> Chunk:
    names = tuple(item.instance(index) for item, index in objects)
    tags = bytes(item.tag for item, _ in objects)
    longest = bytes(9 if tag == COUNTER64 else 1 if tag == INTEGER else 5 for tag in tags)
    return Chunk(
        names=names,
        tags=tags,
        longest=longest,
        integers=tuple(place for place, tag in enumerate(tags) if tag == INTEGER),
        body=b"".join(ber.tlv(ber.SEQUENCE, name + b"\x05\x00") for name in names),
        heads=tuple([_UNSEEN] * (most + 1) for most in longest),
    )


@dataclass(slots=True)
class Plans:
    """Plans in use, by shape and size of request."""

    _known: WeakValueDictionary[tuple[Shape, int], Plan] = field(
        default_factory=WeakValueDictionary[tuple[Shape, int], Plan]
    )

    def get(self, shape: Shape, size: int) -> Plan:
        """The plan that asks for everything of a shape, `size` objects at a time."""
        plan = self._known.get((shape, size))
        if plan is None:
            plan = _plan(shape, size)
            self._known[shape, size] = plan
        return plan


def _plan(shape: Shape, size: int) -> Plan:
    entries = list(shape.objects())
    there = [(place, entry) for place, entry in enumerate(entries) if entry is not None]
    chunks = tuple(_chunk([entry for _, entry in there[start : start + size]]) for start in range(0, len(there), size))
    places = None if len(there) == len(entries) else tuple(place for place, _ in there)
    return Plan(shape, chunks, places, (*range(0, len(there), size), len(there)))


@lru_cache(maxsize=16)
def _steps(most: int) -> tuple[int, ...]:
    """The steps up to the most objects of a request."""
    return (*(step for step in STEPS if step < most), most)


class Fit:
    """How many objects one request to a device holds: what its answers' size allows and what it has taken so far.

    After a request was too big, a larger one is tried again after some good polls; each time that fails, after twice as
    many.
    """

    __slots__ = ("_ceiling", "_given", "_good", "_limit", "_patience", "_steps", "size")

    def __init__(self, most: int, reply: int) -> None:
        self._given = most, reply
        self._steps = _steps(most)
        self._limit = reply - ENVELOPE_SIZE
        self._ceiling = most
        self._good = 0
        self._patience = PATIENCE
        self.size = self._step_below(min(most, self._limit // VARBIND_SIZE))

    def outdated(self, most: int, reply: int) -> bool:
        """Whether it was made for other limits than these."""
        return self._given != (most, reply)

    def _step_below(self, size: int) -> int:
        return max((step for step in self._steps if step <= size), default=1)

    def shrink(self) -> bool:
        """After tooBig, a cut answer or silence: halve; False where it is one already."""
        if self.size == 1:
            return False
        self._ceiling = self.size = self._step_below(self.size // 2)
        self._good = 0
        self._patience = min(self._patience * 2, MOST_PATIENCE)
        return True

    def answered(self, largest: int) -> None:
        """Learn from a good poll whose largest answer held `largest` octets of variable bindings."""
        self._good += 1
        if self._good >= self._patience:
            self._good = 0
            self._ceiling = next((step for step in self._steps if step > self._ceiling), self._ceiling)
        fitting = self.size * self._limit // max(1, largest)
        if fitting < self.size:
            self.size = self._step_below(fitting)
        else:
            self.size = max(self.size, self._step_below(min(self._ceiling, int(fitting * ROOM))))
