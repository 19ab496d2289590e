"""Which rules look at the tables of a layout, at which rows, with what closures and what memory.

A plan is made at the first table of a layout and kept as long as the layout lives. What is remembered belongs to the
source (agent, measurement, shared labels), so that it outlives the layout.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import WeakValueDictionary

from fenghuo.model import Layout, Level, Table
from fenghuo.rules.language.columns import Column, Evaluate, Frame, compile_node
from fenghuo.rules.language.expression import RATE, fields_of, rated, rated_fields
from fenghuo.rules.language.where import rows_for
from fenghuo.rules.rule import Judge, Rule
from fenghuo.rules.runtime.lifecycle import Group, Key
from fenghuo.rules.runtime.memory import Memory, row_keys
from fenghuo.rules.runtime.meter import Meter
from fenghuo.rules.runtime.observe import Cell, Observer
from fenghuo.rules.runtime.throttle import Gates

SourceKey = tuple[str, str, Key]
"""Agent, measurement, the labels that all rows share."""


@lru_cache(maxsize=256)
def positions_of(fields: tuple[str, ...]) -> Mapping[str, int]:
    """Field → its column, one object for all layouts with these fields."""
    return {name: index for index, name in enumerate(fields)}


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Form:
    """A rule's closures for tables whose fields stand at `positions`, shared by all layouts with these fields."""

    positions: Mapping[str, int]
    judge: Judge
    levels: Sequence[tuple[Level, Evaluate | None]]


class RuleState:
    """What the engine keeps of one rule, and its counts.

    `evaluations` tables judged or observations made · `matches` rows or measures whose condition was true · `alerts`
    steps told · `groups` entities that are pending, firing or damped · `evictions` entities and cells given up for want
    of room · `given_up` observations and values that cells gave up for want of room · `late` tables that came too late ·
    `ungrouped` events that lack a field of `group_by`
    """

    def __init__(self, rule: Rule, number: int) -> None:
        self.rule = rule
        self.number = number
        self.evaluations = 0
        self.matches = 0
        self.alerts = 0
        self.groups = 0
        self.evictions = 0
        self.late = 0
        self.tracks: dict[SourceKey, Track] = {}
        self.suppressors: list[tuple[tuple[str, ...], RuleState]] = []
        self.busy: dict[tuple[str, ...], Counter[tuple[str, ...]]] = {}
        """For rules that this one holds back: by their labels, how many of its groups are pending or fire."""
        self.cells: OrderedDict[tuple[str, Key], Place] = OrderedDict()
        """Of rules that observe: agent and group → its cell, the one not heard of for longest first."""
        self.ungrouped = 0
        self.meter = Meter()
        self.given_up = 0
        limits = rule.section.limits
        self.gates = Gates(rule.holds.throttle, limits.alerts, limits.groups)
        expressions = (*rule.body.expressions, *(node for _, node in rule.levels if node is not None))
        self.rated = tuple(dict.fromkeys(name for node in expressions for name in rated_fields(node)))
        direct = (*rule.body.needs, *(name for node in expressions for name in fields_of(node)))
        self.fields = tuple(dict.fromkeys(name for name in direct if name not in self.rated))
        self._forms: WeakValueDictionary[tuple[str, ...], Form] = WeakValueDictionary()

    @property
    def throttled(self) -> int:
        """Alert steps that were withheld."""
        return self.gates.withheld

    def inherit(self, old: RuleState) -> None:
        """Go on counting where another left off, and pass over what it passed over."""
        for name in ("evaluations", "matches", "alerts", "evictions", "late", "ungrouped", "given_up"):
            setattr(self, name, getattr(old, name))
        self.meter = old.meter
        self.gates.withheld = old.gates.withheld
        for fingerprint, gate in old.gates.all():
            self.gates.restore(fingerprint, gate)
        for key, track in old.tracks.items():
            own = self.tracks[key] = Track(self, track.source)
            own.time, own.layout = track.time, track.layout

    def form(self, fields: tuple[str, ...]) -> Form:
        """The rule's closures for tables with these fields, made when they are not in use yet."""
        assert not isinstance(self.rule.body, Observer)
        form = self._forms.get(fields)
        if form is None:
            positions = positions_of(fields)
            levels: list[tuple[Level, Evaluate | None]] = [
                (level, compile_node(node, positions) if node is not None else None) for level, node in self.rule.levels
            ]
            form = self._forms[fields] = Form(positions, self.rule.body.bind(positions), levels)
        return form


