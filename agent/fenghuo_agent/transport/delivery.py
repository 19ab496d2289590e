"""What is delivered and what comes next, over all connections: windows, acknowledgements, priorities. No MQTT here."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fenghuo.clock import Clock
from fenghuo.errors import WireError
from fenghuo.wire import Ack, Span, Stream, decode_ack
from fenghuo.wire.topic import DATA_STREAMS
from fenghuo_agent.spool import Spool, SpooledBatch
from fenghuo_agent.transport.bucket import Bucket
from fenghuo_agent.transport.collectors import Collectors
from fenghuo_agent.transport.config import TransportConfig
from fenghuo_agent.transport.metrics import TransportMetrics
from fenghuo_agent.transport.window import Waits, Window

_log = logging.getLogger(__name__)
_AT_ONCE = 8
"""Batches read in one go; after them the more urgent streams are asked again."""
_READ_BYTES = 2**18
_SHARE = {
    Stream.ALERTS: 1.0,
    Stream.EVENTS: 0.9,
    Stream.ASSETS: 0.8,
    Stream.METRICS: 0.7,
    Stream.BACKFILL: 0.5,
}
"""How full the window's bytes may be for a stream still to send: the less urgent ones leave room for the others."""
_BAD_ACK_LOG = 60.0
_DEAF_FIRST = 0.25
_DEAF_LONGEST = 5.0


@dataclass(frozen=True, slots=True)
class Next:
    """Batches to send now, in this order; `again` where they were sent before."""

    batches: list[SpooledBatch]
    again: bool


