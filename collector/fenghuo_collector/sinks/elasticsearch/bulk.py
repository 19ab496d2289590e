"""One bulk request: sending it and judging each item of its answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import elastic_transport
import msgspec
from elastic_transport import ApiError, ConnectionTimeout, TransportError
from elasticsearch import AsyncElasticsearch, JsonSerializer, UnsupportedProductError

from fenghuo.errors import FenghuoError
from fenghuo_collector.sinks.elasticsearch.config import ElasticsearchConfig
from fenghuo_collector.sinks.elasticsearch.encode import Item
from fenghuo_collector.sinks.tls import ssl_context
from fenghuo_collector.sinks.trouble import Trouble

_log = logging.getLogger(__name__)

_ANSWER = [
    "errors",
    "items.create._index",
    "items.create.status",
    "items.create.error.type",
    "items.create.error.reason",
]
_OPERATOR = frozenset({401, 403, 404, 405})
"""Answers that blame configuration: an operator can mend it, so nothing is given up."""
_SPLIT = frozenset({400, 413})
"""Answers to a whole request that blame what it holds."""
_NOT_THE_DOCUMENT = frozenset({"validation_exception", "cluster_block_exception", "index_closed_exception"})
"""Errors of status 400 or 403 that the document is not to blame for, such as too many shards."""


class Verdict(StrEnum):
    CREATED = "created"
    PRESENT = "present"
    RETRY = "retry"
    REFUSED = "refused"


@dataclass(slots=True)
class Result:
    """What became of one item; `place` is the backing index that answered."""

    item: Item
    verdict: Verdict
    reason: str = ""
    place: str = ""


class _Json(JsonSerializer):
    """The client's JSON, decoded by msgspec: answers to bulk requests have an entry for each document."""

    def json_loads(self, data: bytes) -> Any:
        return msgspec.json.decode(data)


def connect(config: ElasticsearchConfig) -> AsyncElasticsearch:
    """The client; it neither retries by itself nor asks anything until it is used."""
    options: dict[str, Any] = {}
    if any(host.startswith("https:") for host in config.hosts):
        options["ssl_context"] = ssl_context(config.tls)
    if config.username is not None and config.password is not None:
        options["basic_auth"] = (config.username, config.password.reveal())
    if config.api_key is not None:
        options["api_key"] = config.api_key.reveal()
    return AsyncElasticsearch(
        config.hosts,
        request_timeout=config.timeout,
        max_retries=0,
        retry_on_timeout=False,
        http_compress=config.compress,
        serializers={mimetype: _Json() for mimetype in ("application/json", "application/vnd.elasticsearch+json")},
        **options,
    )


class Whole(FenghuoError):  # noqa: N818 — an answer, not a failure of ours
    """The server refused the request as a whole because of what it holds."""


class Bulk:
    """Sends `create` lines; errors of the whole request become `Retryable` or `Whole`."""

    def __init__(self, client: AsyncElasticsearch, trouble: Trouble) -> None:
        self._client = client
        self._trouble = trouble

    async def create(self, items: Sequence[Item]) -> list[Result]:
        """One request; a result for each item, in order."""
        body = b"".join([item.lines for item in items])
        try:
            answer = await self._client.bulk(
                operations=cast("Any", body), filter_path=_ANSWER, require_data_stream=True
            )
        except ApiError as error:
            if error.meta.status in _SPLIT:
                raise Whole(f"http_{error.meta.status}: {describe(error)}") from None
            raise self._trouble_of(error) from None
        except TransportError as error:
            raise self._trouble_of(error) from None
        entries = cast("list[Mapping[str, Any]]", answer.get("items", []))
        if len(entries) != len(items):
            raise self._trouble.retry(f"an answer about {len(entries)} of {len(items)} documents")
        return [_judge(item, entry["create"]) for item, entry in zip(items, entries, strict=True)]

    def _trouble_of(self, error: Exception) -> FenghuoError:
        return retry(self._trouble, error)


def retry(trouble: Trouble, error: Exception) -> FenghuoError:
    """The `Retryable` for any error that the client raises."""
    if isinstance(error, ApiError):
        status = error.meta.status
        return trouble.retry(f"answer {status}: {describe(error)}", operator=status in _OPERATOR)
    if isinstance(error, UnsupportedProductError):
        return trouble.retry("the server is no Elasticsearch", operator=True)
    if isinstance(error, ConnectionTimeout):
        return trouble.retry("no answer in time")
    tls = isinstance(error, elastic_transport.TlsError)
    return trouble.retry(f"{type(error).__name__}: {str(error)[:300]}", operator=tls)


def describe(error: ApiError) -> str:
    """An error's type and reason."""
    body: object = error.body
    if isinstance(body, Mapping):
        inner = cast("Mapping[str, Any]", body).get("error")
        if isinstance(inner, Mapping):
            found = cast("Mapping[str, Any]", inner)
            return f"{found.get('type')}: {str(found.get('reason'))[:500]}"
    return str(cast("object", body))[:500]


def _judge(item: Item, entry: Mapping[str, Any]) -> Result:
    status = entry["status"]
    place = entry.get("_index", "")
    if status == 201:
        return Result(item, Verdict.CREATED, place=place)
    if status == 409:
        return Result(item, Verdict.PRESENT, place=place)
    error = cast("Mapping[str, Any]", entry.get("error") or {})
    type_ = str(error.get("type", "unknown"))
    reason = f"{type_}: {error.get('reason', '')}"
    refused = 400 <= status < 500 and status not in (401, 403, 404, 429) and type_ not in _NOT_THE_DOCUMENT
    return Result(item, Verdict.REFUSED if refused else Verdict.RETRY, reason, place)