class Source:
    """Who speaks: one agent's measurement with one set of shared labels; `memories` by lateness and field."""

    __slots__ = ("agent", "heard", "key", "memories", "name")

    def __init__(self, key: SourceKey) -> None:
        self.key = key
        self.agent, self.name = key[0], key[1]
        self.memories: dict[tuple[int, str], Memory] = {}
        self.heard = 0

    @property
    def labels(self) -> dict[str, str]:
        """The labels that all its rows share."""
        return dict(self.key[2])


class Track:
    """A rule's place in the readings of one source: what it judged last, and the groups that are not quiet.

    `version` moves with each group that comes or goes, so that plans know when to look again. `silence_due`: when a
    series of it may be silent, in event time (kind `absence`).
    """

    __slots__ = ("groups", "layout", "silence_due", "source", "state", "time", "version")

    def __init__(self, state: RuleState, source: Source) -> None:
        self.state = state
        self.source = source
        self.time = 0
        self.layout: Layout | None = None
        self.groups: dict[Key, Group] = {}
        self.version = 0
        self.silence_due: int | None = None


@dataclass(slots=True, eq=False)
class Place:
    """Where a cell stands. `queued`: when its timer rings; `heard`: the newest moment that it was told of."""

    track: Track
    key: Key
    cell: Cell
    heard: int
    queued: int | None = None
    dead: bool = False


def label_key(labels: Mapping[str, str], group_by: Sequence[str]) -> Key:
    return tuple((label, labels.get(label, "")) for label in sorted(group_by))


def row_key(layout: Layout, row: int) -> Key:
    """One row's own labels (as `row_keys` has them, without making them all)."""
    return tuple((label, value) for label in sorted(layout.row_labels) if (value := layout.row_labels[label][row]))


def labels_of(layout: Layout, row: int) -> dict[str, str]:
    """One row's whole label set (as `Layout.rows` has it, without making them all)."""
    own = {key: values[row] for key, values in layout.row_labels.items() if values[row]}
    return {**layout.labels, **own}


def labels_of_agent(agent: str) -> dict[str, str]:
    """`site` and `agent`, which rules that observe alerts of all agents may group by."""
    site, _, name = agent.rpartition("/")
    return {"site": site, "agent": name} if site else {}


@dataclass(slots=True, eq=False)
class Watch:
    """One rule bound to one layout. `rows` None: all of them."""

    state: RuleState
    track: Track
    form: Form
    rows: frozenset[int] | None
    active: dict[int, Group] = field(default_factory=dict[int, Group])
    version: int = 0

    def keys(self, layout: Layout) -> list[Key]:
        """The group key of each row."""
        group_by = self.state.rule.section.group_by
        if group_by is None:
            return row_keys(layout)
        return [label_key(labels_of(layout, row), group_by) for row in range(layout.height)]

    def bind(self, layout: Layout) -> None:
        """Find the rows whose groups are not quiet."""
        self.version = self.track.version
        groups = self.track.groups
        self.active = {}
        if groups:
            for row, key in enumerate(self.keys(layout)):
                if key in groups and (self.rows is None or row in self.rows):
                    self.active[row] = groups[key]

    def values_at(self, frame: Frame, row: int) -> dict[str, int | float | str]:
        """The fields behind the rule's data in one row; a rate as `<field>_rate`."""
        positions = self.form.positions
        columns: list[tuple[str, Column]] = [
            (name, frame.columns[positions[name]]) for name in self.state.fields if name in positions
        ]
        columns += [
            (name + RATE, frame.rate(name))
            for name in self.state.rated
            if name in positions and name + RATE not in positions
        ]
        return {name: column[row] for name, column in columns if column[row] is not None}


@dataclass(slots=True, eq=False)
class Listening:
    """A rule that observes the rows of one layout, one by one: its data, its rows and their groups."""

    state: RuleState
    data: Evaluate
    rows: list[int]
    keys: list[Key]
    of: Evaluate | None = None


