"""`fenghuo replay`: recordings through the rules, on the recordings' own clock."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fenghuo.alerts import alert_to_event, iso
from fenghuo.cli.options import JsonOption
from fenghuo.cli.output import print_error, say, styled
from fenghuo.clock import VirtualClock
from fenghuo.config import parse_duration
from fenghuo.errors import Located, Problem
from fenghuo.ids import uuid7
from fenghuo.model import Alert, AlertState, Document, Event, Table
from fenghuo.packs import packs_path
from fenghuo.rules.engine import Engine
from fenghuo.rules.files.load import read_rules
from fenghuo.rules.rule import RuleSet
from fenghuo.rules.tools.recording import Recording, read_lines, sort_lines
from fenghuo.rules.tools.report import counted

MAX_WAITING = 100_000
"""So many events wait for earlier ones (`--lateness`); then the oldest goes before its time."""
_DRAIN_MS = tuple(days * 86_400_000 for days in (1, 8, 40, 400))
"""How far time runs on after the end of a recording, step by step, while something fires."""

_AFTERWARDS = frozenset({"sequence", "composite"})
"""Kinds that may begin to fire after the last event, for what came before it."""


@dataclass(slots=True)
class Counts:
    """What a replay met."""

    events: int = 0
    readings: int = 0
    disordered: int = 0
    """Lines that were older than one before them when they were judged."""
    hurried: int = 0
    """Lines that were judged before their time, for too many were waiting."""
    alerts: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """By rule and state."""


class Replay:
    """An engine whose clock is that of what it is given. The clock never goes back."""

    def __init__(self, rules: RuleSet, *, lateness: int = 0) -> None:
        """`lateness`, milliseconds: how long a line waits for earlier ones that stand behind it."""
        self.counts = Counts()
        self._rules = rules
        self._kinds = {rule.id: rule.kind for rule in rules.rules}
        self._engine: Engine | None = None
        self._clock = VirtualClock(0)
        self._lateness = lateness
        self._waiting: list[tuple[int, int, Event | Table]] = []
        self._number = itertools.count()
        self._newest = 0

    @property
    def engine(self) -> Engine:
        """The engine, which starts when the first line happened."""
        if self._engine is None:
            self._engine = Engine(self._rules, clock=self._clock)
        return self._engine

    def run(self, what: Iterable[Event | Table], *, drain: bool = True) -> Iterator[Alert]:
        """The alert steps that these make, as they come; with `drain` also those of the time after the last."""
        for each in self._in_order(what):
            yield from self._give(each)
        if drain:
            yield from self._drain()

    def _in_order(self, what: Iterable[Event | Table]) -> Iterator[Event | Table]:
        if not self._lateness:
            yield from what
            return
        newest = 0
        for each in what:
            newest = max(newest, each.time)
            heapq.heappush(self._waiting, (each.time, next(self._number), each))
            if len(self._waiting) > MAX_WAITING:
                self.counts.hurried += 1
                yield heapq.heappop(self._waiting)[2]
            while self._waiting and self._waiting[0][0] <= newest - self._lateness:
                yield heapq.heappop(self._waiting)[2]
        while self._waiting:
            yield heapq.heappop(self._waiting)[2]

    def _give(self, what: Event | Table) -> Iterator[Alert]:
        time = what.time
        if time > self._newest:
            self._newest = time
            self._clock.set(time)
            due = self.engine.due
            if due is None or due <= time:
                yield from self._counted(self.engine.advance(time))
        elif time < self._newest:
            self.counts.disordered += 1
        if isinstance(what, Event):
            self.counts.events += 1
            alerts = self.engine.event(what)
        else:
            self.counts.readings += 1
            alerts = self.engine.process(what)
        if alerts:
            yield from self._counted(alerts)

    def _drain(self) -> Iterator[Alert]:
        """Let time run on until all is resolved that resolves by itself.

        That nothing is heard after the end is the end's doing: what rules make of silence then is not told. Steps that do not
        follow on others are, for they were to come within a span. What fires is not told again either, only its end.
        """
        fires = {alert.fingerprint for alert in self.engine.firing()}
        ended: set[str] = set()
        for far in _DRAIN_MS:
            if self.engine.due is None:
                return
            self._clock.set(self._newest + far)
            for alert in self.engine.advance(self._newest + far):
                is_firing = alert.state is AlertState.FIRING
                if is_firing and self._is_of_the_end(alert):
                    ended.add(alert.fingerprint)
                if alert.fingerprint not in ended and not (is_firing and alert.fingerprint in fires):
                    yield from self._counted([alert])
            if not self.engine.firing():
                return

    def _is_of_the_end(self, alert: Alert) -> bool:
        """Whether an alert comes of nothing but that the recording is over."""
        kind = self._kinds.get(alert.rule_id, "")
        return kind == "absence" or (alert.starts_at > self._newest and kind not in _AFTERWARDS)

    def _counted(self, alerts: Sequence[Alert]) -> Sequence[Alert]:
        for alert in alerts:
            self.counts.alerts[alert.rule_name, alert.state.value] += 1
        return alerts


def stored(alert: Alert, number: int) -> Document:
    """The document of an alert step as a store has it; the same step of the same replay has the same id."""
    text = f"{alert.fingerprint}\0{alert.state}\0{alert.time}\0{number}"

    def entropy(size: int) -> bytes:
        return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=size).digest()

    id_ = uuid7(alert.time, entropy)
    document = alert_to_event(alert, id_).document
    document["event"] = {"id": id_, **document["event"]}
    document["fenghuo"]["alert"].setdefault("event_ids", [])
    return {"@timestamp": iso(alert.time), **document}


# The command

app = typer.Typer(rich_markup_mode=None)


def _milliseconds(text: str) -> int:
    try:
        return round(parse_duration(text) * 1000)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="NDJSON, plain or gzip; - is standard input.")],
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", metavar="PATH", exists=True, help="A rule file or folder; the shipped packs if none."),
    ] = None,
    packs: Annotated[bool, typer.Option("--packs", help="The shipped packs too, beside --rules.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Opt-in rules (enabled: false) too.")] = False,
    lateness: Annotated[
        int | None,
        typer.Option(metavar="DURATION", parser=_milliseconds, help="Wait so long for lines out of order (30s)."),
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Read everything first and put it in order of time.")] = False,
    drain: Annotated[
        bool, typer.Option("--drain/--no-drain", help="Let time run on at the end until what fires has resolved.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Give recorded events and readings to the rules, on the recording's own clock.

    A line is an ECS document with `@timestamp`, or a reading {"measurement", "time", "labels", "values"}. With --json
    alerts are printed as NDJSON, as a store would have them, each naming the events that made it; a summary goes to
    standard error.
    """
    for file in files:
        if str(file) != "-" and not file.is_file():
            raise typer.BadParameter(f"no such file: {file}", param_hint="FILE")
    found, problems = _load(rules or [], with_packs=packs or not rules)
    if problems:
        print_error(Located(problems))
    chosen = replace(found, rules=tuple(rule for rule in found.rules if every or rule.section.enabled))
    recording = Recording()
    lines = itertools.chain.from_iterable(read_lines(str(file), recording) for file in files)
    played = Replay(chosen, lateness=lateness or 0)
    ordered = sort_lines(lines, recording) if sort else lines
    show = _JsonAlerts() if as_json else _AlertLines()
    for alert in played.run(recording.read(ordered), drain=drain):
        show.alert(alert)
    _summarise(played.counts, recording, chosen, len(found.rules) - len(chosen.rules))
    if problems:
        raise typer.Exit(1)


