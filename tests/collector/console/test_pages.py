"""What people read on the pages, in both languages and without JavaScript."""

from __future__ import annotations

import re
from importlib.resources import files

import httpx
import pytest

from fenghuo.model import AgentId
from fenghuo_collector.console.i18n import Catalog, choose
from fenghuo_collector.feeds.base import Step

from .small_district import GATEWAY, NOW, SILENT, SmallDistrict, alert

DEVICE = "/agents/bj/haidian/zgc-no1/gw1/devices/sw-3f-east"


async def test_the_overview_shows_agents_devices_and_what_fires(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/")).text
    assert "bj/haidian/zgc-no1/gw1" in page
    assert str(SILENT) in page
    assert "Port down" in page
    assert "Gi0/3 of sw-3f-east is down &lt;b&gt;" in page, "what devices say is text, never markup"
    assert "2 h ago" in page


async def test_the_overview_speaks_chinese_when_asked(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/", headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.5"})).text
    assert 'lang="zh-CN"' in page
    assert "端口断开" in page
    assert "2小时前" in page
    assert "Firing alerts" not in page


async def test_a_chosen_language_outlives_what_the_browser_asks(analyst: httpx.AsyncClient) -> None:
    answer = await analyst.get("/language/zh?next=/alerts")
    assert answer.headers["location"] == "/alerts"
    assert 'lang="zh-CN"' in (await analyst.get("/alerts")).text


async def test_a_device_page_shows_ports_and_charts(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get(DEVICE)).text
    assert page.count('<svg class="chart"') == 8, "the busiest ports are drawn"
    assert "Gi0/48" in page
    assert "348 教室" in page
    assert "Comware 7" in page


async def test_a_port_can_be_asked_for_alone(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get(DEVICE, params={"port": "7"})).text
    assert page.count('<svg class="chart"') == 1
    assert 'aria-label="Gi0/7 307 教室"' in page


