"""What is remembered of a field of one source: the value before, when it was read, and the rates that follow.

A `Memory` keeps whole columns as they came: the usual table, complete and of the layout before, costs no copy. Rows that
were not read keep what was known of them; rows that a new layout does not have are parked for a while.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from fenghuo.model import Layout, Table, Value
from fenghuo.rules.language.columns import Column

MAX_PARKED = 1_000
_PLAUSIBLE_64 = 1 << 60
"""A 64-bit counter that falls has wrapped only if the way over its top is short; no port counts so much in a poll."""

RowKey = tuple[tuple[str, str], ...]


def row_keys(layout: Layout) -> list[RowKey]:
    """Each row's own labels, sorted, empty ones left out: what tells a source's rows apart."""
    labels = sorted(layout.row_labels)
    if not labels:
        return [()]
    columns = [layout.row_labels[label] for label in labels]
    return [
        tuple((label, value) for label, value in zip(labels, row, strict=True) if value)
        for row in zip(*columns, strict=True)
    ]


@lru_cache(maxsize=64)
def _zeros(height: int) -> tuple[float, ...]:
    """The rates of a column that stands still, one object for all columns of that height."""
    return (0.0,) * height


class Memory:
    """The newest values of one field of one source. `bits` is the counter's width; 0 for what is no counter.

    `values`  the newest value of each row of `layout`; None where none is known
    `time`    when the newest table was taken in, Unix milliseconds
    `deaf`    milliseconds before `deaf_until` in which nobody listened, because the agent was down
    `times`   when each row's value was read; None while that is `time` for all
    """

    __slots__ = (
        "_moved",
        "bits",
        "deaf",
        "deaf_until",
        "epochs",
        "layout",
        "parked",
        "time",
        "times",
        "values",
    )

    def __init__(self, layout: Layout, bits: int) -> None:
        self.layout = layout
        self.bits = bits
        self.values: Column = [None] * layout.height
        self.time = 0
        self.times: list[int] | None = None
        self.epochs: Sequence[int] | None = None
        self.parked: dict[RowKey, tuple[Value, int]] = {}
        self._moved = False
        self.deaf = 0
        self.deaf_until = 0

    @classmethod
    def restored(cls, layout: Layout, bits: int, values: Column, times: list[int] | None, time: int) -> Memory:
        """What was known when a snapshot was made."""
        memory = cls(layout, bits)
        memory.values, memory.times, memory.time = values, times, time
        return memory

    def note_deaf(self, before: tuple[int, int], away: int, now: int) -> None:
        """Note that nobody listened for `away` milliseconds until `now`; `before`: as much, from an earlier restart."""
        self.deaf = before[0] + away
        self.deaf_until = now if away else before[1]

    def deaf_since(self, time: int) -> int:
        """For how many milliseconds since `time` nobody listened."""
        return self.deaf if time < self.deaf_until else 0

    def adopt(self, layout: Layout, bits: int) -> None:
        """Go over to another layout of the same source, taking along what is known of its rows."""
        if layout is self.layout:
            return
        known = self.known()
        keys = row_keys(layout)
        found = [known.pop(key, (None, 0)) for key in keys]
        newest = sorted(known.items(), key=lambda item: -item[1][1])
        self.parked = dict(newest[:MAX_PARKED])
        self.values = [value for value, _ in found]
        self.times = [time for _, time in found]
        # Layouts change when devices restart, and epochs are counted by row of a layout: no rate across.
        self._moved = self.epochs is not None
        self.epochs = None
        self.layout = layout
        self.bits = bits

    def known(self) -> dict[RowKey, tuple[Value, int]]:
        """Row → its newest value and the time of it, of all rows of which a value is known."""
        times = self.times or [self.time] * len(self.values)
        rows = zip(row_keys(self.layout), self.values, times, strict=True)
        return {**self.parked, **{key: (value, time) for key, value, time in rows if value is not None}}

    def forget(self, layout: Layout) -> None:
        """Forget the rows of a layout whose series have ended."""
        self.drop(row_keys(layout))

    def drop(self, keys: Sequence[RowKey]) -> None:
        """Forget rows."""
        ended = set(keys)
        self.parked = {key: known for key, known in self.parked.items() if key not in ended}
        rows = zip(row_keys(self.layout), self.values, strict=True)
        self.values = [None if key in ended else value for key, value in rows]

    def previous(self, time: int) -> tuple[Column, list[float]]:
        """The values before a table of `time`, and for each how many seconds before."""
        if self.times is None:
            return self.values, [(time - self.time) / 1000] * len(self.values)
        return self.values, [(time - then) / 1000 for then in self.times]

    def take(self, column: Sequence[Value], time: int, epochs: Sequence[int] | None) -> None:
        """Take in a newer table's column. What is older than what is known changes nothing."""
        if time <= self.time:
            return
        if None in column:
            times = self.times or [self.time] * len(self.values)
            rows = list(zip(column, self.values, times, strict=True))
            self.values = [old if new is None else new for new, old, _ in rows]
            self.times = [then if new is None else time for new, _, then in rows]
            if epochs is not None and self.epochs is not None:
                missed = zip(column, epochs, self.epochs, strict=True)
                epochs = [then if new is None else now for new, now, then in missed]
        else:
            self.values = column
            self.times = None
        self.epochs = epochs
        self.time = time
        self._moved = False

    def rates(self, table: Table, column: Sequence[Value], max_gap: int) -> Column:
        """The change per second since each row's value before; None where none can be told.

        `max_gap` is in milliseconds: over a longer silence no rate is taken. Counters that fell have wrapped if their
        epoch is the same (or unknown) and the way over the top is plausible; else they were reset, and there is no rate.
        """
        if self._moved:
            return [None] * len(column)
        before = self.values
        epochs = table.epochs
        if self.times is not None or None in column or (epochs != self.epochs and epochs is not None and self.epochs):
            return self._each(table, column, max_gap)
        span = table.time - self.time
        if not 0 < span <= max_gap:
            return [None] * len(column)
        if column == before:
            return _zeros(len(column))
        scale = 1000 / span
        try:
            found: list[float] = [(new - old) * scale for new, old in zip(column, before, strict=True)]  # type: ignore[operator]
        except TypeError:
            return self._each(table, column, max_gap)
        if self.bits and min(found) < 0:
            return [
                rate if rate >= 0 else self._over_the_top(new, old, span)
                for rate, new, old in zip(found, column, before, strict=True)
            ]
        return found

    def _each(self, table: Table, column: Sequence[Value], max_gap: int) -> Column:
        """As `rates`, row by row: values are missing, or epochs moved."""
        height = len(column)
        times = self.times or [self.time] * height
        same = [True] * height
        if table.epochs is not None and self.epochs is not None:
            same = [now == then for now, then in zip(table.epochs, self.epochs, strict=True)]
        found: list[float | None] = []
        for new, old, then, is_same in zip(column, self.values, times, same, strict=True):
            span = table.time - then
            if new is None or old is None or not is_same or not 0 < span <= max_gap:
                found.append(None)
            elif self.bits and new < old:
                found.append(self._over_the_top(new, old, span))
            else:
                found.append((new - old) * 1000 / span)
        return found

    def _over_the_top(self, new: Value, old: Value, span: int) -> float | None:
        assert new is not None
        assert old is not None
        way = new - old + (1 << self.bits)
        if way < 0 or (self.bits > 32 and way > _PLAUSIBLE_64):
            return None
        return way * 1000 / span
