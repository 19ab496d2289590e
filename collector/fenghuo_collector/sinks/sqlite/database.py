"""Opening SQLite files, and saying in an operator's words what went wrong with them."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fenghuo.errors import FenghuoError, Permanent, Retryable

_Result = TypeVar("_Result")
BUSY_SECONDS = 5.0
"""How long a connection waits for another process's lock."""


def open_writer(path: Path, schema: Sequence[str], version: int) -> sqlite3.Connection:
    """The one connection that writes to the file, with its tables made.

    Write-ahead log and `synchronous=FULL`: what is committed survives a power cut. Raises `Retryable` where the file
    cannot be opened now, `Permanent` where a newer Fenghuo wrote it.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, schema, version)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path, schema: Sequence[str], version: int) -> None:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > version:
        raise Permanent(f"{path} has format {found}, this Fenghuo knows {version}: start a newer one, or move it away")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    with transaction(connection):
        for statement in schema:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")


def give_back(connection: sqlite3.Connection, most: int = 2_000) -> int:
    """Return up to `most` free pages to the file system where more than a quarter of the file is free; how many went."""
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    spare = min(most, free - pages // 4)
    if spare <= 0:
        return 0
    # Not `execute`: it takes one step only, and the pragma frees a page a step.
    connection.executescript(f"PRAGMA incremental_vacuum({spare})")
    return spare


@contextlib.contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn what SQLite and the file system raise into `Retryable`, in words that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise Retryable(_explain(path, error)) from error
    except OSError as error:
        raise Retryable(f"{path}: {error.strerror or error}") from error


def _explain(path: Path, error: sqlite3.Error) -> str:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"{path}: the disk is full; make room or shorten the retention"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path}: another process holds it locked; is a second collector running on the same folder?"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{path} is damaged ({error}); stop the collector, move the file away and start again"
    if code == sqlite3.SQLITE_CANTOPEN:
        return f"{path} cannot be opened; does its folder exist, and may this user write there?"
    if code == sqlite3.SQLITE_READONLY:
        return f"{path} may not be written by this user"
    if code == sqlite3.SQLITE_IOERR:
        return f"{path}: reading or writing the disk failed ({error}); is it full or broken?"
    return f"{path}: {error}"


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """All or nothing, durable once left."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


class Writer:
    """One file's writing connection and the one thread that uses it."""

    def __init__(self, path: Path, schema: Sequence[str], version: int) -> None:
        self.path = path
        self._schema = schema
        self._version = version
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-{path.stem}")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> sqlite3.Connection:
        if self._connection is not None:
            await self.run(self._connection.close)
        self._connection = await self.run(lambda: open_writer(self.path, self._schema, self._version))
        return self._connection

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, for work that `run` is given."""
        if self._connection is None:
            raise Retryable(f"{self.path} is not open")
        return self._connection

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Do `work` in the file's thread, its errors explained."""

        def explain() -> _Result:
            with explained(self.path):
                return work()

        # A caller that is cancelled must not leave a transaction behind that the next call would find half done.
        try:
            future = asyncio.get_running_loop().run_in_executor(self._thread, explain)
        except RuntimeError as error:
            raise Retryable(f"{self.path} is closed") from error
        return await asyncio.shield(future)

    async def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(FenghuoError):
                await self.run(connection.close)
        self._thread.shutdown(wait=False)


class Readers:
    """A few read-only connections to one file, lent to any thread; they never block its writer.

    At most `most` queries run at once; the next waits up to `BUSY_SECONDS` and then raises `Retryable`.
    """

    def __init__(self, path: Path, most: int = 4) -> None:
        self.path = path
        self._room: queue.LifoQueue[sqlite3.Connection | None] = queue.LifoQueue()
        for _ in range(most):
            self._room.put(None)

    @contextlib.contextmanager
    def borrow(self) -> Generator[sqlite3.Connection]:
        """A connection inside one read transaction, so that its queries see one state."""
        try:
            connection = self._room.get(timeout=BUSY_SECONDS)
        except queue.Empty:
            raise Retryable(f"{self.path}: too many queries at once") from None
        try:
            with explained(self.path):
                connection = connection or self._open()
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    connection.execute("ROLLBACK")
        finally:
            self._room.put(connection)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA query_only = ON")
        return connection

    def close(self) -> None:
        """Close what is idle now; a connection on loan is closed by the garbage collector."""
        with contextlib.suppress(queue.Empty):
            while True:
                connection = self._room.get_nowait()
                if connection:
                    connection.close()
