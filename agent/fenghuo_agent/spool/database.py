"""The spool's file: opened, checked, made, moved aside where it is damaged.

meta    spool id, when it was made
stream  per stream: the last number given, what was dropped and refused
batch   id = stream number << 48 | sequence, so that one B-tree holds all in order of delivery; the body stands last,
        so that everything else is read without its pages
state   small things saved in one transaction with the batches they belong to
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
import uuid
from pathlib import Path

from fenghuo.errors import FenghuoError, Permanent, Retryable
from fenghuo.ids import Entropy
from fenghuo.wire.topic import DATA_STREAMS

_log = logging.getLogger(__name__)
SCHEMA_VERSION = 1
APPLICATION_ID = 0x46484153
"""`FHAS` in the file's header (SQLite file format, offset 68)."""
CHECK_SECONDS = 5.0
KEPT_CORRUPT = 2
STREAM_SHIFT = 48
STREAM_NUMBERS = {stream: number for number, stream in enumerate(DATA_STREAMS, start=1)}
_LOG_LEAST, _LOG_MOST = 16, 256
"""Pages of the log at which its content is copied into the file."""
PARTS = ("", "-wal", "-shm")
_CACHE_KIB = 128
"""Of each connection: a batch's pages are written and read once, so more would only take memory."""

_INCREMENTAL = 2
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE stream (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, last INTEGER NOT NULL DEFAULT 0,
  dropped_batches INTEGER NOT NULL DEFAULT 0, dropped_items INTEGER NOT NULL DEFAULT 0,
  refused_batches INTEGER NOT NULL DEFAULT 0, refused_items INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE batch (
  id INTEGER PRIMARY KEY, count INTEGER NOT NULL, created INTEGER NOT NULL, bytes INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""

_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_ERROR,
    }
)
"""Our statements are right, so a constraint or a table that is missing tells of a broken file too."""


class DamagedError(FenghuoError):
    """The spool's file is not what was written."""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file's content is broken; everything else (disk full, failing, busy) may pass."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits survive a power cut; transactions are begun by hand; usable from any one thread."""
    connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def open_database(path: Path, now_ms: int, entropy: Entropy) -> sqlite3.Connection:
    """The spool's file, made where there is none and moved aside where it is damaged.

    Raises `Retryable` where the disk does not let it be opened now, `Permanent` where the file is another program's or
    a newer version's.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path, now_ms, entropy)
    except DamagedError as error:
        move_aside(path, now_ms, str(error))
    return _open(path, now_ms, entropy)


def _open(path: Path, now_ms: int, entropy: Entropy) -> sqlite3.Connection:
    connection: sqlite3.Connection | None = None
    try:
        connection = connect(path)
        if _is_new(connection):
            _make(connection, now_ms, entropy)
            _sync_folder(path)
        _check(connection, path)
    except sqlite3.Error as error:
        if connection:
            connection.close()
        if is_damage(error):
            raise DamagedError(str(error)) from error
        raise Retryable(f"the spool {path} cannot be opened now: {error}") from error
    except FenghuoError:
        if connection:
            connection.close()
        raise
    return connection


def _is_new(connection: sqlite3.Connection) -> bool:
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _make(connection: sqlite3.Connection, now_ms: int, entropy: Entropy) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
        connection.execute("VACUUM")  # an earlier start was cut off before it made the tables
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    spool_id = str(uuid.UUID(bytes=entropy(16), version=4))
    connection.executemany("INSERT INTO meta VALUES (?, ?)", [("spool", spool_id), ("made", str(now_ms))])
    connection.executemany(
        "INSERT INTO stream (number, name) VALUES (?, ?)",
        [(number, str(stream)) for stream, number in STREAM_NUMBERS.items()],
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise Permanent(f"{path} is a database of another program; give the spool another path")
    if version != SCHEMA_VERSION:
        raise Permanent(f"the spool {path} has schema version {version}, this agent knows {SCHEMA_VERSION}; upgrade it")
    finding = quick_check(connection)
    if finding:
        raise DamagedError(finding)
    connection.execute("PRAGMA journal_mode = WAL")
    if len(connection.execute("SELECT 1 FROM stream").fetchall()) != len(STREAM_NUMBERS):
        raise DamagedError("streams are missing")
    if not connection.execute("SELECT 1 FROM meta WHERE key = 'spool'").fetchone():
        raise DamagedError("the spool's id is missing")


def quick_check(connection: sqlite3.Connection, seconds: float = CHECK_SECONDS) -> str:
    """What SQLite finds wrong with the file's structure; nothing where it is sound as far as `seconds` let it look."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: int(time.monotonic() > deadline), 1000)
    try:
        finding = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return ""
    finally:
        connection.set_progress_handler(None, 0)
    return "" if finding == "ok" else finding


def move_aside(path: Path, now_ms: int, reason: str) -> Path:
    """Put a damaged file out of the way for a later look; only the newest few are kept."""
    aside = path.with_name(f"{path.name}.corrupt-{now_ms}")
    for part in PARTS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + part).rename(aside.with_name(aside.name + part))
    older = sorted(path.parent.glob(f"{path.name}.corrupt-*[0-9]"))[:-KEPT_CORRUPT]
    for old in older:
        for part in PARTS:
            old.with_name(old.name + part).unlink(missing_ok=True)
    _log.error("the spool %s is damaged (%s): moved to %s; what it held is not delivered", path, reason, aside)
    return aside


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def keep_reserve(connection: sqlite3.Connection, size: int) -> bool:
    """Have `size` bytes of free pages in the file and as much of its log; False where the disk has no such room.

    Written, then deleted in a transaction of its own: pages freed in the transaction that made them never reach the disk.
    """
    page = connection.execute("PRAGMA page_size").fetchone()[0]
    try:
        connection.execute("DELETE FROM state WHERE key = 'reserve'")
        # The log is written from its beginning again after a checkpoint, so it stays within what the reserve made it.
        connection.execute(f"PRAGMA wal_autocheckpoint = {max(_LOG_LEAST, min(_LOG_MOST, size // page // 2))}")
        wanted = size - page * connection.execute("PRAGMA freelist_count").fetchone()[0]
        if wanted > page:
            connection.execute("INSERT INTO state VALUES ('reserve', zeroblob(?))", (wanted,))
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.execute("DELETE FROM state WHERE key = 'reserve'")
    except sqlite3.Error as error:
        if is_damage(error):
            raise
        return False
    return True
