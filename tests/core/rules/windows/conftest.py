from __future__ import annotations

from bisect import bisect_right

import pytest

from fenghuo.clock import VirtualClock
from fenghuo.model import Event

T0 = VirtualClock().now()


@pytest.fixture
def t0():
    return T0


def event_at(second, id_="", **fields):
    """An event; in the names of fields `__` stands for a dot."""
    document = {name.replace("__", "."): value for name, value in fields.items()}
    return Event(id_ or f"e{second}", T0 + round(second * 1000), {"event.dataset": "test", **document})


@pytest.fixture
def make_event():
    return event_at


@pytest.fixture
def play(run):
    """Run rules over (second, fields) in order; time is told before each event whose second is in `tell`."""

    def played(rule, events, *, tell=(), end=100_000, restart_after=(), **options):
        one = run(rule, **options)
        for number, (second, fields) in enumerate(events):
            if second in tell:
                one.advance(second)
            one.alerts += one.engine.event(event_at(second, f"e{number:05}", **fields))
            if number in restart_after:
                one.restart()
        one.advance(end)
        return one

    return played


class Reference:
    """What a rule should tell whose window holds (moment, thing) pairs: slow and plain.

    `is_on(things)` says what is true of the things in the window, at each moment at which they change.
    """

    def __init__(self, items, window, is_on):
        self.items = sorted(items, key=lambda item: item[0])
        self.window = window
        moments = sorted({t for t, _ in self.items} | {t + window for t, _ in self.items})
        self.changes = [(t, is_on(self.within(t))) for t in moments]

    def within(self, moment):
        """The things in (moment - window, moment], oldest first."""
        times = [t for t, _ in self.items]
        first, last = bisect_right(times, moment - self.window), bisect_right(times, moment)
        return [thing for _, thing in self.items[first:last]]

    def steps(self, fire=0, clear=0):
        return steps_of(self.changes, fire, clear)


def steps_of(changes, fire=0, clear=0):
    """(moment, state): it fires if it was on for `fire` and still is, it is over if it was off for `clear` and is."""
    told, firing, since, off = [], False, None, None
    for number, (moment, on) in enumerate(changes):
        following = changes[number + 1][0] if number + 1 < len(changes) else float("inf")
        if on:
            off = None
            since = moment if since is None else since
            if not firing and (moment >= since + fire or following > since + fire):
                told.append((max(moment, since + fire), "firing"))
                firing = True
        else:
            since = None
            off = moment if off is None else off
            if firing and (moment >= off + clear or following > off + clear):
                told.append((max(moment, off + clear), "resolved"))
                firing = False
    return told


@pytest.fixture
def reference():
    return Reference


@pytest.fixture
def steps():
    return steps_of
