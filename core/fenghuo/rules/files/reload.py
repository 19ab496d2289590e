"""Hot reload: rule files that change are read again while the rules before go on; a set that is wrong is refused whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from fenghuo.errors import Located, Problem
from fenghuo.rules.files.documents import MAX_FILES, SUFFIXES, files_below, find_files, read_texts
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.load import Parses, read_rules
from fenghuo.rules.files.needed import Needed
from fenghuo.rules.rule import RuleSet

log = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two looks at the files."""
_MOST_TOLD = 20
"""So many problems of a broken set are written into the log; `fenghuo rules check` tells all."""

Stamp = tuple[int, int, int]
"""Modification time in nanoseconds, size and inode of a file."""
Contents = tuple[list[tuple[str, bool]], frozenset[tuple[str, int, bytes]]]
"""What tells whether files say the same as before."""
_ABSENT: Stamp = (0, -1, 0)


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading the files: the rules, or what is wrong with them."""

    rules: RuleSet | None
    problems: tuple[Problem, ...] = ()


class RuleFiles:
    """The rule files of a process that runs the rules of one `side`, `agent` or `collector`; `datasets`: see `Needed`.

    Not for use from several threads at once; `changed`, `read` and `refresh_lists` may run in a thread of their own.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        side: str,
        lists: Lists | None = None,
        datasets: frozenset[str] | None = None,
    ) -> None:
        self._paths = tuple(paths)
        self._side = side
        self._parses = Parses(keep_tests=False, lists=lists, needed=Needed(side, datasets))
        self._stamps: dict[Path, Stamp] = {}
        self._contents: Contents = ([], frozenset())

    def refresh_lists(self) -> list[Problem]:
        """Take what has changed in the lists that rules name; the rules themselves stay. What is wrong is answered once."""
        return self._parses.lists.refresh()

    def load(self) -> RuleSet:
        """Read all files; raises `Located` with everything that is wrong."""
        reading = self.read()
        if reading.rules is None:
            raise Located(reading.problems)
        return reading.rules

    def read(self) -> Reading:
        """Read all files; documents that did not change are not parsed again."""
        # Stamps first: what is written while files are read makes them differ at the next look.
        self._stamps = _stamps(self._paths)
        loaded, problems = read_rules(self._paths, keep_tests=False, parses=self._parses)
        self._contents = _contents(self._stamps, self._parses.read)
        if problems:
            return Reading(None, tuple(problems))
        return Reading(loaded.running_at(self._side))

    def changed(self) -> bool:
        """Whether the content of the files is another than when they were read last.

        Their times, sizes and names are looked at, and the content only where these moved.
        """
        stamps = _stamps(self._paths)
        if stamps == self._stamps:
            return False
        texts = (text for file in find_files(self._paths, []) for text in read_texts(file, []))
        contents = _contents(stamps, ((text.file, text.line, text.digest) for text in texts))
        if contents == self._contents:
            self._stamps = stamps
            return False
        return True


def _stamps(paths: Sequence[Path]) -> dict[Path, Stamp]:
    """Of rule files what tells a change; of other files, which may be lists that rules name, only that they are there."""
    found: dict[Path, Stamp] = {}
    for file in find_files(paths, []):
        try:
            about = file.stat()
        except OSError:
            found[file] = _ABSENT
        else:
            found[file] = (about.st_mtime_ns, about.st_size, about.st_ino)
    for path in paths:
        others = (file for file in files_below(path) if file.suffix not in SUFFIXES)
        found |= dict.fromkeys(islice(others, MAX_FILES), _ABSENT)
    return found


def _contents(stamps: Mapping[Path, Stamp], documents: Iterable[tuple[str, int, bytes]]) -> Contents:
    """Which files there are, which of them are rules that can be read, and what is in these."""
    return [(str(file), stamp == _ABSENT) for file, stamp in stamps.items()], frozenset(documents)


class ReloadMetrics:
    """`fenghuo_rules_reloads_total{result}` and `fenghuo_rules_loaded`."""

    def __init__(self, registry: CollectorRegistry, rules: RuleSet) -> None:
        self.reloads = Counter(
            "fenghuo_rules_reloads", "Times that changed rule files were read.", ["result"], registry=registry
        )
        for result in ("loaded", "refused"):
            self.reloads.labels(result).inc(0)
        self.loaded = Gauge("fenghuo_rules_loaded", "Rules that run.", registry=registry)
        self.loaded.set(len(rules.rules))


async def watch(
    files: RuleFiles,
    take: Callable[[RuleSet], None],
    metrics: ReloadMetrics,
    *,
    interval: float = INTERVAL,
    now: asyncio.Event | None = None,
) -> None:
    """Look at the files every `interval` seconds, and at once when `now` is set; until cancelled.

    A set that is right is given to `take`, on the loop. One that is wrong is told in the log, once, and the rules before
    go on. Files are read in a thread, so that the loop does not wait for them.
    """
    while True:
        await _wait(interval, now)
        await asyncio.to_thread(files.refresh_lists)
        if not await asyncio.to_thread(files.changed):
            continue
        reading = await asyncio.to_thread(files.read)
        if reading.rules is None:
            metrics.reloads.labels("refused").inc()
            _tell_refused(reading.problems)
            continue
        take(reading.rules)
        metrics.reloads.labels("loaded").inc()
        metrics.loaded.set(len(reading.rules.rules))
        log.info("the rules have changed; %d run now", len(reading.rules.rules))


async def _wait(interval: float, now: asyncio.Event | None) -> None:
    if now is None:
        await asyncio.sleep(interval)
        return
    try:
        async with asyncio.timeout(interval):
            await now.wait()
    except TimeoutError:
        return
    now.clear()


def _tell_refused(problems: Sequence[Problem]) -> None:
    shown = [str(problem) for problem in problems[:_MOST_TOLD]]
    if len(problems) > _MOST_TOLD:
        shown.append(f"and {len(problems) - _MOST_TOLD} more; `fenghuo rules check` tells all")
    log.error("the changed rules are refused, those before go on:\n%s", "\n".join(shown))
