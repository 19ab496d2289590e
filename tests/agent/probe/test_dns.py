"""DNS probes against dnsmasq, and against servers that answer what they should not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo_agent.inputs.probe.dns_message import Malformed, encode_name, parse
from servers.dnsmasq import dnsmasq
from servers.process import free_port
from servers.snmpd import has_ipv6

ZONE = [
    "address=/www.school.example/10.20.0.80",
    "host-record=six.school.example,fd00::80",
    "mx-host=school.example,mail.school.example,10",
    "txt-record=school.example,v=spf1 -all",
    "srv-host=_ldap._tcp.school.example,dc.school.example,389",
    "ptr-record=80.0.20.10.in-addr.arpa,www.school.example",
    "cname=web.school.example,six.school.example",
    *(f"host-record=many.school.example,10.1.{number}.1" for number in range(120)),
    "local=/school.example/",
]


@pytest.fixture(scope="module")
def zone(tmp_path_factory):
    with dnsmasq(tmp_path_factory.mktemp("dnsmasq"), ZONE) as port:
        yield f"127.0.0.1:{port}"


async def test_a_name_that_is_known_is_a_success(ask, zone):
    result = await ask(dns=zone, query="www.School.example")
    assert result.reason == "ok"
    expected = {
        "probe_dns_query_succeeded": 1,
        "probe_dns_rcode": 0,
        "probe_dns_answer_rrs": 1,
        "probe_dns_answers_valid": 1,
    }
    assert {name: result.values[name] for name in expected} == expected
    assert set(result.phases) == {"resolve", "request"}
    assert result.labels["instance"] == f"dns://{zone}/www.school.example?type=A"
    assert result.labels["module"] == "dns"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"query": "www.school.example", "answers": ["10.20.0.80"]}, "ok"),
        ({"query": "www.school.example", "answers": ["10.20.0.0/24"]}, "ok"),
        ({"query": "www.school.example", "answers": ["10.20.0.81", "fd00::/8"]}, "answers"),
        ({"query": "www.school.example", "answers": []}, "answers"),
        ({"query": "six.school.example", "type": "AAAA", "answers": ["FD00:0::80"]}, "ok"),
        ({"query": "web.school.example", "type": "aaaa"}, "ok"),
        ({"query": "school.example", "type": "MX", "answers": ["10 mail.school.example."]}, "ok"),
        ({"query": "school.example", "type": "TXT", "answers": ["v=spf1 -all"]}, "ok"),
        ({"query": "_ldap._tcp.school.example", "type": "SRV", "answers": ["0 0 389 dc.school.example"]}, "ok"),
        ({"query": "80.0.20.10.in-addr.arpa", "type": "PTR", "answers": ["www.school.example"]}, "ok"),
        ({"query": "none.school.example"}, "rcode"),
        ({"query": "none.school.example", "rcode": ["nxdomain"]}, "ok"),
        ({"query": "six.school.example"}, "answers"),
        ({"query": "six.school.example", "answers": []}, "ok"),
        ({"query": "www.elsewhere.example"}, "rcode"),
        ({"query": "www.school.example", "protocol": "tcp"}, "ok"),
    ],
)
async def test_answers_are_judged(ask, zone, settings, reason):
    result = await ask(dns=zone, **settings)
    assert result.reason == reason, result.failed
    assert result.values["probe_dns_query_succeeded"] == 1
    assert result.values["probe_success"] == int(reason == "ok")


async def test_an_answer_that_is_cut_is_asked_for_again_by_tcp(ask, zone):
    result = await ask(dns=zone, query="many.school.example", answers=["10.1.0.0/16"])
    assert result.reason == "ok"
    assert result.values["probe_dns_answer_rrs"] == 120
    assert {"connect", "request"} <= set(result.phases)


@pytest.mark.skipif(not has_ipv6(), reason="::1 cannot be bound here")
async def test_ipv6_is_asked_too(ask, tmp_path):
    with dnsmasq(tmp_path, ZONE, host="::1") as port:
        result = await ask(dns=f"[::1]:{port}", query="www.school.example")
    assert result.values["probe_success"] == 1
    assert result.labels["instance"] == f"dns://[::1]:{port}/www.school.example?type=A"


async def test_a_port_where_nobody_listens_is_refused(ask):
    result = await ask(dns=f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}")
    assert result.reason == "refused"
    assert result.values["probe_dns_query_succeeded"] == 0


def reply(query: bytes, *, number=None, flags=0x8180, asked=None, records=b"", count=0) -> bytes:
    number = struct.unpack_from("!H", query)[0] if number is None else number
    return struct.pack("!HHHHHH", number, flags, 1, count, 0, 0) + (asked or query[12:]) + records


FORGED = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x06\x06\x06"
A = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01"
"""A record of the name asked for."""


async def test_forged_and_broken_datagrams_before_the_answer_are_passed_over(ask, responder):
    def answer(query: bytes) -> list[bytes]:
        wrong_id = (struct.unpack_from("!H", query)[0] + 1) & 0xFFFF
        other = encode_name("other.example") + b"\x00\x01\x00\x01"
        return [
            b"",
            b"\x00" * 5,
            query,
            reply(query, number=wrong_id, records=FORGED, count=1),
            reply(query, asked=other, records=FORGED, count=1),
            reply(query, records=FORGED[:-2], count=1),
            reply(query, records=b"\xc0\xff" + FORGED[2:], count=1),
            reply(query, records=A, count=1),
        ]

    port = await responder(answer)
    result = await ask(dns=f"127.0.0.1:{port}", query="www.example.cn", answers=["10.0.0.1"])
    assert result.reason == "ok"


async def test_a_server_that_only_talks_rubbish_is_given_up_at_the_deadline(ask, responder):
    port = await responder(lambda query: [b"\xff" * 512] * 20)
    assert (await ask(dns=f"127.0.0.1:{port}", timeout="300ms")).reason == "timeout"


@pytest.mark.parametrize("answer", [b"\xff\xff" + b"x" * 100, b"\x00\x05hello", b"\x00\x00", b""])
async def test_rubbish_over_tcp_fails(ask, serve, answer):
    async def talking(reader, writer):
        await reader.readexactly(2)
        writer.write(answer)
        await writer.drain()
        writer.close()

    port = await serve(talking)
    assert (await ask(dns=f"127.0.0.1:{port}", protocol="tcp")).reason in ("protocol", "reset")


async def test_a_server_that_hangs_after_the_length_is_given_up(ask, serve):
    async def hanging(reader, writer):
        writer.write(b"\x00\x40")
        await asyncio.Event().wait()

    port = await serve(hanging)
    assert (await ask(dns=f"127.0.0.1:{port}", protocol="tcp", timeout="300ms")).reason == "timeout"


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # points at itself
        b"\xc0\x0e\xc0\x0c",  # round in a circle
        b"\x01a" * 300 + b"\x00",
        b"\x3fshort",
        b"\x80\x00",
    ],
)
def test_names_that_never_end_are_refused(name):
    with pytest.raises(Malformed):
        parse(struct.pack("!HHHHHH", 1, 0x8000, 1, 0, 0, 0) + name)


@given(st.binary(max_size=200), st.integers(0, 4), st.integers(0, 4))
def test_any_bytes_are_read_or_refused(content, questions, answers):
    with contextlib.suppress(Malformed):
        parse(struct.pack("!HHHHHH", 1, 0x8180, questions, answers, 0, 0) + content)


async def test_internationalised_names_are_asked_for_in_their_encoding(ask, tmp_path):
    with dnsmasq(tmp_path, ["address=/xn--mgbh0fb.xn--fiqs8s/10.0.0.1"]) as port:
        result = await ask(dns=f"127.0.0.1:{port}", query="مثال.中国")
    assert result.reason == "ok"
    assert result.labels["instance"].endswith("/xn--mgbh0fb.xn--fiqs8s?type=A")
