"""A view of managed objects: what instances there are, in order, and how each is read (RFC 3416, section 4.2)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from fenghuo.demo.ber import Oid, Tag, integer, object_identifier, oid_contents, wrap

Scalar = int | bytes | str | Oid
Read = Callable[[], Scalar]

MISSING_OBJECT = wrap(Tag.NO_SUCH_OBJECT, b"")
MISSING_INSTANCE = wrap(Tag.NO_SUCH_INSTANCE, b"")
END_OF_VIEW = wrap(Tag.END_OF_MIB_VIEW, b"")

_WRAP = {Tag.COUNTER32: 1 << 32, Tag.COUNTER64: 1 << 64, Tag.TIME_TICKS: 1 << 32}


def encode(tag: Tag, value: Scalar) -> bytes:
    """One value as the SMI encodes it; counters and TimeTicks wrap, Gauge32 latches at its end (RFC 2578, 7.1)."""
    if isinstance(value, int):
        if tag in _WRAP:
            value %= _WRAP[tag]
        elif tag is Tag.GAUGE32:
            value = min(value, 0xFFFF_FFFF)
        return integer(value, tag)
    if isinstance(value, tuple):
        return object_identifier(value)
    return wrap(tag, value.encode() if isinstance(value, str) else value)


@dataclass(frozen=True, slots=True)
class Instance:
    """One object instance: its type and where its value comes from (a constant, or a function asked at each read)."""

    tag: Tag
    value: Scalar | Read

    def read(self) -> bytes:
        return encode(self.tag, self.value() if callable(self.value) else self.value)


class View:
    """All instances that an agent has. Rows are fixed once made; values may move."""

    def __init__(self, instances: Mapping[Oid, Instance]) -> None:
        self._oids = sorted(instances)
        self._instances = [instances[oid] for oid in self._oids]
        self._heads = [object_identifier(oid) for oid in self._oids]
        self._by_contents = {oid_contents(oid): instance for oid, instance in instances.items()}
        self._objects = {oid[: _object_length(oid)] for oid in self._oids}

    def __len__(self) -> int:
        return len(self._oids)

    def get(self, contents: bytes) -> bytes | None:
        """The encoded value of the instance with these OID contents octets; None where there is none."""
        instance = self._by_contents.get(contents)
        return None if instance is None else instance.read()

    def lacks(self, oid: Oid) -> bytes:
        """Why `get` found nothing: no such object at all, or the object without this instance."""
        known = any(oid[:end] in self._objects for end in range(len(oid), 1, -1))
        return MISSING_INSTANCE if known else MISSING_OBJECT

    def after(self, oid: Oid) -> int:
        """The position of the first instance behind `oid`; `len(self)` where the view ends."""
        return bisect_right(self._oids, oid)

    def at(self, position: int) -> tuple[bytes, bytes]:
        """The encoded name and value of the instance at a position."""
        return self._heads[position], self._instances[position].read()


def _object_length(oid: Oid) -> int:
    """How many arcs name the object: all but the instance's last (enough to tell object from instance)."""
    return len(oid) - 1


def merge(*parts: Iterable[tuple[Oid, Instance]]) -> View:
    """One view of several groups."""
    return View({oid: instance for part in parts for oid, instance in part})
