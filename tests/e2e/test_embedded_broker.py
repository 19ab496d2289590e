"""The embedded broker with TLS and passwords: an agent delivers to it, and is kept to its own topics."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from fenghuo.model import AgentId
from fenghuo.wire import Stream, Topic
from servers.mosquitto import Authority
from servers.process import free_port, wait_for

from .world import AGENT, SITE, Collector, LoadedAgent, collector, loaded_agent

OTHER = f"{SITE}/gw2"
PASSWORDS = {"gw1": "first secret", "gw2": "second secret"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def district(tmp_path: Path, authority: Authority, port: int) -> Iterator[Collector]:
    server = authority.issue(tmp_path, "broker", "localhost", "127.0.0.1")
    made = collector(
        tmp_path / "collector",
        embedded_broker={
            "listen": f"127.0.0.1:{port}",
            "tls": {"certificate": str(server.cert), "key": str(server.key)},
            "users": [
                {"name": name, "password": password, "agent": f"{SITE}/{name}"} for name, password in PASSWORDS.items()
            ],
        },
    )
    made.start()
    made.ready()
    yield made
    made.stop()


def agent(tmp_path: Path, authority: Authority, port: int, password: str) -> LoadedAgent:
    link = {
        "url": f"mqtts://127.0.0.1:{port}",
        "tls": {"ca": str(authority.file)},
        "username": "gw1",
        "password": password,
        "reconnect_longest": "1s",
    }
    return loaded_agent(tmp_path / "agent", port, rate=100, collector=link)


def client(authority: Authority, port: int, user: str, password: str | None = None) -> aiomqtt.Client:
    return aiomqtt.Client(
        "127.0.0.1",
        port,
        username=user,
        password=PASSWORDS[user] if password is None else password,
        tls_context=ssl.create_default_context(cafile=str(authority.file)),
        timeout=5,
    )


def test_an_agent_delivers_by_its_password_over_tls(
    tmp_path: Path, authority: Authority, port: int, district: Collector
) -> None:
    school = agent(tmp_path, authority, port, PASSWORDS["gw1"])
    school.start()
    try:
        wait_for(lambda: len(district.event_ids("load")) > 200, "events to arrive", 30)
    finally:
        school.stop()
    seen = school.seen()
    wait_for(lambda: set(district.event_ids("load")) <= seen, "nothing else to be stored")
    assert AGENT.rpartition("/")[2] in district.metrics()
    assert PASSWORDS["gw1"] not in school.said() + district.said()


def test_an_agent_with_a_wrong_password_is_refused_and_says_so(
    tmp_path: Path, authority: Authority, port: int, district: Collector
) -> None:
    school = agent(tmp_path, authority, port, "guessed")
    school.start()
    try:
        wait_for(lambda: "no connection to the broker" in school.said(), "the agent to say that it is refused", 30)
    finally:
        school.stop()
    assert district.event_ids("load") == []
    assert "guessed" not in school.said() + district.said()


async def test_an_agent_can_neither_speak_nor_listen_on_the_topics_of_another(
    authority: Authority, port: int, district: Collector
) -> None:
    mine, others = ({stream: str(Topic(AgentId.parse(name), stream)) for stream in Stream} for name in (AGENT, OTHER))
    async with client(authority, port, "gw1") as thief, client(authority, port, "gw2") as owner:
        await owner.subscribe(others[Stream.ACK], qos=1)
        await thief.publish(others[Stream.ACK], b"forged", qos=1)
        await thief.publish(others[Stream.EVENTS], b"forged", qos=1)
        for wanted in (others[Stream.ACK], others[Stream.EVENTS], mine[Stream.ACK].replace("gw1", "+"), "#"):
            granted = await thief.subscribe(wanted, qos=1)
            assert all(int(getattr(code, "value", code)) >= 0x80 for code in granted), wanted
        await thief.publish(mine[Stream.EVENTS], b"no batch", qos=1)
        wait_for(
            lambda: district.metric("fenghuo_collector_ingest_wire_errors_total") == 1, "what it may say to arrive"
        )
        assert len(owner.messages) == 0
