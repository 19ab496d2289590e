"""Times that lie too far in the future: one wrong clock must not pass for the latest there is, nor outlive retention."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fenghuo.model import Event, Table


@dataclass(slots=True)
class AheadGuard:
    """Puts the times of one batch right, which was `sent` by the agent's clock and `received` by ours (Unix ms).

    What lies more than `most` milliseconds ahead of us is not believed. Where the agent's own clock is that far ahead, all
    of what it read since is put back by the difference. What is ahead even so (a sensor's clock; a backlog of before
    the agent's clock was set right) is no reading of any known time; an event is then said to be of when it came, since
    an alert must not be lost for a clock.
    """

    sent: int
    received: int
    most: int
    corrected: int = 0
    """Items whose time was put right: values for tables, otherwise documents."""

    @property
    def bound(self) -> int:
        """The latest time that is believed."""
        return self.received + self.most

    def table(self, table: Table) -> Table | None:
        """The table with a time to be believed; None where there is none."""
        time = self._put_back(table.time)
        if time > self.bound:
            return None
        if time == table.time:
            return table
        self.corrected += table.size
        return replace(table, time=time)

    def event(self, event: Event) -> Event:
        time = self._put_back(event.time)
        if time > self.bound:
            time = self.received
        if time == event.time:
            return event
        self.corrected += 1
        return Event(event.id, time, event.document)

    def _put_back(self, time: int) -> int:
        skew = self.sent - self.received
        return max(time - skew, 0) if skew > self.most and time > self.received else time
