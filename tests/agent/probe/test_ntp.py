"""NTP probes against a server whose clock, stratum and manners are given."""

from __future__ import annotations

import struct
import time

import pytest

from fenghuo_agent.inputs.probe.ntp import read, request
from fenghuo_agent.inputs.probe.udp import Received
from servers.process import free_port

PACKET = struct.Struct("!BBbbII4sQQQQ")


def timestamp(unix: float) -> int:
    return int((unix + 2_208_988_800) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def server(
    *, ahead: float = 0.0, stratum: int = 2, leap: int = 0, origin=lambda sent: sent, mode: int = 4, code=b"GPS"
):
    """Answers as a server whose clock is `ahead` of ours."""

    def answer(question: bytes) -> list[bytes]:
        flags, *_, sent = PACKET.unpack(question)
        assert flags == 4 << 3 | 3
        now = timestamp(time.time() + ahead)
        return [
            PACKET.pack(leap << 6 | 4 << 3 | mode, stratum, 6, -20, 0x10000, 0x8000, code, 0, origin(sent), now, now)
        ]

    return answer


async def test_a_server_tells_how_far_our_clock_is_off(ask, responder):
    port = await responder(server(ahead=2.5))
    result = await ask(ntp=f"127.0.0.1:{port}")
    assert result.reason == "ok"
    assert result.values["probe_ntp_offset_seconds"] == pytest.approx(2.5, abs=0.1)
    assert result.values["probe_ntp_stratum"] == 2
    assert result.values["probe_ntp_leap"] == 0
    assert result.values["probe_ntp_root_delay_seconds"] == 1
    assert result.values["probe_ntp_root_dispersion_seconds"] == 0.5
    assert 0 <= result.values["probe_ntp_delay_seconds"] < 1
    assert set(result.phases) == {"resolve", "request"}


async def test_a_reply_to_another_question_is_passed_over(ask, responder):
    port = await responder(server(origin=lambda sent: sent ^ 1))
    assert (await ask(ntp=f"127.0.0.1:{port}", timeout="300ms")).reason == "timeout"


async def test_a_forged_reply_before_the_true_one_does_no_harm(ask, responder):
    forged, true = server(ahead=9999, origin=lambda _: 0), server()
    port = await responder(lambda question: [b"x", *forged(question), *true(question)])
    result = await ask(ntp=f"127.0.0.1:{port}")
    assert result.values["probe_ntp_offset_seconds"] == pytest.approx(0, abs=0.1)


async def test_only_servers_are_believed(ask, responder):
    port = await responder(server(mode=3))
    assert (await ask(ntp=f"127.0.0.1:{port}", timeout="300ms")).reason == "timeout"


@pytest.mark.parametrize(
    ("manners", "reason"),
    [({"leap": 3}, "unsynchronised"), ({"stratum": 16}, "unsynchronised"), ({"stratum": 0, "code": b"RATE"}, "kiss")],
)
async def test_a_server_that_does_not_know_the_time_fails_and_tells_none(ask, responder, manners, reason):
    port = await responder(server(**manners))
    result = await ask(ntp=f"127.0.0.1:{port}")
    assert result.reason == reason
    assert "probe_ntp_stratum" in result.values
    assert "probe_ntp_offset_seconds" not in result.values


async def test_a_port_where_nobody_listens_is_refused(ask):
    import socket

    assert (await ask(ntp=f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}")).reason == "refused"


@pytest.mark.parametrize("year_2036", [2_085_978_490, 2_085_978_500, 4_000_000_000])
def test_the_era_after_2036_is_known(year_2036):
    nonce = bytes(range(8))
    now = year_2036 * 1_000_000_000
    reply = PACKET.pack(
        4 << 3 | 4, 1, 6, -20, 0, 0, b"GPS", 0, int.from_bytes(nonce, "big"), *[timestamp(year_2036 + 1)] * 2
    )
    assert read(nonce, Received(reply, now, now)).offset == pytest.approx(1, abs=1e-6)


def test_the_request_tells_nothing_of_us_but_a_nonce():
    assert request(b"12345678") == b"\x23" + bytes(39) + b"12345678"
