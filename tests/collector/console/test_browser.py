"""The pages in a real browser: no script errors, live by themselves, both languages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Page
from starlette.applications import Starlette

from fenghuo_collector.feeds.base import Step
from servers.chromium import chromium, watched_page

from .conftest import PASSWORD, served
from .small_district import GATEWAY, SmallDistrict, alert


async def log_in(page: Page, address: str) -> None:
    await page.goto(address)
    await page.fill("input[name=user]", "wang")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector(".tiles")


def pictures(tmp_path: Path) -> Path:
    """Where screenshots go; FENGHUO_SCREENSHOTS keeps them for people to look at."""
    folder = Path(os.environ.get("FENGHUO_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize(("locale", "words"), [("zh-CN", "当前告警"), ("en-GB", "Firing alerts")])
async def test_the_pages_are_shown_in_the_browsers_language_without_script_errors(
    app: Starlette, tmp_path: Path, locale: str, words: str
) -> None:
    async with served(app) as address, chromium() as browser, watched_page(browser, locale=locale) as page:
        await log_in(page, address)
        assert words in await page.inner_text("main")
        await page.screenshot(path=pictures(tmp_path) / f"overview-{locale}.png", full_page=True)
        await page.click("a[href$='/devices/sw-3f-east'] >> nth=0")
        await page.wait_for_selector("svg.chart")
        await page.screenshot(path=pictures(tmp_path) / f"device-{locale}.png", full_page=True)
        assert await page.locator(".faceplate .port").count() == 48


async def test_an_open_page_shows_a_new_alert_by_itself(app: Starlette, district: SmallDistrict) -> None:
    async with served(app) as address, chromium() as browser, watched_page(browser, locale="en-GB") as page:
        await log_in(page, address)
        await page.wait_for_selector("#live:not([hidden])")
        hot = alert(fingerprint="f2", title="Server room too hot", level="critical")
        district.firing_steps.append(Step(2, "e2", GATEWAY, hot))
        district.change += 1
        await page.wait_for_selector("text=Server room too hot", timeout=15_000)


async def test_the_pages_can_be_read_without_javascript(app: Starlette) -> None:
    async with (
        served(app) as address,
        chromium() as browser,
        watched_page(browser, locale="en-GB", java_script_enabled=False) as page,
    ):
        await log_in(page, address)
        assert "Port down" in await page.inner_text("main")


async def test_an_open_page_says_when_the_collector_is_gone(app: Starlette) -> None:
    async with chromium() as browser:
        page = await browser.new_page(locale="en-GB")
        async with served(app) as address:
            await log_in(page, address)
            await page.wait_for_selector("#live:not(.lost):not([hidden])")
        await page.wait_for_selector("#live.lost >> text=connection lost", timeout=15_000)