def _load(paths: list[Path], *, with_packs: bool) -> tuple[RuleSet, list[Problem]]:
    shipped = packs_path()
    if with_packs:
        return read_rules([*paths, shipped])
    return read_rules(paths, base=[shipped])


class _JsonAlerts:
    """Alerts as NDJSON."""

    def __init__(self) -> None:
        self._number = 0

    def alert(self, alert: Alert) -> None:
        self._number += 1
        sys.stdout.write(json.dumps(stored(alert, self._number), ensure_ascii=False) + "\n")


class _AlertLines:
    """Alerts as a table for people."""

    def __init__(self) -> None:
        self._is_first = True

    def alert(self, alert: Alert) -> None:
        if self._is_first:
            head = f"{'time (UTC)':<24}  {'state':<8}  {'level':<13}  {'rule':<36}  group, message, events"
            sys.stdout.write(styled(head, "bold", sys.stdout) + "\n")
            self._is_first = False
        group = " ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
        told = [group, alert.message or alert.title, _events(alert)]
        row = f"{iso(alert.time):<24}  {alert.state.value:<8}  {alert.level:<13}  {alert.rule_name:<36}  "
        sys.stdout.write(row + " · ".join(part for part in told if part) + "\n")


def _events(alert: Alert) -> str:
    ids = alert.event_ids
    if not ids or alert.state is not AlertState.FIRING:
        return ""
    count = alert.evidence.get("events", len(ids))
    return ids[0] if len(ids) == 1 else f"{count} events {ids[0]} … {ids[-1]}"


def _summarise(counts: Counts, recording: Recording, rules: RuleSet, left_out: int) -> None:
    """What a replay met, on standard error."""
    for problem in recording.problems:
        say(f"{problem.place}: {problem.message}")
    if recording.refused > len(recording.problems):
        say(f"… and {recording.refused - len(recording.problems)} more lines of which nothing could be made")
    say(f"{counts.events} events, {counts.readings} readings, {recording.refused} lines refused")
    if counts.disordered:
        say(f"{counts.disordered} lines were older than one before them; --lateness or --sort puts them in order")
    if counts.hurried:
        say(f"{counts.hurried} lines did not wait for earlier ones, for more than {MAX_WAITING} were waiting")
    fired = Counter({name: number for (name, state), number in counts.alerts.items() if state == "firing"})
    say(f"{counted(sum(fired.values()), 'alert')} fired by {len(fired)} of {counted(len(rules.rules), 'rule')}")
    for name, number in fired.most_common():
        say(f"  {name}: {number} fired, {counts.alerts[name, 'resolved']} resolved")
    if left_out:
        say(f"{left_out} opt-in rules did not run; --all runs them")
    _tell_inapplicable(rules)


def _tell_inapplicable(rules: RuleSet) -> None:
    """Rules that cannot apply, by their reasons."""
    by_reason: dict[str, list[Any]] = {}
    for item in rules.inapplicable:
        by_reason.setdefault(item.reason, []).append(item)
    for reason, items in by_reason.items():
        verb = "does" if len(items) == 1 else "do"
        say(f"{counted(len(items), 'rule')} {verb} not apply: {reason}")
        for item in items[:3]:
            say(f"  {item.place}: {item.title or item.id}")
        if len(items) > 3:
            say(f"  … and {len(items) - 3} more")
