"""What is known of each alert now, and how it came to that."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fenghuo.alerts import event_to_alert
from fenghuo.model import AgentId, AlertState, Event, Level, Site
from fenghuo_collector.feeds.base import Step
from fenghuo_collector.sinks.sqlite.database import Readers
from fenghuo_collector.sinks.sqlite.events import unpack_event

MAX_FIRING = 50_000
COLUMNS = "number, key, agent, time, document"


def to_step(row: Sequence[object]) -> Step:
    """A step from the row's `COLUMNS`."""
    number, key, agent, time, document = row
    assert isinstance(number, int)
    assert isinstance(time, int)
    assert isinstance(document, bytes)
    event = unpack_event(str(key), time, document)
    return Step(number, str(key), AgentId.parse(str(agent)), event_to_alert(Event(str(key), time, event.document)))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many alerts fire: by level, and by site and level."""

    total: int = 0
    levels: dict[Level, int] = field(default_factory=dict[Level, int])
    sites: dict[str, dict[Level, int]] = field(default_factory=dict[str, dict[Level, int]])


class AlertStates:
    """The journal's reading side. Methods may be called from any thread and block while the disk is read."""

    def __init__(self, path: Path) -> None:
        self._readers = Readers(path)

    def close(self) -> None:
        self._readers.close()

    def firing(self, site: Site | str | None = None) -> list[Step]:
        """The newest step of every alert that fires now, at or below `site`, the most recently begun last."""
        return self._current([AlertState.FIRING], site)

    def current(self, site: Site | str | None = None) -> list[Step]:
        """The newest step of every alert that the journal knows, whatever its state, the newest last."""
        return self._current(list(AlertState), site)

    def _current(self, states: Sequence[AlertState], site: Site | str | None) -> list[Step]:
        with self._readers.borrow() as connection:
            query = f"SELECT {COLUMNS} FROM current WHERE state IN ({', '.join('?' * len(states))})"  # noqa: S608 — ours
            arguments: list[str | int] = list(states)
            if site is not None:
                query += " AND agent >= ? AND agent < ?"
                arguments += _below(site)
            rows = connection.execute(f"{query} ORDER BY time, number LIMIT ?", (*arguments, MAX_FIRING)).fetchall()
        return [to_step(row) for row in rows]

    def find(self, fingerprint: str, agent: AgentId | str | None = None) -> Step | None:
        """The newest step of one alert."""
        with self._readers.borrow() as connection:
            row = connection.execute(
                f"SELECT {COLUMNS} FROM current WHERE fingerprint = ? AND agent = coalesce(?, agent) "  # noqa: S608 — ours
                "ORDER BY time DESC LIMIT 1",
                (fingerprint, None if agent is None else str(agent)),
            ).fetchone()
        return to_step(row) if row else None

    def history(self, fingerprint: str, agent: AgentId | str | None = None, *, limit: int = 1_000) -> list[Step]:
        """The newest `limit` steps of one alert that are kept, the oldest first."""
        with self._readers.borrow() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM step WHERE fingerprint = ? AND agent = coalesce(?, agent) "  # noqa: S608 — ours
                "ORDER BY time DESC, sequence DESC, number DESC LIMIT ?",
                (fingerprint, None if agent is None else str(agent), limit),
            ).fetchall()
        return [to_step(row) for row in reversed(rows)]

    def counts(self, site: Site | str | None = None) -> Counts:
        """How many alerts fire at or below `site`."""
        with self._readers.borrow() as connection:
            query = "SELECT agent, level, count(*) FROM current WHERE state = 'firing'"
            arguments: list[str] = []
            if site is not None:
                query += " AND agent >= ? AND agent < ?"
                arguments += _below(site)
            rows = connection.execute(query + " GROUP BY agent, level", arguments).fetchall()
        total = 0
        levels: dict[Level, int] = {}
        sites: dict[str, dict[Level, int]] = {}
        for agent, level, number in rows:
            total += number
            levels[level] = levels.get(level, 0) + number
            here = sites.setdefault(AgentId.parse(agent).site.path, {})
            here[level] = here.get(level, 0) + number
        return Counts(total, levels, sites)

    def after(self, number: int, limit: int) -> list[Step]:
        """The steps behind `number` in the journal, in its order."""
        with self._readers.borrow() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS} FROM step WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608 — ours
                (number, limit),
            ).fetchall()
        return [to_step(row) for row in rows]

    def last(self) -> int:
        """The number of the newest step that was ever put in; 0 before the first."""
        with self._readers.borrow() as connection:
            return last_number(connection)

    def place(self, feed: str) -> int | None:
        """The number of the last step that `feed` has dealt with; None for a feed that never was."""
        with self._readers.borrow() as connection:
            row = connection.execute("SELECT number FROM place WHERE feed = ?", (feed,)).fetchone()
        return int(row[0]) if row else None

    def dead(self, feed: str) -> list[tuple[Step, str]]:
        """The steps that `feed` could not deliver for good, and why."""
        with self._readers.borrow() as connection:
            rows = connection.execute(
                f"SELECT {COLUMNS}, reason FROM dead WHERE feed = ? ORDER BY number",  # noqa: S608 — ours
                (feed,),
            ).fetchall()
        return [(to_step(row[:-1]), row[-1]) for row in rows]


def last_number(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'step'").fetchone()
    return int(row[0]) if row else 0


def _below(site: Site | str) -> list[str]:
    return [f"{site}/", f"{site}0"]
