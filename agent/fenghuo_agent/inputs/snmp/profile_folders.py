"""The profiles that devices are read by: the shipped ones and those of the configuration's folders, read again when they change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from fenghuo.errors import Located, Problem
from fenghuo_agent.profiles import Library
from fenghuo_agent.profiles.files import SUFFIXES

log = logging.getLogger(__name__)

MOST_FILES = 10_000
MOST_TOLD = 20
Stamps = dict[Path, tuple[int, int, int]]


def library_of(folders: Sequence[Path]) -> Library:
    """The profiles of these folders and the shipped ones; the shipped ones alone where those are wrong, which is logged."""
    try:
        return checked(folders)
    except Located as error:
        tell("profiles of your own are left out", error)
        return Library.load()


def checked(folders: Sequence[Path]) -> Library:
    """The profiles of these folders and the shipped ones. Raises `Located` with all that is wrong in these folders."""
    library = Library.load(folders)
    own = _stamps(folders)
    problems: list[Problem] = []
    for name in library.names:
        if library.file(name).path in own:
            try:
                library.profile(name)
            except Located as error:
                problems += error.problems
    if problems:
        raise Located(list(dict.fromkeys(problems)))
    return library


class ProfileFolders:
    """Looks for changes of the folders that `folders` names when asked; the shipped profiles change with the program only."""

    def __init__(self, folders: Callable[[], Sequence[Path]]) -> None:
        self._folders = folders
        self._stamps = _stamps(folders())

    def changed(self) -> Library | None:
        """Other profiles than at the last look, None where nothing changed. Raises `Located`, once, where they are wrong."""
        folders = self._folders()
        stamps = _stamps(folders)
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        return checked(folders)


async def watch(
    folders: ProfileFolders, take: Callable[[Library], None], *, interval: float, count: Callable[[str], None]
) -> None:
    """Look every `interval` seconds, in a thread; what is right is given to `take`, what is wrong is told. Until cancelled."""
    while True:
        await asyncio.sleep(interval)
        try:
            library = await asyncio.to_thread(folders.changed)
        except Located as error:
            count("refused")
            tell("the changed profiles are refused, those before go on", error)
            continue
        if library is not None:
            take(library)
            count("loaded")
            log.info("the profiles have changed; each device is read by them from its next turn on")


def tell(what: str, error: Located) -> None:
    """Log problems, each with its place; not more than a screen of them."""
    shown = [str(problem) for problem in error.problems[:MOST_TOLD]]
    if len(error.problems) > MOST_TOLD:
        shown.append(f"and {len(error.problems) - MOST_TOLD} more")
    log.error("%s:\n%s", what, "\n".join(shown))


def _stamps(folders: Sequence[Path]) -> Stamps:
    found: Stamps = {}
    for folder in folders:
        for path in (folder,) if folder.is_file() else sorted(folder.rglob("*")):
            if path.suffix not in SUFFIXES or len(found) >= MOST_FILES:
                continue
            try:
                about = path.stat()
            except OSError:
                continue
            found[path] = about.st_mtime_ns, about.st_size, about.st_ino
    return found
