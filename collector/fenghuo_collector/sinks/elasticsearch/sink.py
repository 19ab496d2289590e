"""The sink: batches of events → bulk requests, refused documents kept as dead letters."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from elastic_transport import ApiError, TransportError
from elasticsearch import AsyncElasticsearch
from prometheus_client import CollectorRegistry, Counter, Histogram

from fenghuo.clock import Clock
from fenghuo.errors import PartialWrite, Rejection, Retryable
from fenghuo.wire import Stream
from fenghuo_collector.sinks.base import Batch
from fenghuo_collector.sinks.elasticsearch import templates
from fenghuo_collector.sinks.elasticsearch.bulk import Bulk, Result, Verdict, Whole, connect, retry
from fenghuo_collector.sinks.elasticsearch.config import ElasticsearchConfig
from fenghuo_collector.sinks.elasticsearch.duplicates import Duplicates
from fenghuo_collector.sinks.elasticsearch.encode import Item, StreamNames, dead_letter, encode
from fenghuo_collector.sinks.trouble import Trouble

_log = logging.getLogger(__name__)

_MOST_KEPT = 16 * 2**20
"""Characters of a refused document that its dead letter keeps."""
_LEAST_KEPT = 32 * 2**10
"""As many are kept of one that was refused for its size."""


class SinkMetrics:
    """The sink's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.documents = Counter(
            "fenghuo_collector_elasticsearch_documents_total",
            "Documents by what became of them: created, present (stored before), refused, retry.",
            ["result"],
            registry=registry,
        )
        for verdict in Verdict:
            self.documents.labels(verdict)
        self.dead_letters = Counter(
            "fenghuo_collector_elasticsearch_dead_letters_total",
            "Refused documents kept in the dead-letter data stream.",
            registry=registry,
        )
        self.lost = Counter(
            "fenghuo_collector_elasticsearch_lost_documents_total",
            "Refused documents whose dead letter was refused as well.",
            registry=registry,
        )
        self.looked_up = Counter(
            "fenghuo_collector_elasticsearch_looked_up_documents_total",
            "Documents looked for in indices older than the write index before they were written.",
            registry=registry,
        )
        self.seconds = Histogram(
            "fenghuo_collector_elasticsearch_bulk_seconds",
            "Time until a bulk request was answered.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=registry,
        )


@dataclass(frozen=True, slots=True)
class _Open:
    """What there is between `start` and `close`."""

    client: AsyncElasticsearch
    bulk: Bulk
    duplicates: Duplicates


