"""Saying once that a store does not take what it is given, and once that it does again."""

from __future__ import annotations

import logging

from fenghuo.errors import Retryable


class Trouble:
    """The present trouble with one store; a worker that tries again every few seconds does not fill the log."""

    def __init__(self, store: str, log: logging.Logger) -> None:
        self._store = store
        self._log = log
        self._kind = ""

    def retry(self, what: str, *, delay: float | None = None, operator: bool = False) -> Retryable:
        """The error to raise; a new kind of trouble is logged, as ERROR where only an operator can mend it."""
        kind = what[:60]
        if kind != self._kind:
            self._kind = kind
            level = logging.ERROR if operator else logging.WARNING
            self._log.log(level, "%s takes nothing: %s; what is to be stored waits", self._store, what)
        return Retryable(f"{self._store}: {what}", retry_after=delay)

    def mended(self) -> None:
        """The store answered as it should."""
        if self._kind:
            self._log.info("%s works again", self._store)
            self._kind = ""
