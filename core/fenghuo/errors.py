"""What can go wrong, told apart by what the caller should do about it.

- `Retryable`: the same call may succeed later (a broker that is away, an answer of 503).
- `Permanent`: the same call will fail again (a document the store refuses, a wrong password).
- `PartialWrite`: some items of a batch were taken, some refused, some should come again.
- `Located`: a person must mend something at a known place of a file.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass


class FenghuoError(Exception):
    """Root of every error that Fenghuo raises on purpose; its text is fit for an operator."""


class Retryable(FenghuoError):  # noqa: N818 — the name says what to do with it
    """The same call may succeed later. `retry_after` is in seconds where the peer named a delay."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Permanent(FenghuoError):  # noqa: N818 — the name says what to do with it
    """The same call will fail again."""


class UsedWrongly(FenghuoError):  # noqa: N818 — the name says what happened
    """What was asked for on the command line makes no sense; nothing was tried."""


_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR}
)


_ADVICE = {
    errno.EACCES: "; give this user the right to it, or name another place in the configuration",
    errno.EROFS: "; name a place in the configuration that may be written",
    errno.ENOENT: "; make its folder, or name another place in the configuration",
    errno.ENOTDIR: "; name another place in the configuration",
}


def of_file(what: str, error: OSError) -> Retryable | Permanent:
    """What a failure of the file system means: `Retryable` where room or means are short now, `Permanent` where a person
    must mend it (rights, a folder that is none).
    """
    kind = Retryable if error.errno in _PASSING else Permanent
    advice = _ADVICE.get(error.errno or 0, "")
    return kind(f"{what}: {error.strerror or error}{advice}")


class WireError(Permanent):
    """Bytes that are no valid Fenghuo batch, or that exceed a bound; `reason` is a short metric label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Rejection:
    """One item of a batch that a peer refused for good. `index` counts from 0 within the batch."""

    index: int
    reason: str


class PartialWrite(FenghuoError):  # noqa: N818 — the name says what happened
    """A batch of which `rejected` items are refused for good and the items at `retry` should come again."""

    def __init__(self, message: str, *, rejected: Sequence[Rejection] = (), retry: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rejected = tuple(rejected)
        self.retry = tuple(retry)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file: `line` and `column` count from 1; 0 where unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file, *(str(number) for number in (self.line, self.column) if number)]
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a person must mend: where, what is wrong, what is allowed or was probably meant."""

    place: Place
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.place}: {self.message}{hint}"


class Located(FenghuoError):  # noqa: N818 — the name says what it carries
    """Everything found wrong in one or more files, in reading order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
