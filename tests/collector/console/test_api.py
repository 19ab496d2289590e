"""Programs read the same as people."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from fenghuo.clock import VirtualClock
from fenghuo_collector.console.api import routes
from fenghuo_collector.console.auth import Accounts
from fenghuo_collector.console.config import ConsoleConfig
from fenghuo_collector.console.web import build

from .conftest import served
from .small_district import NOW, SmallDistrict

AGENT = "bj/haidian/zgc-no1/gw1"


async def test_agents_devices_and_alerts_are_listed(analyst: httpx.AsyncClient) -> None:
    agents = (await analyst.get("/api/v1/agents")).json()["agents"]
    assert next((agent["agent"], agent["online"], agent["lost"]) for agent in agents) == (AGENT, True, 0)
    devices = (await analyst.get("/api/v1/devices", params={"agent": AGENT})).json()["devices"]
    assert {device["name"]: device["up"] for device in devices} == {
        "sw-3f-east": True,
        "printer <office>": False,
        "t1": None,
    }
    (alert,) = (await analyst.get("/api/v1/alerts")).json()["alerts"]
    assert (alert["fingerprint"], alert["state"], alert["labels"]["ifName"]) == ("f1", "firing", "Gi0/3")


async def test_a_device_is_given_with_its_ports(analyst: httpx.AsyncClient) -> None:
    found = (await analyst.get(f"/api/v1/agents/{AGENT}/devices/sw-3f-east")).json()
    assert len(found["ports"]) == 48
    assert found["ports"][5]["oper"] == "down"


async def test_values_over_time_are_given_by_labels(analyst: httpx.AsyncClient) -> None:
    query = {
        "agent": AGENT,
        "measurement": "sensor",
        "field": "sensor_temperature_celsius",
        "start": NOW - 600_000,
        "device": "t1",
    }
    (series,) = (await analyst.get("/api/v1/series", params=query)).json()["series"]
    assert series["labels"]["device"] == "t1"
    assert len(series["points"]) in range(8, 11)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/series",
        "/api/v1/series?agent=x&measurement=a&field=b",
        "/api/v1/events?limit=ten",
        "/api/v1/devices?agent=//",
    ],
)
async def test_a_wrong_question_is_answered_by_what_is_wrong(analyst: httpx.AsyncClient, path: str) -> None:
    answer = await analyst.get(path)
    assert answer.status_code in {400, 404}
    assert answer.json()["error"]


async def test_nothing_can_be_written(analyst: httpx.AsyncClient) -> None:
    assert (await analyst.post("/api/v1/alerts", json={})).status_code == 405


async def test_metrics_are_scraped_from_this_host_or_with_the_token(
    district: SmallDistrict, clock: VirtualClock, tmp_path: Path
) -> None:
    accounts = Accounts({}, tmp_path / "users.json")
    app = build(ConsoleConfig(), district, clock, accounts, lambda: b"up 1\n")
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/metrics")).text == "up 1\n"
    config = ConsoleConfig.model_validate({"metrics_token": "scrape-me"})
    app = build(config, district, clock, accounts, lambda: b"up 1\n")
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/metrics")).status_code == 403
        answer = await client.get("/metrics", headers={"authorization": "Bearer scrape-me"})
        assert answer.text == "up 1\n"
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_every_route_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    paths = [route.path.replace(":path", "") for route in routes(lambda handler: handler)]
    assert [path for path in paths if f"`/api/v1{path}`" not in text] == []
