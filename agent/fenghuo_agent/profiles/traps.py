"""Notifications by number: what the profiles' `traps:` say of them, and the names of the objects that they carry.

Only the parts of the files that speak of notifications are read, and only of files that have some; the library's other
content costs nothing here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from fenghuo.config import parse
from fenghuo.config.words import suggest
from fenghuo.errors import Located, Place, Problem
from fenghuo.model import Level
from fenghuo_agent.profiles.compile import column_of, oid_of
from fenghuo_agent.profiles.files import ProfileFile, content_of, shipped_path
from fenghuo_agent.profiles.library import BASE, MAX_DEPTH, Library
from fenghuo_agent.profiles.rows import Column
from fenghuo_agent.profiles.schema import ProfileBody
from fenghuo_agent.profiles.template import Template, parse_template
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Oid

log = logging.getLogger(__name__)
_PARTS = (b"name:", b"extends:", b"objects:", b"traps:")


@dataclass(frozen=True, slots=True)
class Notice:
    """What a profile says of a notification. `message` is None where the profile has no words for it."""

    name: str
    level: Level
    message: Template | None
    profile: str


class Notices:
    """Notifications and objects, both by the octets of their numbers, which take less room than arcs."""

    def __init__(self, notices: Mapping[bytes, Notice], columns: Mapping[bytes, Column]) -> None:
        self._notices = notices
        self._columns = columns
        self._sizes = sorted({len(name) for name in columns}, reverse=True)

    def __len__(self) -> int:
        return len(self._notices)

    @classmethod
    def of(cls, library: Library) -> Notices:
        """Those of every profile. A file that is wrong is logged and left out."""
        notices, columns, problems = _gather(library)
        for problem in problems:
            log.error("%s", problem)
        return cls(notices, columns)

    def find(self, oid: Oid) -> Notice | None:
        """What is known of a notification; a 0 before the last arc, which v1 puts in or takes out, makes no difference."""
        found = self._notices.get(ber.oid(oid))
        if found is None and len(oid) > 3:
            other = (*oid[:-2], oid[-1]) if oid[-2] == 0 else (*oid[:-1], 0, oid[-1])
            found = self._notices.get(ber.oid(other))
        return found

    def column(self, name: bytes) -> tuple[Column, Oid] | None:
        """The object that an encoded name is an instance of, and the instance's index. Raises `Malformed`."""
        for size in self._sizes:
            column = self._columns.get(name[:size])
            if column is not None:
                return column, ber.arcs(name)[len(column.oid) :]
        return None


def check(library: Library) -> list[Problem]:
    """What is wrong with the notifications of any profile."""
    return _gather(library)[2]


def _gather(library: Library) -> tuple[dict[bytes, Notice], dict[bytes, Column], list[Problem]]:
    bodies = _Bodies(library)
    notices: dict[bytes, Notice] = {}
    columns: dict[bytes, Column] = {}
    problems: list[Problem] = []
    for name in _own_first(library):
        try:
            body = bodies.with_traps(name)
        except Located as error:
            problems += error.problems
            continue
        if body is None:
            continue
        objects = dict(bodies.objects(name, problems))
        for column in objects.values():
            known = columns.setdefault(ber.oid(column.oid)[2:], column)
            if column.enum and not known.enum:
                columns[ber.oid(column.oid)[2:]] = column
        for number, trap in body.traps.items():
            message = _template(trap.message, objects, partial(bodies.place, name, number), problems)
            notices.setdefault(ber.oid(oid_of(number)), Notice(trap.name, trap.level, message, name))
    return notices, columns, problems


def _own_first(library: Library) -> list[str]:
    """Names of profiles; a user's own say what a notification means before ours do."""
    shipped = shipped_path()
    return sorted(library.names, key=lambda name: library.file(name).path.is_relative_to(shipped))


def _template(
    text: str, objects: Mapping[str, Column], place: Callable[[], Place], problems: list[Problem]
) -> Template | None:
    def resolve(name: str) -> Column:
        if name not in objects:
            hint = suggest(name, objects)
            raise ValueError(f"there is no object {name!r}" + (f"; {hint}" if hint else ""))
        return objects[name]

    if not text:
        return None
    try:
        return parse_template(text, resolve)
    except ValueError as error:
        problems.append(Problem(place(), str(error)))
        return None


class _Bodies:
    """The parts of profile files that matter here, each read once."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._bodies: dict[str, ProfileBody] = {}

    def with_traps(self, name: str) -> ProfileBody | None:
        """A profile that has notifications of its own. Raises `Located`."""
        file = self._library.file(name)
        return self._body(name) if b"\ntraps:" in b"\n" + content_of(file.path) else None

    def objects(self, name: str, problems: list[Problem]) -> Iterator[tuple[str, Column]]:
        """Objects of what a profile extends, farthest first, so that nearer ones win."""
        for each in reversed(self._chain(name)):
            try:
                objects = self._body(each).objects
            except Located as error:
                problems += error.problems
                continue
            for key, given in objects.items():
                yield key, column_of(key, given)

    def place(self, name: str, number: str) -> Place:
        """Where a notification stands."""
        path = self._library.file(name).path
        lines = content_of(path).decode(errors="replace").splitlines()
        line = next((at for at, text in enumerate(lines, 1) if number in text), 1)
        return Place(str(path), line)

    def _chain(self, name: str) -> list[str]:
        chain: list[str] = []

        def add(each: str, depth: int) -> None:
            if each in chain or depth > MAX_DEPTH or each not in self._library.names:
                return
            chain.append(each)
            for further in self._library.file(each).head.extends:
                add(further, depth + 1)

        add(name, 0)
        add(BASE, 0)
        return chain

    def _body(self, name: str) -> ProfileBody:
        if name not in self._bodies:
            self._bodies[name] = _parse(self._library.file(name))
        return self._bodies[name]


def _parse(file: ProfileFile) -> ProfileBody:
    """Objects and notifications of a file; other lines are blanked, so that places stay true."""
    kept: list[bytes] = []
    keeping = False
    for line in content_of(file.path).splitlines():
        if line[:1] not in (b" ", b"\t", b"", b"#", b"-"):
            keeping = line.startswith(_PARTS)
        kept.append(line if keeping else b"")
    return parse(b"\n".join(kept), ProfileBody, env=None, file=str(file.path), folder=file.path.parent)