class Delivery:
    """Decides; the session sends. All times are seconds of the clock's monotonic time."""

    def __init__(self, config: TransportConfig, spool: Spool, clock: Clock, metrics: TransportMetrics) -> None:
        self._config = config
        self._spool = spool
        self._clock = clock
        self._metrics = metrics
        waits = Waits(config.ack_timeout, config.ack_timeout_longest, config.commit_timeout)
        self.windows = {stream: Window(config.window, waits) for stream in DATA_STREAMS}
        self._collectors = Collectors(grace=config.ack_timeout / 3)
        self._bucket = Bucket(config.backfill_rate, config.backfill_rate, clock.monotonic())
        self._earlier: dict[Stream, int] = {}
        self._progress: dict[Stream, float] = {}
        self._bad_ack_logged = -_BAD_ACK_LOG
        self._deaf_wait = 0.0
        self._deaf_until = 0.0
        self.probing = True
        """Whether one batch at a time goes out, until the broker has somebody to give it to."""
        self.spool_id = ""
        self.adopt()

    def adopt(self) -> None:
        """Begin with the spool as it is now, unless that is the one already known."""
        if self.spool_id == self._spool.id:
            return
        self.spool_id = self._spool.id
        for stream, window in self.windows.items():
            depth = self._spool.depth(stream)
            window.start(depth.oldest)
            self._earlier[stream] = depth.last

    def reconnected(self) -> None:
        """A new connection: nobody knows what of the flying batches arrived, nor whether the collector is there yet."""
        self.probing = True
        self._deaf_wait = self._deaf_until = 0.0
        for window in self.windows.values():
            window.reconnected()

    def heard(self) -> None:
        """The broker passed a batch on (or does not say whether it did)."""
        self.probing = False
        self._deaf_wait = 0.0

    def unheard(self, batch: SpooledBatch) -> None:
        """The broker had nobody to give a batch to: wait, then try with one, so that the others arrive in order."""
        self.windows[batch.stream].unheard(batch.sequence)
        self._spare(batch.stream)
        self.probing = True
        now = self._clock.monotonic()
        if now >= self._deaf_until:
            self._deaf_wait = min(max(self._deaf_wait * 2, _DEAF_FIRST), _DEAF_LONGEST)
            self._deaf_until = now + self._deaf_wait

    def unsent(self, stream: Stream) -> bool:
        """Whether batches of a stream wait for their first or another sending."""
        window = self.windows[stream]
        return bool(window.again) or self._spool.depth(stream).last > window.cursor

    @property
    def flying_bytes(self) -> int:
        return sum(window.bytes for window in self.windows.values())

    async def next(self, room: int) -> Next | None:
        """The most urgent batches that may be sent now, at most `room`; None where there are none.

        Raises `Retryable` where the spool cannot be read.
        """
        self.adopt()
        if self._clock.monotonic() < self._deaf_until:
            return None
        for stream in DATA_STREAMS:
            if not self.unsent(stream):
                continue
            window = self.windows[stream]
            free = min(window.room, room, _AT_ONCE)
            if free > 0 and self._may_send(stream, window):
                found = await self._read(stream, window, free)
                if found:
                    return found
        return None

    def _may_send(self, stream: Stream, window: Window) -> bool:
        if window.flying and self.flying_bytes >= self._config.window_bytes * _SHARE[stream]:
            return False
        return stream != Stream.BACKFILL or self.backfill_wait() == 0

    def backfill_wait(self) -> float:
        """Seconds until backfill may be sent by its rate; it also waits for all other streams to have sent theirs."""
        if any(self.unsent(stream) for stream in DATA_STREAMS if stream != Stream.BACKFILL):
            return self._config.ack_timeout
        return self._bucket.wait(self._clock.monotonic())

    async def _read(self, stream: Stream, window: Window, count: int) -> Next | None:
        if stream == Stream.BACKFILL:
            count = 1
        spool_id = self.spool_id
        again = window.next_again(count)
        if again:
            batches = await self._spool.batches(stream, again)
            window.gone(set(again) - {batch.sequence for batch in batches})
        else:
            self._spool.spare(spool_id, stream, window.cursor + count)  # none shall go between reading and sending
            batches = await self._spool.pending(stream, window.cursor, count, _READ_BYTES)
        if self._spool.id != spool_id or not batches:
            return None  # replaced, evicted or acknowledged meanwhile
        return Next(batches, bool(again))

    def sent(self, batch: SpooledBatch, size: int, *, again: bool) -> None:
        """Note a frame of `size` bytes as on its way."""
        window = self.windows[batch.stream]
        if not (window.flying or window.held):
            self._progress[batch.stream] = self._clock.monotonic()
        window.sent(batch.sequence, size, self._clock.monotonic())
        self._spare(batch.stream)
        if batch.stream == Stream.BACKFILL:
            self._bucket.take(size)
        self._metrics.sent.labels(batch.stream).inc()
        self._metrics.sent_bytes.labels(batch.stream).inc(size)
        if again:
            self._metrics.resent.labels(batch.stream).inc()

    def _spare(self, stream: Stream) -> None:
        """Have the spool keep what is on its way, as long as the collector stores what it gets."""
        window = self.windows[stream]
        lively = self._clock.monotonic() < self._progress.get(stream, 0.0) + self._config.ack_timeout
        awaited = lively and (window.flying or window.held)
        self._spool.spare(self.spool_id, stream, window.cursor if awaited else 0)

    def check(self) -> None:
        """What time does: overdue batches and ended collectors. To be called a few times a second."""
        now = self._clock.monotonic()
        ended = self._collectors.ended(now)
        for stream, window in self.windows.items():
            window.gone_below(self._spool.oldest(stream))
            window.check(now)
            self._spare(stream)
            if ended:
                again = window.left(ended)
                if again:
                    _log.info("the collector is a new one: %d uncommitted batches of %s are sent again", again, stream)

    def acknowledge(self, payload: bytes) -> None:
        """Take a collector's answer; one that is malformed or not for us is counted and changes nothing."""
        try:
            ack = decode_ack(payload)
        except WireError as error:
            self._bad_ack(error.reason, str(error))
            return
        if ack.spool != self.spool_id:
            self._metrics.bad_acks.labels("spool").inc()
            return  # of a spool that was replaced, or of another agent's namesake
        if ack.stream not in self.windows:
            self._bad_ack("stream", f"an acknowledgement of stream {ack.stream[:40]!r}")
            return
        self._take(Stream(ack.stream), ack)

    def _bad_ack(self, reason: str, text: str) -> None:
        self._metrics.bad_acks.labels(reason).inc()
        now = self._clock.monotonic()
        if now >= self._bad_ack_logged + _BAD_ACK_LOG:
            self._bad_ack_logged = now
            _log.warning("an acknowledgement is not used: %s", text)

    def _take(self, stream: Stream, ack: Ack) -> None:
        now = self._clock.monotonic()
        self._collectors.heard(ack.collector, now)
        window = self.windows[stream]
        window.received(ack.received, ack.collector, now)
        committed = self._known(stream, ack.committed)
        if committed:
            self._metrics.committed.labels(stream).inc(window.committed(committed, now))
            self._spool.commit(self.spool_id, stream, committed)
            self._progress[stream] = now
            self._spare(stream)
        for refusal in ack.refused:
            if self._known(stream, [Span(refusal.sequence, refusal.sequence)]):
                window.gone([refusal.sequence])
                self._metrics.refused.labels(stream).inc()
                self._spool.refuse(self.spool_id, stream, refusal.sequence, refusal.reason[:200])

    def _known(self, stream: Stream, spans: list[Span]) -> list[Span]:
        """Spans cut to the numbers that were sent by this run, or may have been by an earlier one, and are still held."""
        highest = max(self.windows[stream].cursor, self._earlier[stream])
        oldest = self._spool.oldest(stream)
        cut = [Span(max(span.first, oldest), min(span.last, highest)) for span in spans]
        return [span for span in cut if span.first <= span.last]

    def lag(self, stream: Stream) -> float:
        """Seconds since the oldest undelivered batch of a stream was made; 0 where there is none."""
        created = self._spool.depth(stream).created
        return 0.0 if created is None else max(0.0, (self._clock.now() - created) / 1000)
