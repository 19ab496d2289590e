"""Whatever a server sends is read or refused, and breaks nothing."""

from __future__ import annotations

import contextlib
import math

from hypothesis import example, given
from hypothesis import strategies as st

from fenghuo_agent.inputs.probe import ntp, onvif, rtsp
from fenghuo_agent.inputs.probe.address import parse_endpoint, parse_url
from fenghuo_agent.inputs.probe.kernel import read_aside
from fenghuo_agent.inputs.probe.outcome import ProbeFailed
from fenghuo_agent.inputs.probe.udp import Received

NONCE = bytes(8)
NOW = 1_800_000_000 * 10**9


@given(st.binary(min_size=24, max_size=24), st.binary(min_size=16, max_size=80))
@example(b"\x24\x01\x06\x80" + bytes(20), b"\xff" * 16)
def test_time_servers(head, tail):
    reading = ntp.read(NONCE, Received(head + NONCE + tail, NOW, NOW + 1000))
    if reading is not None:
        assert all(map(math.isfinite, (reading.offset, reading.delay, reading.root_delay, reading.precision)))


@given(st.binary(max_size=300))
@example(b"RTSP/1.0 200 OK\r\nCSeq: 99999999999999\r\n\r\n")
@example(b"RTSP/1.0 999 No\r\n\r\n")
def test_stream_servers(content):
    for head in (content, b"RTSP/1.0 200 OK\r\n" + content):
        with contextlib.suppress(ProbeFailed):
            assert 100 <= rtsp._status(head) <= 599


@given(st.binary(max_size=300))
@example(b"\xff\xfe<\x00a\x00>\x00")
def test_device_services(content):
    with contextlib.suppress(ValueError):
        onvif.read(content)


@given(st.text(max_size=60))
def test_addresses(text):
    for read in (
        lambda: parse_endpoint(text, 80),
        lambda: parse_url(text, "http", "https"),
        lambda: parse_endpoint(text),
    ):
        with contextlib.suppress(ValueError):
            read()


@given(st.lists(st.tuples(st.sampled_from([0, 1, 41]), st.sampled_from([2, 11, 25, 35, 52]), st.binary(max_size=40))))
def test_what_the_kernel_says_beside(ancillary):
    read_aside(ancillary)
