"""One process at a time: an advisory lock on a file, let go by the kernel when its holder ends (flock(2))."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fenghuo.errors import Permanent


class FileLock:
    """Held from construction to `release()`.

    Raises `Permanent` where another process has it, naming `what` is in use, by which process, and `hint`, what to do.
    """

    def __init__(self, path: Path, what: str, hint: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise Permanent(f"{what} is in use by process {holder}; {hint}") from None
        self._note_holder()

    def _note_holder(self) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            return  # the disk is full: the lock holds all the same

    def release(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
