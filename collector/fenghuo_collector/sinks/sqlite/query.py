"""Reading the embedded store: series of metrics, and events.

Every method may be called from any thread and blocks for as long as the disk needs (in a coroutine:
`await asyncio.to_thread(query.series, …)`). Reading never holds up writing. Each raises `Retryable` where the store
cannot be read now: it was not started yet, is damaged, or too many queries run at once.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fenghuo.errors import Permanent
from fenghuo.model import AgentId, Event, Layout, Site, Value
from fenghuo.wire.body import decode_layout
from fenghuo.wire.columns import WireColumn
from fenghuo_collector.sinks.sqlite.config import SqliteConfig
from fenghuo_collector.sinks.sqlite.database import Readers
from fenghuo_collector.sinks.sqlite.encode import Matrix, decode_chunk, matrix
from fenghuo_collector.sinks.sqlite.events import first_number, number_of, pack_id, unpack_event
from fenghuo_collector.sinks.sqlite.metrics import unpack_columns
from fenghuo_collector.sinks.sqlite.points import Point, rates, thin
from fenghuo_collector.sinks.sqlite.text import match_expression

log = logging.getLogger(__name__)

MAX_EVENTS = 10_000
_LAYOUTS_REMEMBERED = 2_048
_MOST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one series in order of time; a value of None breaks the line. `labels` lack `site` and `agent`."""

    labels: Mapping[str, str]
    points: Sequence[Point]


@dataclass(slots=True)
class _Found:
    labels: Mapping[str, str]
    width: int
    points: dict[int, Value]


