"""Nobody sees anything without a password, and guessing one is slow."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette

from fenghuo.clock import VirtualClock
from fenghuo_collector.console.auth import Accounts
from fenghuo_collector.console.config import ConsoleConfig
from fenghuo_collector.console.web import build

from .conftest import PASSWORD, served
from .small_district import SmallDistrict

PAGES = ["/", "/sites/bj/haidian/zgc-no1", "/agents/bj/haidian/zgc-no1/gw1", "/alerts", "/events"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_visitor_is_led_to_the_login_and_from_there_back(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 303
    login = await visitor.get(answer.headers["location"])
    assert f'name="next" value="{path}"' in login.text
    back = await visitor.post("/login", data={"user": "wang", "password": PASSWORD, "next": path})
    assert back.headers["location"] == path
    assert (await visitor.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/agents", "/api/v1/series", "/live"])
async def test_a_program_without_a_login_gets_401_and_no_data(visitor: httpx.AsyncClient, path: str) -> None:
    answer = await visitor.get(path)
    assert answer.status_code == 401
    assert set(answer.json()) == {"error"}


async def test_a_wrong_password_and_an_unknown_user_are_refused_alike(visitor: httpx.AsyncClient) -> None:
    wrong = await visitor.post("/login", data={"user": "wang", "password": "no"})
    unknown = await visitor.post("/login", data={"user": "nobody", "password": "no"})
    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert wrong.text == unknown.text


async def test_guessing_makes_an_address_wait(visitor: httpx.AsyncClient, clock: VirtualClock) -> None:
    for _ in range(5):
        await visitor.post("/login", data={"user": "wang", "password": "no"})
    refused = await visitor.post("/login", data={"user": "wang", "password": PASSWORD})
    assert refused.status_code == 429
    clock.advance(2)
    assert (await visitor.post("/login", data={"user": "wang", "password": PASSWORD})).status_code == 303


async def test_a_session_ends_after_its_time(analyst: httpx.AsyncClient, clock: VirtualClock) -> None:
    assert (await analyst.get("/")).status_code == 200
    clock.advance(12 * 3600 + 1)
    assert (await analyst.get("/")).status_code == 303


async def test_logging_out_needs_the_forms_own_token(analyst: httpx.AsyncClient) -> None:
    page = (await analyst.get("/")).text
    cookie = dict(analyst.cookies)
    await analyst.post("/logout", data={"csrf": "forged"})
    analyst.cookies.update(cookie)
    assert (await analyst.get("/")).status_code == 200, "a forged logout must not end the session"
    token = page.split('name="csrf" value="')[1].split('"')[0]
    await analyst.post("/logout", data={"csrf": token})
    analyst.cookies.update(cookie)
    assert (await analyst.get("/")).status_code == 303


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_a_login_leads_to_no_other_site(visitor: httpx.AsyncClient, target: str) -> None:
    answer = await visitor.post("/login", data={"user": "wang", "password": PASSWORD, "next": target})
    assert answer.headers["location"] == "/"


async def test_the_one_time_link_makes_the_first_user_once(
    district: SmallDistrict, clock: VirtualClock, tmp_path: Path
) -> None:
    path = tmp_path / "users.json"
    app: Starlette = build(ConsoleConfig(), district, clock, Accounts({}, path))
    token = app.state.console.link.token
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/first-login", params={"token": "guess"})).status_code == 410
        assert (await client.get("/first-login", params={"token": token})).status_code == 200
        short = await client.post("/first-login", data={"token": token, "user": "li", "password": "short"})
        assert short.status_code == 422
        made = await client.post("/first-login", data={"token": token, "user": "li", "password": PASSWORD})
        assert made.status_code == 303
        assert (await client.get("/")).status_code == 200
        again = await client.post("/first-login", data={"token": token, "user": "x", "password": PASSWORD})
        assert again.status_code == 410
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text()
    assert Accounts({}, path).check("li", PASSWORD), "the user is there after a restart"
    assert build(ConsoleConfig(), district, clock, Accounts({}, path)).state.console.link is None


async def test_the_link_is_no_longer_good_after_an_hour(
    district: SmallDistrict, clock: VirtualClock, tmp_path: Path
) -> None:
    app = build(ConsoleConfig(), district, clock, Accounts({}, tmp_path / "users.json"))
    link = app.state.console.link
    assert link.valid(link.token)
    clock.advance(3601)
    assert not link.valid(link.token)


async def test_every_answer_keeps_other_sites_out(visitor: httpx.AsyncClient) -> None:
    answer = await visitor.get("/login")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("listen", "users"), [("8600", {}), ("127.0.0.1:http", {}), ("127.0.0.1:8600", {"wang": "secret"})]
)
def test_a_console_that_could_not_start_is_refused_with_the_configuration(listen: str, users: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"expected") as caught:
        ConsoleConfig.model_validate({"listen": listen, "users": users})
    assert "hash-password" in str(caught.value) or "127.0.0.1:8600" in str(caught.value)