async def test_a_sensor_is_shown_with_quantity_and_unit(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/agents/bj/haidian/zgc-no1/gw1/devices/t1")).text
    assert "24.5 °C" in page
    assert "机房" in page


async def test_links_lead_to_the_pages_of_devices_that_are_polled(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get(DEVICE)).text
    assert 'devices/printer%20%3Coffice%3E">printer &lt;office&gt;</a></td><td>eth0</td>' in page
    assert "<td>Gi0/2</td><td>unmanaged</td>" in page


async def test_sensors_are_told_apart_by_name_and_say_how_they_are(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/agents/bj/haidian/zgc-no1/gw1/devices/t1")).text
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td><td class=\"number\">(.*?)</td>", page)
    assert [tuple(re.sub("<[^>]+>", "", cell) for cell in row) for row in rows] == [
        ("", "机房", "temperature", "24.5 °C"),
        ("", "Battery", "runtime", "1 h 6 min"),
        ("critical", "Disk 2", "state", "3"),
        ("", "Black toner", "supply level", "37%"),
    ]
    assert 'aria-label="supply level' in page
    assert 'aria-label="state' not in page, "numbers of which each means something else make no chart"


async def test_an_alert_page_says_what_to_do_and_why_it_fired(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/alerts/f1")).text
    assert "Look at the cable." in page
    assert "availability.port-down" in page
    assert '<th scope="row">before</th><td><code>1</code></td>' in page


async def test_an_alert_page_shows_the_events_that_made_it(analyst: httpx.AsyncClient, district: SmallDistrict) -> None:
    district.firing_steps = [Step(1, "s1", GATEWAY, alert(event_ids=("e0", "gone")))]
    page = (await analyst.get("/alerts/f1")).text
    assert re.search(r"Events that made it.*<summary>.*sw-3f-east", page, re.DOTALL)
    assert '<a href="/events?q=gone"><code>gone</code></a>' in page, "what is stored no more is named"


async def test_an_alert_of_the_collectors_own_leads_to_whom_it_is_about(
    analyst: httpx.AsyncClient, district: SmallDistrict
) -> None:
    collector = AgentId.parse("bj/haidian/collector")
    silent = {"site": str(SILENT.site), "agent": SILENT.name, "device": "gw1"}
    many = {"organization_id": str(GATEWAY.site)}
    district.firing_steps = [
        Step(1, "s1", collector, alert(labels=silent)),
        Step(2, "s2", collector, alert(labels=many, fingerprint="f2")),
    ]
    for path in ("/", "/alerts/f1", "/alerts/f2"):
        assert "/agents/bj/haidian/collector" not in (await analyst.get(path)).text, "there is no such page"
    assert f'href="/agents/{SILENT}"' in (await analyst.get("/alerts/f1")).text
    page = (await analyst.get("/alerts/f2")).text
    assert f'href="/sites/{GATEWAY.site}"' in page
    assert "bj/haidian/collector" in page


@pytest.mark.parametrize(
    "path",
    ["/agents/bj/haidian/nowhere/gw1", "/agents/Bad%20Name", "/sites/UPPER", DEVICE + "x", "/alerts/none", "/nothing"],
)
async def test_what_is_not_there_is_404_in_plain_words(analyst: httpx.AsyncClient, path: str) -> None:
    answer = await analyst.get(path)
    assert answer.status_code == 404
    assert "There is nothing here." in answer.text


async def test_every_text_of_the_templates_has_its_chinese() -> None:
    catalog = Catalog.load()
    folder = files("fenghuo_collector.console").joinpath("templates")
    texts = {
        (single or double).replace("\\'", "'")
        for template in folder.iterdir()
        for single, double in re.findall(r"""_\('((?:[^'\\]|\\.)*)'\)|_\("([^"]*)"\)""", template.read_text())
    }
    assert len(texts) > 50
    assert [text for text in sorted(texts) if not catalog.has(text)] == []


@pytest.mark.parametrize(
    ("cookie", "accept", "expected"),
    [
        (None, "", "zh"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "fr, zh;q=0.3, en;q=0.2", "zh"),
        (None, "en;q=bad", "en"),
        ("en", "zh", "en"),
        ("xx", "en", "en"),
    ],
)
def test_the_language_is_the_cookies_or_the_browsers_first_that_we_have(
    cookie: str | None, accept: str, expected: str
) -> None:
    assert choose(cookie, accept, "zh") == expected


@pytest.mark.parametrize(
    ("age_minutes", "query", "shown"),
    [
        (100_000, "", "The last 24h"),
        (5, "", "The last 10m"),
        (50, "", "The last 1h"),
        (5, "?range=6h", "The last 6h"),
        (5, "?range=never", "The last 10m"),
    ],
)
async def test_charts_span_a_day_or_less_where_there_is_less_or_what_is_asked_for(
    analyst: httpx.AsyncClient, district: SmallDistrict, age_minutes: int, query: str, shown: str
) -> None:
    district.began = NOW - age_minutes * 60_000
    page = (await analyst.get(f"/agents/{GATEWAY}/devices/t1{query}")).text
    assert f"<h2>{shown}</h2>" in page
    assert 'href="?range=7d#trends"' in page


async def test_alerts_that_came_to_an_end_are_listed_unless_they_fire_again(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/alerts")).text
    _, _, resolved = page.partition("Lately resolved")
    assert resolved.count('href="/alerts/f7"') == 1
    assert "Fires again" not in page


async def test_events_are_told_in_the_reader_s_language_and_by_data_set(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/events?dataset=alert", headers={"accept-language": "zh"})).text
    assert "太热了" in page
    assert "sw-3f-east</summary>" not in page
    page = (await analyst.get("/events?dataset=asset")).text
    assert "<summary>sw-3f-east</summary>" in page
    assert "too hot" not in page


async def test_a_missing_page_says_so_in_the_reader_s_language_only(analyst: httpx.AsyncClient) -> None:
    answer = await analyst.get("/nothing", headers={"accept-language": "zh"})
    assert answer.status_code == 404
    assert "没有找到这个页面" in answer.text
    assert "Not Found" not in answer.text


async def test_where_events_are_kept_elsewhere_the_pages_say_so(
    analyst: httpx.AsyncClient, district: SmallDistrict
) -> None:
    district.kept = False
    assert "keeps no events itself" in (await analyst.get("/events?q=nothing-like-it")).text
    assert "<figure>" not in (await analyst.get(DEVICE)).text


async def test_an_agent_without_devices_says_when_they_come(analyst: httpx.AsyncClient) -> None:
    assert "one polling interval" in (await analyst.get(f"/agents/{SILENT}")).text
