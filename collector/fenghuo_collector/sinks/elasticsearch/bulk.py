"""One bulk request: sending it and judging each item of its answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, cast

import elastic_transport
import msgspec
from elastic_transport import ApiError, ConnectionTimeout, NdjsonSerializer, Serializer, TransportError
from elasticsearch import AsyncElasticsearch, JsonSerializer, UnsupportedProductError

from fenghuo.errors import FenghuoError
from fenghuo_collector.sinks.elasticsearch.config import ElasticsearchConfig
from fenghuo_collector.sinks.elasticsearch.encode import Item
from fenghuo_collector.sinks.trouble import Trouble

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


class Result(msgspec.Struct, eq=False, gc=False):
    """What became of one item; `place` is the backing index that answered."""

    item: Item
    verdict: Verdict
    reason: str = ""
    place: str = ""


class _Error(msgspec.Struct, gc=False):
    type: str = "unknown"
    reason: str | None = ""


class _Created(msgspec.Struct, gc=False):
    status: int
    index: str = msgspec.field(default="", name="_index")
    error: _Error | None = None


class _Entry(msgspec.Struct, gc=False):
    create: _Created


class _Answer(msgspec.Struct, gc=False):
    errors: bool
    items: list[_Entry] = []


_decode_answer = msgspec.json.Decoder(_Answer).decode


class _Json(JsonSerializer):
    """The client's JSON, decoded by msgspec: answers to bulk requests, known by their first key, become `_Answer`."""

    def json_loads(self, data: bytes) -> Any:
        return _decode_answer(data) if data.startswith(b'{"errors":') else msgspec.json.decode(data)


class _Lines(NdjsonSerializer):
    """Bulk requests that are bytes already are sent as they are, without a copy."""

    def dumps(self, data: Any) -> bytes:
        return data if isinstance(data, bytes) else super().dumps(data)


def _serializers() -> dict[str, Serializer]:
    kinds = {"json": _Json(), "x-ndjson": _Lines()}
    return {
        f"application/{prefix}{name}": kind for prefix in ("", "vnd.elasticsearch+") for name, kind in kinds.items()
    }


def connect(config: ElasticsearchConfig) -> AsyncElasticsearch:
    """The client; it neither retries by itself nor asks anything until it is used."""
    # Each failed attempt is a warning there; `Trouble` tells the same once.
    logging.getLogger("elastic_transport.node_pool").setLevel(logging.ERROR)
    options: dict[str, Any] = {}
    if any(host.startswith("https:") for host in config.hosts):
        options["ssl_context"] = config.tls.context()
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
        serializers=_serializers(),
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
        body: object = answer.body
        if not isinstance(body, _Answer) or len(body.items) != len(items):
            raise self._trouble.retry("an answer that is none to a bulk request", operator=True)
        self._trouble.mended()
        return [_judge(item, entry.create) for item, entry in zip(items, body.items, strict=True)]

    def _trouble_of(self, error: Exception) -> FenghuoError:
        return retry(self._trouble, error)


def retry(trouble: Trouble, error: Exception) -> FenghuoError:
    """The `Retryable` for any error that the client raises."""
    if isinstance(error, UnsupportedProductError):
        return trouble.retry("the server is no Elasticsearch", operator=True)
    if isinstance(error, ApiError):
        status = error.meta.status
        return trouble.retry(f"answer {status}: {describe(error)}", operator=status in _OPERATOR)
    if isinstance(error, ConnectionTimeout):
        return trouble.retry("no answer in time")
    tls = isinstance(error, elastic_transport.TlsError)
    text = str(error.message) if isinstance(error, TransportError) else str(error)
    return trouble.retry(f"{type(error).__name__}: {text[:500]}", operator=tls)


def describe(error: ApiError) -> str:
    """An error's type and reason."""
    body: object = error.body
    if isinstance(body, Mapping):
        inner = cast("Mapping[str, Any]", body).get("error")
        if isinstance(inner, Mapping):
            found = cast("Mapping[str, Any]", inner)
            return f"{found.get('type')}: {str(found.get('reason'))[:500]}"
    return str(cast("object", body))[:500]


def _judge(item: Item, entry: _Created) -> Result:
    status = entry.status
    if status == 201:
        return Result(item, Verdict.CREATED, "", entry.index)
    if status == 409:
        return Result(item, Verdict.PRESENT, "", entry.index)
    error = entry.error or _Error()
    refused = 400 <= status < 500 and status not in (401, 403, 404, 429) and error.type not in _NOT_THE_DOCUMENT
    return Result(item, Verdict.REFUSED if refused else Verdict.RETRY, f"{error.type}: {error.reason}", entry.index)
