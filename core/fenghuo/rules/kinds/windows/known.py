"""Values that were met before, in twelve bytes each."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from typing import Any

from fenghuo.rules.kinds.windows.times import unpacked


class Known:
    """Hashes of values, in order, and when each was met last, in seconds.

    Of a value's text only 64 bits of its BLAKE2b hash are kept: a new value is taken for one of n known ones with a
    probability of n / 2⁶⁴, for 10,000 of them 5 in 10¹⁶. That of a known value being taken for new is none.
    """

    __slots__ = ("hashes", "met")

    def __init__(self) -> None:
        self.hashes = array("Q")
        self.met = array("L" if array("I").itemsize < 4 else "I")

    def __len__(self) -> int:
        return len(self.hashes)

    def meet(self, text: str, second: int, since: int) -> bool:
        """Note a value; whether it was not known, or not met after `since`."""
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "little")
        place = bisect_left(self.hashes, number)
        if place < len(self.hashes) and self.hashes[place] == number:
            before = self.met[place]
            if second > before:
                self.met[place] = second
            return before <= since
        self.hashes.insert(place, number)
        self.met.insert(place, second)
        return True

    def crop(self, most: int) -> int:
        """Let go of those not met for longest, a sixteenth at once, once they are more than so many; how many they were."""
        if len(self.hashes) <= most:
            return 0
        stay = max(1, most - most // 16)
        edge = sorted(self.met)[-stay]
        newer = sum(1 for second in self.met if second > edge)
        at_edge = stay - newer
        before = len(self.hashes)
        kept: list[int] = []
        for place, second in enumerate(self.met):
            if second > edge:
                kept.append(place)
            elif second == edge and at_edge:
                at_edge -= 1
                kept.append(place)
        self._keep(kept)
        return before - len(self.hashes)

    def forget(self, since: int) -> None:
        """Let go of those not met after `since`."""
        kept = [place for place, second in enumerate(self.met) if second > since]
        if len(kept) < len(self.met):
            self._keep(kept)

    def _keep(self, places: list[int]) -> None:
        self.hashes = array("Q", [self.hashes[place] for place in places])
        self.met = array(self.met.typecode, [self.met[place] for place in places])

    def save(self) -> list[Any]:
        return [self.hashes.tobytes(), self.met.tobytes()]

    @classmethod
    def load(cls, saved: Any) -> Known:
        """What `save` gave; ValueError or TypeError where it is none of it."""
        hashes, met = saved
        found = cls()
        found.hashes, found.met = unpacked("Q", hashes), unpacked(found.met.typecode, met)
        if len(found.hashes) != len(found.met) or any(
            later <= earlier for earlier, later in zip(found.hashes, found.hashes[1:], strict=False)
        ):
            raise ValueError("hashes are out of order")
        return found
