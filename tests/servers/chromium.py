"""A headless Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright

from servers.process import need

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of its own profile, closed at the end of the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=need("chromium", "chromium"), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def watched_page(browser: Browser, **options: str) -> AsyncIterator[Page]:
    """A page that must neither log a script error nor miss a resource; `options` are Playwright's, such as `locale`."""
    context = await browser.new_context(**options)  # type: ignore[arg-type]
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    page.on("console", lambda message: wrong.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url} {request.failure}"))
    yield page
    # A stream that ends because the page is left is no failure.
    wrong = [line for line in wrong if "/live" not in line]
    await context.close()
    if wrong:
        pytest.fail("\n".join(wrong))