@dataclass(slots=True, eq=False)
class Lane:
    """The part of a plan whose rules share a lateness (in milliseconds), and with it the order of the readings."""

    lateness: int
    agent: str
    positions: Mapping[str, int]
    watches: list[Watch]
    memories: list[tuple[int, Memory, int]]
    """Column, memory, width of the counter."""
    by_field: dict[str, Memory]
    listening: list[Listening] = field(default_factory=list[Listening])

    def take(self, table: Table) -> None:
        """Remember a table that was judged."""
        for position, memory, bits in self.memories:
            if memory.layout is not table.layout:
                memory.adopt(table.layout, bits)
            memory.take(table.columns[position], table.time, table.epochs)


@dataclass(slots=True, eq=False)
class Plan:
    source: Source
    lanes: list[Lane]


class Index:
    """The rules by a field that they need, so that a layout meets only those that may apply."""

    def __init__(self, states: Iterable[RuleState]) -> None:
        self._by_field: dict[str, list[RuleState]] = {}
        for state in states:
            for needed in state.rule.body.needs[:1]:
                for name in (needed, *filter(None, [rated(needed)])):
                    self._by_field.setdefault(name, []).append(state)

    def candidates(self, layout: Layout) -> list[RuleState]:
        """The rules whose measurement and fields the layout has."""
        present = positions_of(tuple(layout.fields))
        found = [
            state
            for name in layout.fields
            for state in self._by_field.get(name, ())
            if state.rule.section.measurement in (None, layout.name)
            and all(needed in present or rated(needed) in present for needed in state.rule.body.needs)
        ]
        return list(dict.fromkeys(found))


def make_lanes(layout: Layout, source: Source, candidates: Sequence[RuleState]) -> list[Lane]:
    """The lanes of a plan; rules whose `where` no row meets are left out."""
    lanes: dict[int, Lane] = {}
    positions = positions_of(tuple(layout.fields))
    for state in candidates:
        rule = state.rule
        rows = rows_for(rule.where, rule.exceptions, layout)
        if not rows:
            continue
        lane = lanes.setdefault(rule.lateness, Lane(rule.lateness, source.agent, positions, [], [], {}))
        for name in dict.fromkeys((*rule.body.remembers, *state.rated)):
            _remember(lane, name, layout, source)
        if rule.observer is None:
            lane.watches.append(_watch(state, layout, source, rows))
        else:
            lane.listening.append(_listening(state, rule.observer, layout, rows))
    return list(lanes.values())


def _remember(lane: Lane, name: str, layout: Layout, source: Source) -> None:
    position = lane.positions.get(name)
    if name in lane.by_field or position is None:
        return
    bits = layout.counters.get(name, 0)
    memory = source.memories.get((lane.lateness, name))
    if memory is None:
        memory = source.memories[lane.lateness, name] = Memory(layout, bits)
    lane.by_field[name] = memory
    lane.memories.append((position, memory, bits))


def _listening(state: RuleState, observer: Observer, layout: Layout, rows: list[int]) -> Listening:
    assert observer.data is not None
    group_by = state.rule.section.group_by
    keys: list[Key] = []
    for row in rows:
        labels = labels_of(layout, row)
        keys.append(label_key(labels, sorted(labels) if group_by is None else group_by))
    positions = positions_of(tuple(layout.fields))
    of = None if observer.of is None else compile_node(observer.of, positions)
    return Listening(state, compile_node(observer.data, positions), rows, keys, of)


@lru_cache(maxsize=256)
def _set_of(rows: tuple[int, ...]) -> frozenset[int]:
    """The same object for the same rows: devices of one make and role have the same."""
    return frozenset(rows)


def _watch(state: RuleState, layout: Layout, source: Source, rows: list[int]) -> Watch:
    track = state.tracks.get(source.key)
    if track is None:
        track = state.tracks[source.key] = Track(state, source)
    watch = Watch(
        state=state,
        track=track,
        form=state.form(tuple(layout.fields)),
        rows=None if len(rows) == layout.height else _set_of(tuple(rows)),
    )
    watch.bind(layout)
    return watch
