"""All profiles, and which of them is a device's."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fenghuo.config.document import Tree, read
from fenghuo.config.words import suggest
from fenghuo.errors import Located, Place, Problem
from fenghuo_agent.profiles.compile import Compiler, match_of, oid_of
from fenghuo_agent.profiles.files import ProfileFile, content_of, profile_files, shipped_path
from fenghuo_agent.profiles.profile import Match, Profile
from fenghuo_agent.profiles.schema import ProfileBody
from fenghuo_agent.snmp.ber import Oid

log = logging.getLogger(__name__)

BASE = "base"
"""What every profile has as well: the objects and facts of every device."""
GENERIC = "generic"
"""The profile of a device that no other is for."""
MAX_DEPTH = 8


class Library:
    """Profiles by name. Each is read and made ready when a device first needs it."""

    def __init__(self, files: dict[str, ProfileFile]) -> None:
        self._files = files
        self._bodies: dict[str, ProfileBody] = {}
        self._profiles: dict[str, Profile] = {}
        self._matches = [(match_of(each), name) for name, file in files.items() for each in file.head.match]

    @classmethod
    def load(cls, folders: Sequence[Path] = ()) -> Library:
        """The shipped profiles and those in `folders`, which win over ours of the same name. Raises `Located`."""
        files, problems = profile_files([shipped_path(), *folders])
        if problems:
            raise Located(problems)
        return cls(files)

    @property
    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._files)

    def file(self, name: str) -> ProfileFile:
        """The file of a profile; KeyError where there is none."""
        return self._files[name]

    def candidates(self, object_id: Oid, description: str) -> list[tuple[Match, str]]:
        """Profiles that may be for a device, the most specific first, the user's own before ours; `present` of each is still
        to be asked.
        """
        ranked = [
            (rank, match, name)
            for match, name in self._matches
            if (rank := match.rank(object_id, description)) is not None
        ]
        ranked.sort(key=lambda each: (each[0], self._files[each[2]].folder, each[2]), reverse=True)
        return [(match, name) for _, match, name in ranked]

    def profile(self, name: str) -> Profile:
        """A profile by name, ready to be used. Raises `Located` where a file is wrong, KeyError for a name that is none."""
        found = self._profiles.get(name)
        if found is None:
            problems: list[Problem] = []
            found = self._profiles[name] = self._compile(name, problems)
            if problems:
                raise Located(problems)
        return found

    def of_device(self, name: str) -> tuple[Profile, ...]:
        """The profile of that name and the standard ones that go with it; what is wrong with a file is logged and left out."""
        profiles: list[Profile] = []
        for each in dict.fromkeys((name, *self.standard())):
            if profiles and each in profiles[0].excludes:
                continue
            try:
                profiles.append(self.profile(each))
            except Located as error:
                log.error("%s", error)  # noqa: TRY400 — the text says all
                if each in self._profiles:
                    profiles.append(self._profiles[each])
        self._bodies.clear()  # what profiles are made of is not needed once they are made
        return tuple(profiles)

    def standard(self) -> Iterator[str]:
        """Names of the profiles that are applied to every device."""
        return (name for name, file in sorted(self._files.items()) if file.head.standard)

    def traps(self) -> Iterable[Profile]:
        """Every profile, for their notifications."""
        return (self._profiles.get(name) or self._compile(name, []) for name in self.names)

    def check(self) -> list[Problem]:
        """Everything that is wrong with any of them."""
        problems: list[Problem] = []
        for name in self.names:
            try:
                self._compile(name, problems)
            except Located as error:
                problems += error.problems
        return list(dict.fromkeys(problems))

    def _body(self, name: str) -> ProfileBody:
        if name not in self._bodies:
            self._bodies[name] = self._files[name].whole()
        return self._bodies[name]

    def _compile(self, name: str, problems: list[Problem]) -> Profile:
        file = self._files[name]
        finder = _Finder(file)
        chain = [self._body(each) for each in self._chain(name, finder, problems)]

        def complain(path: Sequence[str | int], message: str) -> None:
            problems.append(Problem(finder.place(path), message))

        return Compiler(chain, complain).profile()

    def _chain(self, name: str, finder: _Finder, problems: list[Problem]) -> list[str]:
        """A profile and all that it extends, nearest first, `base` last."""
        result: list[str] = []

        def add(each: str, depth: int) -> None:
            if each in result or depth > MAX_DEPTH:
                return
            result.append(each)
            for further in self._body(each).extends:
                if further not in self._files:
                    hint = suggest(further, self._files)
                    problems.append(Problem(finder.place(("extends",)), f"there is no profile {further!r}", hint))
                else:
                    add(further, depth + 1)

        add(name, 0)
        if BASE in self._files and BASE not in result:
            result.append(BASE)
        return result


class _Finder:
    """Where things stand in a file; the file is read once more, only when something is wrong."""

    def __init__(self, file: ProfileFile) -> None:
        self._file = file
        self._tree: Tree | None = None

    def place(self, path: Sequence[str | int]) -> Place:
        if self._tree is None:
            self._tree = read(content_of(self._file.path), str(self._file.path), None)[0]
        tree, line, column = self._tree, 1, 1
        for key in path:
            children = tree.children or {}
            if str(key) not in children:
                if key != 0 and not isinstance(key, int):
                    break
                continue  # one entry that stands for a list of one
            line, column = tree.keys.get(str(key), (children[str(key)].line, children[str(key)].column))
            tree = children[str(key)]
        return Place(str(self._file.path), line, column)


def parse_oid(text: str) -> Oid:
    """The arcs of a dotted number; empty where it is none."""
    try:
        return oid_of(text.strip().removeprefix("."))
    except ValueError:
        return ()
