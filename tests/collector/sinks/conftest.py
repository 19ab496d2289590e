"""The real servers, started once for all tests of the sinks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from servers.elasticsearch import VERSIONS, ElasticsearchServer, elasticsearch
from servers.prometheus import PrometheusServer, prometheus


@pytest.fixture(scope="session")
def prometheus_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    with prometheus(tmp_path_factory.mktemp("prometheus")) as server:
        yield server


@pytest.fixture(scope="session", params=VERSIONS)
def elasticsearch_server(request: pytest.FixtureRequest) -> Iterator[ElasticsearchServer]:
    """Each version in turn: 8.19 plain, 9.2 with TLS and a password."""
    with elasticsearch(request.param, secure=request.param.startswith("9.")) as server:
        yield server
