"""The lists that rules name: read once for all of them, read again when a file changes, swapped without a pause."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fenghuo.clock import Clock, SystemClock
from fenghuo.rules.indicators.entry import Refused, Unreadable
from fenghuo.rules.indicators.source import ListSource
from fenghuo.rules.indicators.store import Bounds, Full, IndicatorSet, IndicatorSetBuilder, ListInfo, set_of

log = logging.getLogger(__name__)

REST = 0.0003
"""Seconds of rest after each slice of work in the background: a slice takes about a millisecond."""
Mark = tuple[int, int, int]
"""Modification time, size and inode: another file or content has another one."""


class Changed(Exception):  # noqa: N818 — the name says what happened
    """The file was written while it was read."""


class _Closed(Exception):  # noqa: N818 — the name says what happened
    """Nobody waits for the set any more."""


@dataclass(frozen=True, slots=True)
class ListStatus:
    """How a list stands. `problem` says why its former content is still in use, or what could not be read of it."""

    name: str
    file: str
    indicators: int
    refused: Refused
    read_at: int | None
    problem: str


class ListHandle:
    """A rule's hold on a list: the list is kept as long as somebody has its handle."""

    __slots__ = ("__weakref__", "id", "source")

    def __init__(self, source: ListSource, id_: int) -> None:
        self.source = source
        self.id = id_


@dataclass
class _Listed:
    """What the registry knows of one list."""

    handle: weakref.ref[ListHandle]
    source: ListSource
    id: int
    mark: Mark | None = None
    tried: Mark | None = None
    count: int = 0
    refused: Refused = field(default_factory=Refused)
    read_at: int | None = None
    problem: str = ""


