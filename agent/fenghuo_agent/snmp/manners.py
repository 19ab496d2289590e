"""What one device can take, remembered over all conversations with it: one question at a time, a pace, rows in an answer."""

from __future__ import annotations

import asyncio

WIDTH = 6
"""Columns walked by one request."""
REPETITIONS = 100
PATIENCE = 50
MOST_PATIENCE = 2000

Stride = tuple[int, int]
"""Most repetitions of a GETBULK, and columns at a time."""


class Manners:
    """Shared by all sessions with one device.

    `gap` is the least time in seconds from one question to the next. `repetitions` and `width` are what a walk may ask
    for: halved when an answer is too big, cut or missing, and after many good answers a step more; each time that goes
    wrong, after twice as many.
    """

    __slots__ = ("_free", "_good", "_lock", "_patience", "gap", "repetitions", "width")

    def __init__(self, gap: float = 0.0) -> None:
        self.gap = gap
        self.repetitions = REPETITIONS
        self.width = WIDTH
        self._lock = asyncio.Lock()
        self._free = 0.0
        self._good = 0
        self._patience = PATIENCE

    async def begin(self, deadline: float) -> bool:
        """Wait until a question may be sent; False where that is not before `deadline` (the loop's time).

        After True, `end` must be called.
        """
        lock, loop = self._lock, asyncio.get_running_loop()
        if lock.locked():
            try:
                async with asyncio.timeout_at(deadline):
                    await lock.acquire()
            except TimeoutError:
                return False
        else:
            await lock.acquire()
        if not self.gap:
            return True
        pause = self._free - loop.time()
        try:
            if loop.time() + pause < deadline:
                await asyncio.sleep(max(0.0, pause))
                self._free = loop.time() + self.gap
                return True
        except asyncio.CancelledError:
            lock.release()
            raise
        lock.release()
        return False

    def end(self) -> None:
        """The question is answered, or given up."""
        self._lock.release()

    @property
    def stride(self) -> Stride:
        """What a walk may ask for now."""
        return self.repetitions, self.width

    def restore(self, stride: Stride) -> None:
        """Forget what was learnt since: the device answered nothing at all, however little was asked."""
        self.repetitions, self.width = stride

    def shrink(self, asked: int) -> bool:
        """After `asked` repetitions (0 for a GETNEXT) were too many: ask for less; False where that is not possible."""
        if asked > 1:
            self.repetitions = asked // 2
        elif self.width > 1:
            self.width //= 2
        else:
            return False
        self._good = 0
        self._patience = min(self._patience * 2, MOST_PATIENCE)
        return True

    def answered(self) -> None:
        """A walk's request was answered well."""
        if self.repetitions >= REPETITIONS and self.width >= WIDTH:
            return
        self._good += 1
        if self._good < self._patience:
            return
        self._good = 0
        if self.width < WIDTH:
            self.width += 1
        else:
            self.repetitions = min(REPETITIONS, self.repetitions + max(1, self.repetitions // 4))
