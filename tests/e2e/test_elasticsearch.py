"""Agent → Mosquitto → collector → Elasticsearch: each event once, whatever dies and whichever answers are lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from servers.elasticsearch import VERSIONS, ElasticsearchServer, elasticsearch
from servers.mosquitto import Mosquitto
from servers.process import wait_for

from .proxy import LosingProxy
from .world import collector, loaded_agent, now

TARGET = "logs-fenghuo.load-*"


def all_ids(server: ElasticsearchServer) -> list[str]:
    """The ids of all documents, with repetitions, however many they are."""
    found: list[str] = []
    after: dict[str, object] = {}
    server.request("POST", f"{TARGET}/_refresh")
    while True:
        body = {"size": 10_000, "_source": False, "sort": [{"@timestamp": "asc"}, {"event.id": "asc"}], **after}
        hits = server.request("POST", f"{TARGET}/_search", body)["hits"]["hits"]
        if not hits:
            return found
        found += [hit["_id"] for hit in hits]
        after = {"search_after": hits[-1]["sort"]}


def count(server: ElasticsearchServer) -> int:
    server.request("POST", f"{TARGET}/_refresh")
    return int(server.request("GET", f"{TARGET}/_count")["count"])


@pytest.mark.parametrize("version", [VERSIONS[0], pytest.param(VERSIONS[1], marks=pytest.mark.slow)])
def test_each_event_is_stored_once_though_answers_are_lost_and_the_collector_dies(
    tmp_path: Path, broker: Mosquitto, version: str
) -> None:
    school = loaded_agent(tmp_path / "agent", broker.port, rate=200)
    with elasticsearch(version) as server, LosingProxy(server.url, "_bulk", 4).running() as proxy:
        district = collector(
            tmp_path / "collector",
            broker={"url": f"mqtt://127.0.0.1:{broker.port}", "retry_max": "1s", "keepalive": "2s"},
            sinks={"sqlite": {}, "elasticsearch": {"hosts": [proxy.url], "max_documents": 100}},
            delivery={"retry": "100ms", "retry_max": "1s"},
        )
        district.start()
        district.ready()
        school.start()
        try:
            for _ in range(2):
                before = count(server)
                wait_for(lambda before=before: count(server) > before + 400, "events to be stored")
                district.kill()
                time.sleep(1)
                district.start()
                district.ready()
            seen = school.seen(before=now() - 1_000)
            assert len(seen) > 1000, "the load was real"
            wait_for(lambda: count(server) >= len(seen) and seen <= set(all_ids(server)), "what was seen", 60)
        finally:
            school.stop()
            district.stop()
        ids = all_ids(server)
        assert len(ids) == len(set(ids)), "an event is stored twice"
        assert proxy.lost > 3, "answers were lost"
        print(f"Elasticsearch {version}: {len(ids)} events, {proxy.asked} bulk requests, {proxy.lost} answers lost")