class ElasticsearchSink:
    """Writes events, alerts and assets to data streams, each exactly once."""

    name = "elasticsearch"

    def __init__(self, config: ElasticsearchConfig, *, clock: Clock, registry: CollectorRegistry) -> None:
        self.required = config.required
        self._config = config
        self._clock = clock
        self._metrics = SinkMetrics(registry)
        self._names = StreamNames(config.namespace, config.max_datasets)
        self._trouble = Trouble(f"Elasticsearch at {', '.join(config.hosts)}", _log)
        self._open: _Open | None = None

    def takes(self, stream: Stream) -> bool:
        return stream in (Stream.ALERTS, Stream.EVENTS, Stream.ASSETS)

    async def start(self) -> None:
        """Connect and install the templates; nothing is written before they stand."""
        await self.close()
        client = connect(self._config)
        try:
            await templates.install(client, self._config.retention)
            self._names.know(await templates.data_streams(client))
        except (ApiError, TransportError) as error:
            await client.close()
            raise retry(self._trouble, error) from None
        self._trouble.mended()
        self._open = _Open(client, Bulk(client, self._trouble), Duplicates(client))

    async def close(self) -> None:
        if self._open is not None:
            await self._open.client.close()
            self._open = None

    async def write(self, batches: Sequence[Batch]) -> None:
        """Store all events; `PartialWrite` names the refused ones (kept as dead letters) and those to come again."""
        if self._open is None:
            await self.start()
        rejected: list[Rejection] = []
        again: list[int] = []
        try:
            for chunk in _chunks(encode(batches, self._names), self._config.max_documents, self._config.max_bytes):
                results = await self._store(chunk)
                again += [result.item.index for result in results if result.verdict is Verdict.RETRY]
                rejected += [
                    Rejection(result.item.index, result.reason)
                    for result in results
                    if result.verdict is Verdict.REFUSED
                ]
        except (ApiError, TransportError) as error:
            raise retry(self._trouble, error) from None
        if again or rejected:
            raise PartialWrite(
                f"{len(rejected)} documents refused, {len(again)} to come again", rejected=rejected, retry=again
            )

    @property
    def _parts(self) -> _Open:
        if self._open is None:
            raise Retryable("the Elasticsearch sink was closed")
        return self._open

    async def _store(self, items: Sequence[Item]) -> list[Result]:
        """Write items and, for the refused ones, dead letters; a refused item whose dead letter must wait waits too."""
        results = [Result(item, Verdict.REFUSED, item.problem) for item in items if item.problem]
        results += await self._create([item for item in items if not item.problem])
        for verdict in Verdict:
            count = sum(result.verdict is verdict for result in results)
            self._metrics.documents.labels(verdict).inc(count)
        if refused := [result for result in results if result.verdict is Verdict.REFUSED]:
            await self._keep(refused)
        return results

    async def _keep(self, refused: Sequence[Result]) -> None:
        """Write the dead letters of refused items."""
        _log.warning("%d documents refused and kept as dead letters; the first: %s", len(refused), refused[0].reason)
        letters: list[Item] = []
        for result in refused:
            item = result.item
            stream = self._names.dead_letter(item.batch.agent)
            most = _LEAST_KEPT if result.reason.startswith("http_413") else _MOST_KEPT
            lines = dead_letter(item, result.reason, stream, most)
            letters.append(Item(item.index, item.id, stream, lines, item.event, item.batch))
        waiting: set[int] = set()
        for chunk in _chunks(letters, self._config.max_documents, self._config.max_bytes):
            for kept in await self._create(chunk):
                if kept.verdict is Verdict.RETRY:
                    waiting.add(kept.item.index)
                elif kept.verdict is Verdict.REFUSED:
                    self._metrics.lost.inc()
                    _log.error("document %s is lost, its dead letter is refused: %s", kept.item.id, kept.reason)
                elif kept.verdict is Verdict.CREATED:
                    self._metrics.dead_letters.inc()
        for result in refused:
            if result.item.index in waiting:
                result.verdict = Verdict.RETRY

    async def _create(self, items: Sequence[Item]) -> list[Result]:
        """Create items that no index of their data stream holds; a request refused as a whole is cut in halves."""
        stored = await self._stored(items)
        results = [Result(item, Verdict.PRESENT) for item in items if (item.stream, item.id) in stored]
        fresh = [item for item in items if (item.stream, item.id) not in stored] if stored else items
        if not fresh:
            return results
        try:
            with self._metrics.seconds.time():
                answered = await self._parts.bulk.create(fresh)
        except Whole as refusal:
            if len(fresh) == 1:
                return [*results, Result(fresh[0], Verdict.REFUSED, str(refusal))]
            middle = len(fresh) // 2
            return [*results, *await self._create(fresh[:middle]), *await self._create(fresh[middle:])]
        await self._after_rollover(answered)
        return results + answered

    async def _stored(self, items: Iterable[Item]) -> set[tuple[str, str]]:
        """Those items that lie in older indices of their data streams."""
        by_stream: dict[str, list[str]] = defaultdict(list)
        for item in items:
            by_stream[item.stream].append(item.id)
        found: set[tuple[str, str]] = set()
        for stream, ids in by_stream.items():
            generation = self._parts.duplicates.known(stream) or await self._parts.duplicates.learn(stream)
            if generation is None:
                continue
            if suspects := generation.suspects(ids, self._clock.now()):
                self._metrics.looked_up.inc(len(suspects))
                found |= {(stream, id_) for id_ in await self._parts.duplicates.stored(stream, suspects)}
        return found

    async def _after_rollover(self, results: Iterable[Result]) -> None:
        """Where an answer names an index that is no known write index, look once more in those before it."""
        moved: dict[str, list[Result]] = defaultdict(list)
        for result in results:
            generation = self._parts.duplicates.known(result.item.stream)
            if result.place and (generation is None or result.place != generation.write_index):
                moved[result.item.stream].append(result)
        for stream, landed in moved.items():
            generation = await self._parts.duplicates.learn(stream)
            if generation is None:
                continue
            ids = [result.item.id for result in landed if result.verdict in (Verdict.CREATED, Verdict.PRESENT)]
            if suspects := generation.suspects(ids, self._clock.now()):
                self._metrics.looked_up.inc(len(suspects))
                copies = await self._parts.duplicates.stored(stream, suspects)
                for result in landed:
                    if result.item.id in copies:
                        result.verdict = Verdict.PRESENT


def _chunks(items: Iterable[Item], most: int, size: int) -> Iterator[list[Item]]:
    """Items in lists of at most `most`, and of at most `size` bytes where a single one does not exceed that."""
    chunk: list[Item] = []
    room = size
    for item in items:
        if chunk and (len(chunk) >= most or len(item.lines) > room):
            yield chunk
            chunk, room = [], size
        chunk.append(item)
        room -= len(item.lines)
    if chunk:
        yield chunk
