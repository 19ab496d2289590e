"""`frequency`: how many observations lie in a sliding window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from fenghuo.rules.kinds.base import Kind, Reader
from fenghuo.rules.kinds.windows.counting import CountingBody, CountingCell
from fenghuo.rules.kinds.windows.section import WindowSection, fits, read_windowed
from fenghuo.rules.kinds.windows.times import Times
from fenghuo.rules.runtime.lifecycle import Holds
from fenghuo.rules.runtime.observe import Cell, Seen


class FrequencySection(WindowSection):
    kind: Literal["frequency"] = Field(
        description="How many events (or, with `data`, readings) lie in a sliding window; `value < …`: too few."
    )


class FrequencyCell(CountingCell["FrequencyBody"]):
    """The moments of one group: at most `limits.events` of them, the newest; the count goes no further."""

    __slots__ = ("times",)

    def __init__(self, body: FrequencyBody) -> None:
        super().__init__(body)
        self.times = Times()

    def count(self) -> int:
        return len(self.times)

    def add(self, seen: Seen, selection: int) -> None:
        del selection
        self.times.add(seen.time, seen.id)
        if len(self.times) > self.body.most:
            self.given_up += self.times.crop(self.body.most)

    def leave(self, now: int) -> None:
        self.times.leave(now - self.body.window)

    def leaving(self, staying: int) -> int:
        return self.times.from_end(staying)

    def events(self) -> list[str]:
        return list(self.times.ids)

    def kept(self) -> Any:
        return self.times.save()


@dataclass(frozen=True)
class FrequencyBody(CountingBody):
    """Counts observations. `most` must not be below the largest number in its conditions."""

    def start(self) -> Cell:
        return FrequencyCell(self)

    def load(self, saved: Any) -> Cell:
        cell = FrequencyCell(self)
        cell.times = Times.load(cell.restore(saved))
        cell.wait()
        return cell


def _read(section: FrequencySection, reader: Reader) -> tuple[FrequencyBody, Holds] | None:
    read = read_windowed(section, reader)
    if read is None:
        return None
    body = FrequencyBody(**read.common, most=section.limits.events)
    return (body, read.holds) if fits(body.regions, section, reader, "events") else None


FREQUENCY = Kind("frequency", FrequencySection, _read)
