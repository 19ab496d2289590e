"""Exactly once across rollovers.

`create` refuses an id that the data stream's write index holds already, but that index alone: after a rollover, the
same event sent again would be stored a second time. Ids are UUIDv7, so they tell when the event was made, and an event
cannot have been stored before that: only those made before the write index (give or take `SKEW`, for clocks that go
wrong) may lie in an older index. They are looked for there before they are written. Where a rollover happens between
looking and writing, the answer names an index that was not known; then they are looked for once more, and copies in the
newer index are taken out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from elasticsearch import AsyncElasticsearch, NotFoundError

SKEW = 3_600_000
"""Milliseconds that an agent's clock may be wrong."""
_PAGE = 5_000
_PREFIX = 13
"""Characters of a UUID that hold the 48 bits of time, hyphen included."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A data stream's backing indices, oldest first, and when the last of them, the write index, was made."""

    indices: Sequence[str]
    created: int

    @property
    def write_index(self) -> str:
        return self.indices[-1]

    def suspects(self, ids: Iterable[str], now: int) -> list[str]:
        """Those ids that an older index may hold."""
        if len(self.indices) < 2:
            return []
        after, before = _prefix(self.created + SKEW), _prefix(now + SKEW)
        return [id_ for id_ in ids if not (_is_uuid7(id_) and after <= id_[:_PREFIX] <= before)]


def _prefix(time: int) -> str:
    return f"{time >> 16:08x}-{time & 0xFFFF:04x}"


def _is_uuid7(text: str) -> bool:
    return len(text) == 36 and text[14] == "7"


class Duplicates:
    """What is known of each data stream's generation, and the looking in older indices."""

    def __init__(self, client: AsyncElasticsearch) -> None:
        self._client = client
        self._known: dict[str, Generation] = {}

    def known(self, stream: str) -> Generation | None:
        return self._known.get(stream)

    async def learn(self, stream: str) -> Generation | None:
        """Ask for the stream's present generation; None where there is no such data stream."""
        try:
            answer = await self._client.indices.resolve_index(name=stream)
            settings = await self._client.indices.get_settings(
                index=stream, name="index.creation_date", flat_settings=True
            )
        except NotFoundError:
            return None
        found = [entry["backing_indices"] for entry in answer["data_streams"] if entry["name"] == stream]
        if not found:
            return None
        indices = cast("list[str]", found[0])
        created = int(settings[indices[-1]]["settings"]["index.creation_date"])
        generation = self._known[stream] = Generation(indices, created)
        return generation

    async def stored(self, stream: str, ids: Sequence[str]) -> set[str]:
        """Those ids that an index older than the write index holds; any copies in newer ones are deleted."""
        generation = self._known[stream]
        older = list(generation.indices[:-1])
        await self._client.indices.refresh(index=stream)
        places: dict[str, set[str]] = {}
        for start in range(0, len(ids), _PAGE):
            page = list(ids[start : start + _PAGE])
            for hit in await self._search(stream, page, len(page) * 2):
                places.setdefault(hit["_id"], set()).add(hit["_index"])
        order = {name: number for number, name in enumerate(generation.indices)}
        held = {id_: sorted(names, key=lambda name: order.get(name, len(order))) for id_, names in places.items()}
        await self._delete([(name, id_) for id_, names in held.items() for name in names[1:]])
        return {id_ for id_, names in held.items() if names[0] in older}

    async def _search(self, stream: str, ids: list[str], size: int) -> list[Mapping[str, Any]]:
        answer = await self._client.search(
            index=stream,
            query={"ids": {"values": ids}},
            source=False,
            size=size,
            sort=["_doc"],
            track_total_hits=False,
            allow_partial_search_results=False,
            filter_path=["hits.hits._id", "hits.hits._index"],
        )
        return cast("list[Mapping[str, Any]]", answer.get("hits", {}).get("hits", []))

    async def _delete(self, copies: Sequence[tuple[str, str]]) -> None:
        if copies:
            operations = [{"delete": {"_index": index, "_id": id_}} for index, id_ in copies]
            await self._client.bulk(operations=operations, filter_path=["errors"])
