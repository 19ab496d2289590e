"""Profile files: where they are, what stands at their head, and their whole content when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fenghuo.config import parse
from fenghuo.config.document import MAX_BYTES, read
from fenghuo.errors import Located, Place, Problem
from fenghuo_agent.profiles.schema import ProfileBody

_HERE = Path(__file__).resolve().parent
_HEAD = ("name:", "title:", "extends:", "standard:", "match:", "excludes:")
SUFFIXES = (".yaml", ".yml")


def shipped_path() -> Path:
    """The folder of the shipped profiles: in a wheel inside the package, in a checkout beside it."""
    installed = _HERE / "shipped"
    return installed if installed.is_dir() else _HERE.parents[1] / "profiles"


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """A file of a profile; the parts by which it is found are read at once, the rest when it is needed."""

    path: Path
    head: ProfileBody
    folder: int = 0
    """Which of the folders it was found in; those later in the list are the user's own."""

    def whole(self) -> ProfileBody:
        """All of it. Raises `Located`."""
        return parse(content_of(self.path), ProfileBody, env=None, file=str(self.path), folder=self.path.parent)


def profile_files(folders: Iterable[Path]) -> tuple[dict[str, ProfileFile], list[Problem]]:
    """Files by profile name, and what is wrong with their heads. A name in a later folder wins over an earlier one."""
    found: dict[str, ProfileFile] = {}
    problems: list[Problem] = []
    for number, folder in enumerate(folders):
        own: dict[str, ProfileFile] = {}
        for path in _paths(folder, problems):
            try:
                head = _head(path)
            except Located as error:
                problems += error.problems
                continue
            if head.name in own:
                problems.append(
                    Problem(Place(str(path), 1, 1), f"{head.name!r} is also the name in {own[head.name].path}")
                )
                continue
            own[head.name] = ProfileFile(path, head, number)
        found |= own
    return found, problems


def _paths(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    if folder.is_file():
        yield folder
    elif folder.is_dir():
        yield from sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    else:
        problems.append(Problem(Place(str(folder)), "there is no such file or folder of profiles"))


def content_of(path: Path) -> bytes:
    """The bytes of a file, at most one more than a file may have. Raises `Located`."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Located([Problem(Place(str(path)), f"cannot read the profile: {error.strerror or error}")]) from None


def _head(path: Path) -> ProfileBody:
    """Name, what it extends, what it is for; other lines are blanked, so that places stay true."""
    lines = content_of(path).splitlines()
    kept = b"\n".join(_blanked(lines))
    body = parse(kept, ProfileBody, env=None, file=str(path), folder=path.parent)
    if body.name != path.stem:
        tree, _, _ = read(kept, str(path), None)
        place = tree.keys.get("name", (1, 1))
        raise Located(
            [Problem(Place(str(path), *place), f"the file of profile {body.name!r} is to be called {body.name}.yaml")]
        )
    return body


def _blanked(lines: Sequence[bytes]) -> Iterator[bytes]:
    keeping = False
    for line in lines:
        if line[:1] not in (b" ", b"\t", b"", b"#", b"-"):
            keeping = line.decode(errors="replace").startswith(_HEAD)
        yield line if keeping else b""
