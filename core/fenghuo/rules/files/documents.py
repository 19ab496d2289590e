"""Rule files as they lie on the disk: which there are, and the YAML documents in each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG

from fenghuo.config.document import MAX_BYTES
from fenghuo.errors import Place, Problem

MAX_FILES = 10_000
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Text:
    """One YAML document of a file; `line` is the number of lines before it."""

    file: str
    line: int
    content: bytes

    @cached_property
    def digest(self) -> bytes:
        """The same for the same content, wherever it stands."""
        return blake2b(self.content, digest_size=16).digest()

    def place(self, place: Place) -> Place:
        """Where in the file a place of the document is."""
        return Place(self.file, place.line + self.line if place.line else self.line, place.column)

    def problem(self, problem: Problem) -> Problem:
        """A problem of the document as one of the file."""
        return replace(problem, place=self.place(problem.place))


def find_files(paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    """These files, and all `*.yaml` and `*.yml` files below these folders, in order; bounded in number."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            unread: list[OSError] = []
            files = files_below(path, unread.append)
            found |= dict.fromkeys(file for file in files if file.suffix in SUFFIXES and file.is_file())
            problems += [
                Problem(Place(str(error.filename)), f"cannot read the folder: {error.strerror}") for error in unread
            ]
        else:
            found[path] = None
    if len(found) > MAX_FILES:
        problems.append(Problem(Place(str(paths[0])), f"{len(found)} rule files; at most {MAX_FILES} are read"))
    return list(found)[:MAX_FILES]


def files_below(folder: Path, on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """All files below a folder, in order, without hidden ones. Links to folders are not followed, so there is an end.

    `on_error` is told of folders that cannot be read.
    """
    for place, folders, files in os.walk(folder, onerror=on_error):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(place)
        yield from (here / name for name in sorted(files) if not name.startswith("."))


def read_texts(file: Path, problems: list[Problem]) -> list[Text]:
    """The documents of a file; nothing where it cannot be read, which is then a problem."""
    try:
        # A pipe or a device may never end, or never begin.
        if not S_ISREG(file.stat().st_mode):
            problems.append(Problem(Place(str(file)), "cannot read the file: it is no regular file"))
            return []
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problems.append(Problem(Place(str(file)), f"cannot read the file: {reason}"))
        return []
    return split(content, str(file))


def split(content: bytes, file: str) -> list[Text]:
    """The YAML documents of a file's content."""
    if len(content) > MAX_BYTES:
        return [Text(file, 0, content)]
    if b"---" not in content:
        return [Text(file, 0, content)] if content.strip() else []
    found: list[Text] = []
    lines = content.split(b"\n")
    start = 0
    for number, line in enumerate(lines):
        if line.startswith(b"---") and (len(line) == 3 or line[3:4].isspace()):
            found.append(Text(file, start, b"\n".join(lines[start:number])))
            start = number
            lines[number] = b"   " + line[3:]
    found.append(Text(file, start, b"\n".join(lines[start:])))
    return [text for text in found if text.content.strip()]