class Indicators:
    """All lists of indicators of a process.

    Without `background` the lists are read when they are first asked (tests, replays); with it by a thread that rests
    after each millisecond of work, and what is asked meanwhile is answered from the lists before.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        bounds: Bounds | None = None,
        background: bool = False,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock or SystemClock()
        self._bounds = bounds or Bounds()
        self._background = background
        self._rest = rest
        self._lists: dict[int, _Listed] = {}
        self._ids = itertools.count(1)
        self._set = set_of(())
        self._unread = False
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self.reloads = 0
        """How often a new set took the place of the one before."""
        self.full = ""
        """Which bound kept entries out, at the last reading."""
        self.descriptions_left_out = 0
        """So many descriptions had no room, at the last reading; their indicators count all the same."""

    @property
    def current(self) -> IndicatorSet:
        """What look-ups ask. Take it once for everything that is asked about one event."""
        if self._unread and not self._background:
            self.load()
        return self._set

    def use(self, source: ListSource) -> ListHandle:
        """A hold on a list; the same one for the same source."""
        for listed in list(self._lists.values()):
            handle = listed.handle()
            if handle is not None and listed.source == source:
                return handle
        id_ = next(self._ids)
        handle = ListHandle(source, id_)
        self._lists[id_] = _Listed(weakref.ref(handle), source, id_)
        self._unread = True
        return handle

    def status(self) -> list[ListStatus]:
        """Every list in use."""
        return [
            ListStatus(each.source.title, each.source.file, each.count, each.refused, each.read_at, each.problem)
            for each in list(self._lists.values())
            if each.handle() is not None
        ]

    def load(self) -> None:
        """Read at once what is new or changed."""
        self._join()
        self._unread = False
        if self._is_stale():
            self._build(lambda: None)

    def refresh(self) -> bool:
        """Look whether a file has changed, and begin to read it in the background; whether that is going on."""
        if self._thread is not None:
            if self._thread.is_alive():
                return True
            self._join()
        self._unread = False
        if not self._is_stale():
            return False
        self._thread = threading.Thread(target=self._build_slowly, name="fenghuo-indicators", daemon=True)
        self._thread.start()
        return True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is read in the background; False if that took longer."""
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def close(self) -> None:
        """Give up what is being read."""
        self._closing.set()
        self._join()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    # Reading

    def _is_stale(self) -> bool:
        """Whether a list is new, is used no longer, or its file is another than the one last tried."""
        lists = list(self._lists.values())
        return any(
            each.handle() is None or each.read_at is None or mark_of(each.source.path) != each.tried for each in lists
        )

    def _build_slowly(self) -> None:
        def pause() -> None:
            if self._closing.is_set():
                raise _Closed
            self._rest(REST)

        try:
            self._build(pause)
        except _Closed:
            log.debug("gave up reading lists of indicators")
        except Exception:
            log.exception("lists of indicators could not be read; those before stay in use")

    def _build(self, pause: Callable[[], None]) -> None:
        """Make a new set of what has changed and of what has not, then put it in the place of the old one."""
        former = self._set
        numbers = {info.id: number for number, info in enumerate(former.lists)}
        builder = IndicatorSetBuilder(self._bounds, pause)
        self.full = ""
        lists = [each for each in list(self._lists.values()) if each.handle() is not None]
        for each in lists:
            try:
                self._take(each, builder, former, numbers.get(each.id))
            except Full as error:
                self.full = each.problem = f"{error}; the rest is left out"
                each.count = builder.taken
                log.error("list %s: %s", each.source.file, each.problem)  # noqa: TRY400 — told, no fault of ours
        self.descriptions_left_out = builder.texts_left_out
        fresh = builder.build()
        for id_ in [id_ for id_, each in list(self._lists.items()) if each.handle() is None]:
            del self._lists[id_]
        self._set = fresh
        self.reloads += 1
        log.info("%d indicators of %d lists are in use", len(fresh), len(lists))

    def _take(self, each: _Listed, builder: IndicatorSetBuilder, former: IndicatorSet, number: int | None) -> None:
        """Read a list if its file has changed, else take it over from the former set, which is also done if it is broken."""
        builder.begin(_info(each))
        mark = mark_of(each.source.path)
        if number is None or mark != each.mark:
            each.tried = mark
            try:
                self._read(each, builder, had_some=number is not None and each.count > 0)
            except (OSError, Unreadable, Changed) as error:
                self._say(each, _reason(error), keeps=number is not None)
            else:
                return
            if number is not None:
                builder.give_up()
                builder.begin(_info(each))
        if number is not None:
            each.count = builder.adopt(former, number)

    def _read(self, each: _Listed, builder: IndicatorSetBuilder, *, had_some: bool) -> None:
        """Read a file. Raises what keeps its former content in use; without one, what could be read stays."""
        from fenghuo.rules.indicators.readers import read_entries  # noqa: PLC0415 — only where a list is read

        refused = Refused()
        each.read_at = self._clock.now()
        try:
            # The open file counts: one that another took the place of meanwhile is still whole.
            with each.source.path.open("rb") as stream:
                mark = each.tried = mark_of(stream.fileno())
                for entry in read_entries(stream, each.source, refused):
                    builder.add(entry)
                after = mark_of(stream.fileno())
        finally:
            if not had_some:
                each.count, each.refused = builder.taken, refused
        if after != mark:
            each.tried = None
            raise Changed
        count = builder.taken
        if had_some and not count and (refused.total or not mark or not mark[1]):
            raise Unreadable(f"no indicator is left in it, {refused.total} entries are refused")
        each.count, each.refused, each.mark, each.problem = count, refused, mark, ""
        if refused.total:
            log.info("list %s: %d entries are left out: %s", each.source.file, refused.total, dict(refused.counts))

    def _say(self, each: _Listed, reason: str, *, keeps: bool) -> None:
        each.problem = f"{reason}; {'its former content stays in use' if keeps else 'what could be read is in use'}"
        log.warning("list %s: %s", each.source.file, each.problem)


def _info(each: _Listed) -> ListInfo:
    source = each.source
    return ListInfo(source.title, each.id, source.subdomains, source.urls == "prefix", source.confidence)


def mark_of(file: Path | int) -> Mark | None:
    """Another one for another content; None where there is no such file. `file`: its path or an open descriptor."""
    try:
        found = os.stat(file)  # noqa: PTH116 — of descriptors too
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reason(error: Exception) -> str:
    if isinstance(error, Changed):
        return "it was written while it was read"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or error}"
    return str(error)
