"""Our index templates: what they say, and putting them where they are missing or old."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, cast

import yaml
from elasticsearch import ApiError, AsyncElasticsearch, BadRequestError, NotFoundError

_log = logging.getLogger(__name__)

VERSION = 3
"""Raised with every change of the templates or of mappings.yaml."""
NAME = "logs-fenghuo"
PATTERN = "logs-fenghuo.*-*"
MAPPINGS = f"{NAME}@mappings"
SETTINGS = f"{NAME}@settings"
CUSTOM = f"{NAME}@custom"
"""A component template that operators may make; what it says wins over ours."""
PRIORITY = 300
"""Above Elasticsearch's own template for logs-*-* (100)."""

Body = dict[str, Any]


def component_templates(retention: float | None) -> dict[str, Body]:
    """Our component templates by name. `retention` is in seconds."""
    mappings = yaml.safe_load(
        files("fenghuo_collector.sinks.elasticsearch").joinpath("mappings.yaml").read_text("utf-8")
    )
    settings: Body = {
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",
        "codec": "best_compression",
        "mapping": {"total_fields": {"limit": 2000, "ignore_dynamic_beyond_limit": True}},
    }
    lifecycle: Body = {"data_retention": _span(retention)} if retention else {}
    return {
        MAPPINGS: _versioned({"template": {"mappings": mappings}}),
        SETTINGS: _versioned({"template": {"settings": {"index": settings}, "lifecycle": lifecycle}}),
    }


def index_template() -> Body:
    """The index template that joins them. Refused documents are ours to keep, not the server's failure store's."""
    return _versioned(
        {
            "index_patterns": [PATTERN],
            "priority": PRIORITY,
            "data_stream": {},
            "composed_of": [MAPPINGS, SETTINGS, CUSTOM],
            "ignore_missing_component_templates": [CUSTOM],
            "template": {"data_stream_options": {"failure_store": {"enabled": False}}},
        }
    )


def _versioned(body: Body) -> Body:
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    return {**body, "version": VERSION, "_meta": {"managed_by": "fenghuo", "digest": digest}}


def _span(seconds: float) -> str:
    days, rest = divmod(round(seconds), 86400)
    return f"{days}d" if not rest else f"{round(seconds)}s"


def newer(ours: Mapping[str, Any], installed: Mapping[str, Any] | None) -> bool:
    """Whether ours is to replace what is installed: never an older version, never the same again."""
    if installed is None:
        return True
    theirs = installed.get("version")
    if not isinstance(theirs, int) or theirs < VERSION:
        return True
    meta = installed.get("_meta")
    digest = cast("Mapping[str, Any]", meta).get("digest") if isinstance(meta, Mapping) else None
    return theirs == VERSION and digest != ours["_meta"]["digest"]


async def install(client: AsyncElasticsearch, retention: float | None) -> list[str]:
    """Put each template that is missing or older than ours; the names of those put."""
    put: list[str] = []
    for name, body in component_templates(retention).items():
        if newer(body, await _component(client, name)):
            await _put(client, f"/_component_template/{name}", body)
            put.append(name)
    body = index_template()
    if newer(body, await _index(client)):
        await _put(client, f"/_index_template/{NAME}", body)
        put.append(NAME)
    if put:
        _log.info("installed Elasticsearch templates %s, version %d", ", ".join(put), VERSION)
        await _apply(client, retention, put)
    return put


async def _component(client: AsyncElasticsearch, name: str) -> Mapping[str, Any] | None:
    try:
        answer = await client.cluster.get_component_template(name=name)
    except NotFoundError:
        return None
    return answer["component_templates"][0]["component_template"]


async def _index(client: AsyncElasticsearch) -> Mapping[str, Any] | None:
    try:
        answer = await client.indices.get_index_template(name=NAME)
    except NotFoundError:
        return None
    return answer["index_templates"][0]["index_template"]


async def _put(client: AsyncElasticsearch, path: str, body: Body) -> None:
    """Put a template, without the parts that this server does not know."""
    for left_out in ((), ("data_stream_options",), ("lifecycle",), ("data_stream_options", "lifecycle")):
        template = {key: value for key, value in body["template"].items() if key not in left_out}
        try:
            await client.perform_request("PUT", path, headers=_JSON, body={**body, "template": template})
        except BadRequestError as error:
            if len(left_out) == 2:
                raise
            _log.debug("template %s: %s", path, error)
        else:
            if left_out:
                _log.info("%s was installed without %s, which this server does not know", path, ", ".join(left_out))
            return


_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


async def _apply(client: AsyncElasticsearch, retention: float | None, put: list[str]) -> None:
    """Let data streams that exist already follow: a changed retention is told to them, new mappings begin a new index."""
    calls: list[tuple[str, str, Body | None]] = []
    if SETTINGS in put:
        lifecycle: Body = {"data_retention": _span(retention)} if retention else {}
        calls.append(("PUT", f"/_data_stream/{PATTERN}/_lifecycle", lifecycle))
    if MAPPINGS in put:
        calls += [("POST", f"/{stream}/_rollover", None) for stream in await data_streams(client)]
    for method, path, body in calls:
        try:
            await client.perform_request(method, path, headers=_JSON, body=body)
        except ApiError as error:
            _log.info("existing data streams keep their old templates until they roll over (%s: %s)", path, error)


async def data_streams(client: AsyncElasticsearch) -> dict[str, list[str]]:
    """Our data streams and their backing indices, oldest first, as far as the server has any."""
    try:
        answer = await client.indices.resolve_index(name="logs-fenghuo.*")
    except NotFoundError:
        return {}
    return {found["name"]: list(found["backing_indices"]) for found in answer["data_streams"]}
