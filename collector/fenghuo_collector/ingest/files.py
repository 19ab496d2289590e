"""SQLite files that ingest keeps for itself and can do without."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from fenghuo.errors import Retryable, of_file

_log = logging.getLogger(__name__)


def open_or_begin(path: Path, schema: str) -> sqlite3.Connection:
    """A connection to the file, which is made where it is missing. One that is damaged is set aside, and a new one begun.

    Raises `Retryable` where the disk is full or failing, `Permanent` where the folder is not to be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _open(path, schema)
        except sqlite3.OperationalError:  # full, failing or locked, which says nothing against the file
            raise
        except sqlite3.DatabaseError as error:
            _set_aside(path, error)
        return _open(path, schema)
    except OSError as error:
        raise of_file(f"{path} cannot be opened", error) from error
    except sqlite3.Error as error:
        raise Retryable(f"{path} cannot be opened now: {error}") from error


def _open(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=5, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # An acknowledgement lets the agent forget, so what it follows from must survive a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 1048576")
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    aside = path.with_name(path.name + ".unreadable")
    _log.warning("%s cannot be read (%s); it is set aside as %s", path, error, aside.name)
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
