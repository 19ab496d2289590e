"""Events → the lines of a bulk request, and the names of the data streams they go to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from fenghuo.model import AgentId, Event
from fenghuo_collector.sinks.base import Batch

PREFIX = "logs-fenghuo."
DEAD_LETTER = "dead_letter"
GENERIC = "generic"
_UNFIT = re.compile(r"[^a-z0-9_.]+")
_MAX_DATASET = 100
_MAX_REASON = 1_000

_NO_JSON = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)

_json = msgspec.json.Encoder().encode


class Item(msgspec.Struct, eq=False, gc=False):
    """One document on its way: its place among the write's items, its id, its data stream, its two lines.

    `problem` says why there are no lines.
    """

    index: int
    id: str
    stream: str
    lines: bytes
    event: Event
    batch: Batch
    problem: str = ""


class StreamNames:
    """Datasets and agents → data-stream names, of which an agent cannot make more than `max_datasets` a namespace."""

    def __init__(self, namespace: str | None, max_datasets: int) -> None:
        self._namespace = namespace
        self._max = max_datasets
        self._datasets: dict[str, set[str]] = {}
        self._names: dict[tuple[AgentId, str], str] = {}

    def know(self, streams: Iterable[str]) -> None:
        """Count data streams that are there already."""
        for stream in streams:
            dataset, _, namespace = stream.removeprefix(PREFIX).partition("-")
            self._datasets.setdefault(namespace, {GENERIC}).add(dataset)

    def of(self, agent: AgentId, dataset: str) -> str:
        name = self._names.get((agent, dataset))
        if name is None:
            if len(self._names) > 100_000:
                self._names.clear()
            name = self._names[agent, dataset] = self._make(agent, dataset)
        return name

    def dead_letter(self, agent: AgentId) -> str:
        return f"{PREFIX}{DEAD_LETTER}-{self.namespace(agent)}"

    def namespace(self, agent: AgentId) -> str:
        """As configured, or the agent's city and district: one data stream a school would be too many shards."""
        return self._namespace or ".".join(agent.site.path.split("/")[:2]).replace("-", "_")

    def _make(self, agent: AgentId, dataset: str) -> str:
        namespace = self.namespace(agent)
        fit = _UNFIT.sub("_", dataset.lower())[:_MAX_DATASET] or GENERIC
        known = self._datasets.setdefault(namespace, {GENERIC})
        if fit == DEAD_LETTER or (fit not in known and len(known) >= self._max):
            fit = GENERIC
        known.add(fit)
        return f"{PREFIX}{fit}-{namespace}"


def create_line(stream: str, id_: str) -> bytes:
    return b'{"create":{"_index":"%b","_id":%b}}\n' % (stream.encode(), _json(id_))


def document_json(event: Event) -> bytes:
    """The document as JSON; TypeError or ValueError where it holds what JSON cannot."""
    document = event.document
    if "@timestamp" not in document:
        document = {"@timestamp": timestamp(event.time), **document}
    return _json(document)


def timestamp(time: int) -> str | int:
    """ISO 8601 with milliseconds; years that Python does not know stay Unix milliseconds, which Elasticsearch reads."""
    try:
        moment = datetime.fromtimestamp(time // 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return time
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time % 1000:03d}Z"


def encode(batches: Iterable[Batch], names: StreamNames) -> Iterator[Item]:
    """Every event as an item, in order."""
    index = 0
    for batch in batches:
        for event in batch.events:
            stream = names.of(batch.agent, event.dataset)
            lines, problem = b"", ""
            try:
                lines = create_line(stream, event.id) + document_json(event) + b"\n"
            except _NO_JSON as error:
                problem = f"no_json: {error}"
            yield Item(index, event.id, stream, lines, event, batch, problem)
            index += 1


def dead_letter(item: Item, reason: str, stream: str, most: int) -> bytes:
    """The lines that keep a refused document: as a text of at most `most` characters, with the reason."""
    try:
        original = document_json(item.event).decode()
    except _NO_JSON:
        original = _plain(item.event)
    type_, _, message = reason.partition(": ")
    document: dict[str, Any] = {
        "@timestamp": timestamp(item.batch.received),
        "event": {
            "kind": "pipeline_error",
            "dataset": DEAD_LETTER,
            "id": item.id,
            "original": original[:most],
        },
        "error": {"type": type_, "message": message[:_MAX_REASON]},
        "fenghuo": {
            "dead_letter": {
                "agent": str(item.batch.agent),
                "data_stream": item.stream,
                "truncated": len(original) > most,
            }
        },
    }
    return create_line(stream, item.id) + _json(document) + b"\n"


def _plain(event: Event) -> str:
    try:
        return repr(event.document)
    except RecursionError:
        return "nested too deeply to show"
