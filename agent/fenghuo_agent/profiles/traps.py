"""Notifications by number: what the profiles' `traps:` say of them, and the names of the objects that they carry.

Only the parts of the files that speak of notifications are read, only of files that have some, and only once one of that
maker's comes; the library's other content costs nothing here.
"""

from __future__ import annotations

import logging
import re
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
_ENTERPRISES: Oid = (1, 3, 6, 1, 4, 1)
_NUMBERS = re.compile(rb"(?m)^[ \t]+['\"]?\.?([0-2](?:\.\d{1,10}){1,127})['\"]?[ \t]*:")
STANDARD = 0
"""Stands for the notifications that are no maker's own; 0 is nobody's enterprise number."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a profile says of a notification. `message` is None where the profile has no words for it."""

    name: str
    level: Level
    message: Template | None
    profile: str


class Notices:
    """Notifications and objects, both by the octets of their numbers, which take less room than arcs.

    What a maker's notifications mean is read when the first of them comes: a school knows few makers.
    """

    def __init__(self, library: Library | None = None) -> None:
        self._library = library
        self._sources = _sources(library) if library else {}
        self._notices: dict[bytes, Notice] = {}
        self._columns: dict[bytes, Column] = {}
        self._sizes: list[int] = []
        self._read(STANDARD)

    @classmethod
    def of(cls, library: Library) -> Notices:
        """Those of every profile. A file that is wrong is logged and left out."""
        return cls(library)

    def find(self, oid: Oid) -> Notice | None:
        """What is known of a notification; a 0 before the last arc, which v1 puts in or takes out, makes no difference."""
        maker = _maker(oid)
        if maker in self._sources:
            self._read(maker)
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

    def _read(self, maker: int) -> None:
        names = self._sources.pop(maker, ())
        if self._library is None:
            return
        problems: list[Problem] = []
        bodies = _Bodies(self._library)
        for name in names:
            self._take(name, bodies, problems)
        self._sizes = sorted({len(each) for each in self._columns}, reverse=True)
        for problem in problems:
            log.error("%s", problem)

    def _take(self, name: str, bodies: _Bodies, problems: list[Problem]) -> None:
        """A profile's notifications and objects; one of the user's own goes before ours, whichever was read first."""
        columns, notices = _content(name, bodies, problems)
        for column in columns:
            known = self._columns.setdefault(ber.oid(column.oid)[2:], column)
            if column.enum and not known.enum:
                self._columns[ber.oid(column.oid)[2:]] = column
        own = not bodies.is_shipped(name)
        for number, notice in notices.items():
            known_notice = self._notices.get(number)
            if known_notice is None or (own and bodies.is_shipped(known_notice.profile)):
                self._notices[number] = notice


def check(library: Library) -> list[Problem]:
    """What is wrong with the notifications of any profile."""
    problems: list[Problem] = []
    bodies = _Bodies(library)
    for name in library.names:
        if b"\ntraps:" in content_of(library.file(name).path):
            _content(name, bodies, problems)
    return problems


def _sources(library: Library) -> dict[int, list[str]]:
    """The profiles that speak of a maker's notifications, by the maker's enterprise number; the rest under `STANDARD`."""
    found: dict[int, list[str]] = {}
    for name in library.names:
        content = content_of(library.file(name).path)
        start = content.find(b"\ntraps:")
        if start >= 0:
            numbers = {match[1] for match in _NUMBERS.finditer(content, start)}
            for maker in {_maker(oid_of(number.decode())) for number in numbers}:
                found.setdefault(maker, []).append(name)
    return found


def _maker(oid: Oid) -> int:
    return oid[len(_ENTERPRISES)] if oid[: len(_ENTERPRISES)] == _ENTERPRISES and len(oid) > 6 else STANDARD


def _content(name: str, bodies: _Bodies, problems: list[Problem]) -> tuple[list[Column], dict[bytes, Notice]]:
    """The objects that a profile's notifications may carry, and these."""
    try:
        body = bodies.get(name)
    except Located as error:
        problems += error.problems
        return [], {}
    objects = dict(bodies.objects(name, problems))
    notices: dict[bytes, Notice] = {}
    for number, trap in body.traps.items():
        message = _template(trap.message, objects, partial(bodies.place, name, number), problems)
        notices[ber.oid(oid_of(number))] = Notice(trap.name, trap.level, message, name)
    return list(objects.values()), notices


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
        self._shipped = shipped_path()

    def is_shipped(self, name: str) -> bool:
        """Whether a profile is one of ours."""
        return self._library.file(name).path.is_relative_to(self._shipped)

    def objects(self, name: str, problems: list[Problem]) -> Iterator[tuple[str, Column]]:
        """Objects of what a profile extends, farthest first, so that nearer ones win."""
        for each in reversed(self._chain(name)):
            try:
                objects = self.get(each).objects
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

    def get(self, name: str) -> ProfileBody:
        """A profile's objects and notifications. Raises `Located`."""
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