class StoreQuery:
    """The store's contents; one for a process is enough."""

    def __init__(self, config: SqliteConfig) -> None:
        self._metrics = Readers(config.metrics_file)
        self._events = Readers(config.events_file)
        self._layout = lru_cache(_LAYOUTS_REMEMBERED)(decode_layout)

    def close(self) -> None:
        self._metrics.close()
        self._events.close()

    # Metrics ----------------------------------------------------------------------------------------------------------

    def series(
        self,
        agent: AgentId | str,
        measurement: str,
        field: str,
        labels: Mapping[str, str],
        start: int,
        end: int,
        *,
        max_points: int = 5_000,
        rate: bool = False,
        join: Sequence[str] = (),
    ) -> list[Series]:
        """The series of `field` that carry all of `labels`, from `start` to `end` (Unix milliseconds, both included).

        `rate`   counters as growth per second (other fields come as they are)
        `join`   series that agree in these labels become one, under the newest labels: with `("device", "ifName")` a
                 port stays one line when its alias is renamed
        """
        found: dict[object, _Found] = {}
        with self._metrics.borrow() as connection:
            for number, layout in self._layouts(connection, str(agent), measurement, labels):
                position = layout.positions.get(field)
                rows = _matching(layout, labels)
                if position is None or not rows:
                    continue
                parts = list(_parts(connection, number, position, layout.height, start, end))
                ends = _ends(connection, number, start, end)
                for row in rows:
                    points = _points(parts, row, ends, start, end)
                    if points:
                        _add(found, layout, row, field, points, join)
        return [_finish(each, rate=rate, most=max_points) for each in found.values()]

    def labels(self, agent: AgentId | str, measurement: str, labels: Mapping[str, str]) -> list[Mapping[str, str]]:
        """The distinct label sets of the measurement's series that carry all of `labels`, whenever they were stored."""
        with self._metrics.borrow() as connection:
            distinct = {
                frozenset(layout.rows[row].items()): layout.rows[row]
                for _, layout in self._layouts(connection, str(agent), measurement, labels)
                for row in _matching(layout, labels)
            }
        return list(distinct.values())

    def fields(self, agent: AgentId | str, measurement: str) -> list[str]:
        """The names of the measurement's fields, in the order of their first layout."""
        with self._metrics.borrow() as connection:
            layouts = self._layouts(connection, str(agent), measurement, {})
            return list(dict.fromkeys(field for _, layout in layouts for field in layout.fields))

    def count_tables(self) -> int:
        """How many distinct tables are stored. Decodes the times of every chunk: for tests and the curious."""
        with self._metrics.borrow() as connection:
            keys = {(row[0], row[1]) for row in connection.execute("SELECT layout, time FROM journal")}
            for layout, body in connection.execute("SELECT layout, body FROM chunk"):
                keys.update((layout, time) for time in decode_chunk(body).times.tolist())
        return len(keys)

    def _layouts(
        self, connection: sqlite3.Connection, agent: str, measurement: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[int, Layout]]:
        device = labels.get("device")
        query = "SELECT id, body FROM layout WHERE agent = ? AND name = ?"
        if device is not None:
            query += " AND device = ?"
        arguments = [agent, measurement] if device is None else [agent, measurement, device]
        for number, body in connection.execute(query + " ORDER BY id", arguments).fetchall():
            yield number, self._layout(body)

    # Events -----------------------------------------------------------------------------------------------------------

    def events(
        self,
        text: str | None = None,
        *,
        agent: AgentId | str | None = None,
        site: Site | str | None = None,
        dataset: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[Event]:
        """Events, the newest first.

        `text`    words that all occur (see `text.match_expression`); `site` takes all agents at or below it
        `since`, `until`  Unix milliseconds, the first included, the second not
        `before`  `cursor(event)` of the last event of the page before
        """
        low = 0 if since is None else first_number(since)
        high = _MOST_NUMBER if until is None else first_number(until)
        expression = None if text is None or not text.strip() else match_expression(text)
        if expression == "":
            return []
        with self._events.borrow() as connection:
            agents = _agents(connection, agent, site)
            if agents == []:
                return []
            if before is not None:
                high = min(high, _number_at(connection, before))
            query, arguments = _event_query(expression, low, high, agents, dataset)
            rows = connection.execute(query, (*arguments, max(0, min(limit, MAX_EVENTS)))).fetchall()
        return [unpack_event(*row) for row in rows]

    def event(self, event_id: str) -> Event | None:
        """The event of that id."""
        with self._events.borrow() as connection:
            row = connection.execute(
                "SELECT id, time, document FROM event WHERE id = ?", (pack_id(event_id),)
            ).fetchone()
        return unpack_event(*row) if row else None

    def count_events(self, dataset: str | None = None) -> int:
        """How many documents are stored, of one dataset or in all."""
        where = "" if dataset is None else "WHERE dataset = (SELECT id FROM dataset WHERE name = ?)"
        arguments = () if dataset is None else (dataset,)
        with self._events.borrow() as connection:
            return int(connection.execute(f"SELECT count(*) FROM event {where}", arguments).fetchone()[0])  # noqa: S608 — ours


def cursor(event: Event) -> str:
    """Where a page that ends with `event` ends, for `events(before=…)`."""
    return f"{event.time}.{event.id}"


# Series -------------------------------------------------------------------------------------------------------------


def _matching(layout: Layout, labels: Mapping[str, str]) -> list[int]:
    """The rows that carry all of `labels`."""
    wanted: list[tuple[str, str]] = []
    for key, value in labels.items():
        if key in layout.row_labels:
            wanted.append((key, value))
        elif layout.labels.get(key, "") != value:
            return []
    columns = [(layout.row_labels[key], value) for key, value in wanted]
    return [row for row in range(layout.height) if all(column[row] == value for column, value in columns)]


_Part = tuple[Sequence[int], Matrix]


def _parts(
    connection: sqlite3.Connection, layout: int, field: int, height: int, start: int, end: int
) -> Iterator[_Part]:
    """The times and values of one field in every chunk, and then in the journal."""
    for (body,) in connection.execute(
        "SELECT body FROM chunk WHERE layout = ? AND first <= ? AND last >= ?", (layout, end, start)
    ):
        try:
            chunk = decode_chunk(body)
            yield chunk.times.tolist(), chunk.field(field)
        except Permanent as error:
            log.error("layout %s has a hole: %s", layout, error)  # noqa: TRY400 — the text says it all
    rows = connection.execute(
        "SELECT time, body FROM journal WHERE layout = ? AND time BETWEEN ? AND ? ORDER BY time", (layout, start, end)
    ).fetchall()
    columns: list[WireColumn] = []
    times: list[int] = []
    for time, body in rows:
        try:
            columns.append(unpack_columns(body)[field])
            times.append(time)
        except Permanent as error:
            log.error("layout %s has a hole: %s", layout, error)  # noqa: TRY400 — the text says it all
    if times:
        yield times, matrix(columns, height)


def _ends(connection: sqlite3.Connection, layout: int, start: int, end: int) -> list[int]:
    rows = connection.execute(
        "SELECT time FROM ended WHERE layout = ? AND time BETWEEN ? AND ?", (layout, start, end)
    ).fetchall()
    return [row[0] for row in rows]


def _points(parts: Sequence[_Part], row: int, ends: Sequence[int], start: int, end: int) -> dict[int, Value]:
    """One row's values by time. A time that was stored twice counts as it was stored first."""
    stored: dict[int, Value] = {}
    for times, values in reversed(parts):
        stored.update(zip(times, values.row(row), strict=True))
    points: dict[int, Value] = dict.fromkeys(ends)
    points.update((time, value) for time, value in stored.items() if value is not None and start <= time <= end)
    return points


def _add(
    found: dict[object, _Found], layout: Layout, row: int, field: str, points: dict[int, Value], join: Sequence[str]
) -> None:
    labels = layout.rows[row]
    key: object = tuple(labels.get(name, "") for name in join) if join else frozenset(labels.items())
    known = found.get(key)
    if known is None:
        found[key] = _Found(labels, layout.counters.get(field, 0), points)
        return
    if max(points) >= max(known.points):
        known.labels = labels
    # The end of one label set is no break where another goes on at the same moment.
    known.points = {
        **points,
        **{time: value for time, value in known.points.items() if value is not None or time not in points},
    }


def _finish(found: _Found, *, rate: bool, most: int) -> Series:
    points = sorted(found.points.items(), key=lambda point: point[0])
    if rate and found.width:
        points = rates(points, found.width)
    return Series(found.labels, thin(points, most))


# Events -------------------------------------------------------------------------------------------------------------


def _agents(connection: sqlite3.Connection, agent: AgentId | str | None, site: Site | str | None) -> list[int] | None:
    """The numbers of the agents that are asked for; None: all."""
    if agent is None and site is None:
        return None
    query, arguments = "SELECT id FROM agent WHERE 1", list[str]()
    if agent is not None:
        query += " AND name = ?"
        arguments.append(str(agent))
    if site is not None:
        query += " AND name >= ? AND name < ?"
        arguments += [f"{site}/", f"{site}0"]
    return [row[0] for row in connection.execute(query, arguments)]


def _number_at(connection: sqlite3.Connection, place: str) -> int:
    time, _, event_id = place.partition(".")
    row = connection.execute("SELECT number FROM event WHERE id = ?", (pack_id(event_id),)).fetchone()
    return int(row[0]) if row else number_of(event_id, int(time) if time.isdecimal() else 0)


def _event_query(
    expression: str | None, low: int, high: int, agents: Sequence[int] | None, dataset: str | None
) -> tuple[str, list[int | str]]:
    """The statement, complete but for its limit. Rows come in order of their number, never sorted: `+` keeps SQLite from
    indexes that would make it sort.
    """
    conditions: list[str] = []
    arguments: list[int | str] = []
    if expression is None:
        source, key = "event", "event.number"
    else:
        source, key = "event_text CROSS JOIN event ON event.number = event_text.rowid", "event_text.rowid"
        conditions.append("event_text MATCH ?")
        arguments.append(expression)
    conditions.append(f"{key} >= ? AND {key} < ?")
    arguments += [low, high]
    if agents is not None:
        column = "event.agent" if len(agents) == 1 and expression is None else "+event.agent"
        conditions.append(f"{column} IN ({', '.join('?' * len(agents))})")
        arguments += agents
    if dataset is not None:
        column = "event.dataset" if agents is None and expression is None else "+event.dataset"
        conditions.append(column + " = (SELECT id FROM dataset WHERE name = ?)")  # noqa: S608 — a constant
        arguments.append(dataset)
    query = (
        f"SELECT event.id, event.time, event.document FROM {source} "  # noqa: S608 — made of constants above
        f"WHERE {' AND '.join(conditions)} ORDER BY {key} DESC LIMIT ?"
    )
    return query, arguments
