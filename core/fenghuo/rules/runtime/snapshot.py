"""What the engine keeps over a restart, as MessagePack."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import msgspec

from fenghuo.model import Alert, Layout, Level
from fenghuo.rules.runtime.lifecycle import Group
from fenghuo.rules.runtime.plan import RuleState, Source
from fenghuo.rules.runtime.throttle import Gate

VERSION = 1


class SavedGroup(msgspec.Struct, omit_defaults=True):
    """A group and where it belongs; `group_by` tells whether the rule still groups as it did; `alert` is packed."""

    rule: str
    agent: str
    name: str
    labels: dict[str, str]
    group_by: list[str] | None
    group_labels: dict[str, str]
    key: list[tuple[str, str]]
    fingerprint: str
    heard: int
    level: Level
    kept: int = 0
    since: int | None = None
    firing: bool = False
    clear: int | None = None
    lower: int | None = None
    latched: int | None = None
    flapping: bool = False
    changes: list[int] = []
    alert: bytes | None = None
    value: float | None = None
    values: dict[str, int | float | str] = {}
    events: list[str] = []
    seen: int = 0
    held: bool = False
    untold: int | None = None
    again: int | None = None
    gap: int | None = None

    def group(self) -> Group:
        return Group(
            labels=self.group_labels,
            key=tuple(self.key),
            fingerprint=self.fingerprint,
            heard=self.heard,
            kept=self.kept,
            since=self.since,
            firing=self.firing,
            level=self.level,
            clear=self.clear,
            lower=self.lower,
            latched=self.latched,
            flapping=self.flapping,
            changes=self.changes,
            alert=None if self.alert is None else _alert_decoder.decode(self.alert),
            packed=self.alert,
            value=self.value,
            values=self.values,
            events=self.events,
            seen=self.seen,
            held=self.held,
            untold=self.untold,
            again=self.again,
            gap=self.gap,
        )


class SavedMemory(msgspec.Struct):
    """One field of one source, by column; `times` None: all at `time`."""

    agent: str
    name: str
    labels: dict[str, str]
    lateness: int
    field: str
    row_labels: dict[str, list[str]]
    bits: int
    values: list[int | float | None]
    times: list[int] | None
    time: int
    deaf: int = 0
    deaf_until: int = 0

    def layout(self) -> Layout:
        return Layout(self.name, self.labels, self.row_labels, (self.field,))

    @property
    def is_whole(self) -> bool:
        """Whether all columns have the same number of rows."""
        height = len(self.values)
        columns = [*self.row_labels.values(), *([self.times] if self.times is not None else [])]
        return all(len(column) == height for column in columns) and (bool(self.row_labels) or height == 1)


class SavedCell(msgspec.Struct):
    """What an observing rule keeps of one group; `kind` tells whether the rule still is of the kind that saved it."""

    rule: str
    kind: str
    agent: str
    key: list[tuple[str, str]]
    heard: int
    state: Any


class SavedGate(msgspec.Struct, omit_defaults=True):
    """What throttling keeps of one group."""

    rule: str
    fingerprint: str
    until: int = 0
    gap: int | None = None
    active: int = 0
    withheld: int = 0
    events: list[str] = []
    seen: int = 0

    def gate(self) -> Gate:
        return Gate(self.until, self.gap, self.active, self.withheld, self.events, self.seen)


class Saved(msgspec.Struct):
    version: int
    time: int
    groups: list[SavedGroup]
    memories: list[SavedMemory]
    cells: list[SavedCell] = []
    gates: list[SavedGate] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Saved)
_cells_decoder = msgspec.msgpack.Decoder(list[SavedCell])
_alert_decoder = msgspec.msgpack.Decoder(Alert)


def encode(states: Iterable[RuleState], sources: Iterable[Source], now: int, cells: list[SavedCell]) -> bytes:
    rules = list(states)
    wanted = {(state.rule.lateness, name) for state in rules for name in state.rule.body.remembers}
    groups = [_group(state, source_key, group) for state in rules for source_key, group in _groups(state)]
    memories = [
        _memory(source, lateness, name)
        for source in sources
        for lateness, name in source.memories
        if (lateness, name) in wanted
    ]
    gates = [_gate(state, key, gate) for state in rules for key, gate in state.gates.all()]
    return _encoder.encode(Saved(VERSION, now, groups, memories, cells, gates))


def repacked(cells: list[SavedCell]) -> list[SavedCell]:
    """Cells as they come back from a snapshot."""
    return _cells_decoder.decode(_encoder.encode(cells))


def decode(data: bytes) -> tuple[Saved, list[Group]]:
    """What was saved, and its groups made anew; ValueError where it is none of ours."""
    try:
        saved = _decoder.decode(data)
        groups = [entry.group() for entry in saved.groups]
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if saved.version != VERSION:
        raise ValueError(f"version {saved.version}; this engine reads {VERSION}")
    if not all(memory.is_whole for memory in saved.memories):
        raise ValueError("columns of unequal length")
    return saved, groups


def _groups(state: RuleState) -> list[tuple[Source, Group]]:
    return [(track.source, group) for track in state.tracks.values() for group in track.groups.values()]


def _group(state: RuleState, source: Source, group: Group) -> SavedGroup:
    return SavedGroup(
        rule=state.rule.id,
        agent=source.agent,
        name=source.name,
        labels=source.labels,
        group_by=state.rule.section.group_by,
        group_labels=group.labels,
        key=list(group.key),
        fingerprint=group.fingerprint,
        heard=group.heard,
        kept=group.kept,
        since=group.since,
        firing=group.firing,
        level=group.level,
        clear=group.clear,
        lower=group.lower,
        latched=group.latched,
        flapping=group.flapping,
        changes=group.changes,
        alert=_packed(group),
        value=group.value,
        values=group.values,
        events=group.events,
        seen=group.seen,
        held=group.held,
        untold=group.untold,
        again=group.again,
        gap=group.gap,
    )


def _gate(state: RuleState, fingerprint: str, gate: Gate) -> SavedGate:
    return SavedGate(
        state.rule.id, fingerprint, gate.until, gate.gap, gate.active, gate.withheld, gate.events, gate.seen
    )


def _packed(group: Group) -> bytes | None:
    """The group's alert without what the rule says again at the restart, most of its bytes; made once a step."""
    if group.packed is None and group.alert is not None:
        slim = copy(group.alert)
        slim.runbook, slim.tags = {}, ()
        group.packed = _encoder.encode(slim)
    return group.packed


def _memory(source: Source, lateness: int, name: str) -> SavedMemory:
    memory = source.memories[lateness, name]
    row_labels: dict[str, Any] = {key: list(values) for key, values in memory.layout.row_labels.items()}
    return SavedMemory(
        agent=source.agent,
        name=source.name,
        labels=source.labels,
        lateness=lateness,
        field=name,
        row_labels=row_labels,
        bits=memory.bits,
        values=list(memory.values),
        times=memory.times,
        time=memory.time,
        deaf=memory.deaf,
        deaf_until=memory.deaf_until,
    )
