"""The moments of a window in order, with the ids of the newest events."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any, cast

from fenghuo.rules.runtime.observe import MAX_EVENTS

_COMPACT = 32


class Times:
    """Moments in order, in 8 bytes each; the first `start` of them have left the window already.

    `ids` are those of the newest events, at most `MAX_EVENTS`, in the same order.
    """

    __slots__ = ("ids", "start", "times")

    def __init__(self) -> None:
        self.times = array("q")
        self.start = 0
        self.ids: list[str] = []

    def __len__(self) -> int:
        return len(self.times) - self.start

    def add(self, time: int, id_: str) -> int:
        """Put a moment where it belongs, and its event among the newest ones (of one moment: in the order of their ids).

        Its place in `times` is handed back.
        """
        times, ids = self.times, self.ids
        if len(times) == self.start or time > times[-1]:
            times.append(time)
            if id_:
                ids.append(id_)
                if len(ids) > MAX_EVENTS:
                    del ids[0]
            return len(times) - 1
        index = bisect_right(times, time, self.start)
        from_end = len(times) - index
        times.insert(index, time)
        if id_:
            self._insert_id(time, id_, from_end)
        return index

    def _insert_id(self, time: int, id_: str, from_end: int) -> None:
        ids, times = self.ids, self.times
        place = len(ids) - from_end
        newest = len(times) - 1
        while place > 0 and ids[place - 1] > id_ and times[newest - (len(ids) - place) - 1] == time:
            place -= 1
        if place > 0 or len(ids) < min(MAX_EVENTS, len(self)):
            ids.insert(max(0, place), id_)
            if len(ids) > MAX_EVENTS:
                del ids[0]

    def leave(self, edge: int) -> bool:
        """Let go of what is not newer than `edge`; whether there was any."""
        times, start = self.times, self.start
        first = start
        end = len(times)
        while start < end and times[start] <= edge:
            start += 1
        if start == first:
            return False
        self._begin(start)
        return True

    def crop(self, most: int) -> int:
        """Let go of the oldest beyond so many; how many they were."""
        over = len(self) - most
        if over <= 0:
            return 0
        self._begin(self.start + over)
        return over

    def _begin(self, start: int) -> None:
        ids = self.ids
        count = len(self.times) - start
        self.gone(self.start, start)
        if (start >= _COMPACT and start >= count) or not count:
            self.compact(start)
            start = 0
        self.start = start
        if count < len(ids):
            del ids[: len(ids) - count]

    def gone(self, first: int, end: int) -> None:
        """The moments at these places leave."""

    def compact(self, start: int) -> None:
        """Free the room of what stands before `start`."""
        del self.times[:start]

    def from_end(self, place: int) -> int:
        """The moment at a place counted from the newest, which is 1."""
        return self.times[-place]

    @property
    def oldest(self) -> int:
        return self.times[self.start]

    def save(self) -> list[Any]:
        return [self.times[self.start :].tobytes(), list(self.ids)]

    @classmethod
    def load(cls, saved: Any) -> Times:
        """What `save` gave; ValueError where it is none of it."""
        packed, ids = saved
        found = cls()
        found.times = unpacked("q", packed)
        found.ids = [str(id_) for id_ in cast("list[Any]", ids)]
        if len(found.ids) > min(MAX_EVENTS, len(found.times)) or any(
            later < earlier for earlier, later in zip(found.times, found.times[1:], strict=False)
        ):
            raise ValueError("moments are out of order")
        return found


def unpacked(typecode: str, packed: Any) -> array[Any]:
    """Numbers as `array.tobytes` gave them; ValueError or TypeError where they are none."""
    if not isinstance(packed, bytes):
        raise TypeError("expected packed numbers")
    found: array[Any] = array(typecode)
    found.frombytes(packed)
    return found
