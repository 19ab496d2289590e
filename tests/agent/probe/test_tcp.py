"""TCP probes against servers that answer, refuse, hang, reset and talk rubbish, with TLS and without."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from servers.process import free_port
from servers.snmpd import has_ipv6

from .conftest import Authority


async def silent(reader, writer):
    await reader.read()


def saying(text: bytes):
    async def handler(reader, writer):
        writer.write(text)
        await reader.read()

    return handler


async def test_a_port_that_listens_is_a_success(ask, serve):
    port = await serve(silent)
    result = await ask(tcp=f"127.0.0.1:{port}")
    assert result.reason == "ok"
    assert result.values["probe_success"] == 1
    assert result.values["probe_ip_protocol"] == 4
    assert 0 < result.values["probe_duration_seconds"] < 3
    assert set(result.phases) == {"resolve", "connect"}
    assert result.labels == {
        "job": "probe",
        "instance": f"127.0.0.1:{port}",
        "device": "127.0.0.1",
        "module": "tcp",
        "host": "127.0.0.1",
    }


@pytest.mark.skipif(not has_ipv6(), reason="::1 cannot be bound here")
async def test_ipv6_is_asked_too(ask, serve):
    port = await serve(silent, host="::1")
    result = await ask(tcp=f"[::1]:{port}", device="gw")
    assert result.values["probe_success"] == 1
    assert result.values["probe_ip_protocol"] == 6
    assert result.labels["instance"] == f"[::1]:{port}"
    assert result.labels["device"] == "gw"


async def test_a_port_where_nobody_listens_is_refused(ask):
    result = await ask(tcp=f"127.0.0.1:{free_port()}")
    assert result.reason == "refused"
    assert result.values["probe_success"] == 0
    assert "connect" not in result.phases


async def test_the_connection_is_ended_whatever_comes_of_it(ask, serve):
    ended = asyncio.Queue()

    async def waiting(reader, writer):
        writer.write(b"220 hello\r\n")
        try:
            await reader.read()
        finally:
            ended.put_nowait(True)

    port = await serve(waiting)
    for settings in ({}, {"banner": "hello"}, {"banner": "^SSH", "timeout": "200ms"}):
        await ask(tcp=f"127.0.0.1:{port}", **settings)
        assert await asyncio.wait_for(ended.get(), 5)


async def test_a_name_is_looked_up(ask, serve):
    port = await serve(silent)
    result = await ask(tcp=f"localhost:{port}", ip="ip4")
    assert result.values["probe_success"] == 1
    assert result.values["probe_dns_lookup_time_seconds"] > 0


async def test_a_name_that_is_none_fails_with_what_is_wrong(ask):
    result = await ask(tcp="no-such-host.invalid:22")
    assert result.reason in ("resolve", "timeout")
    assert result.values["probe_success"] == 0


async def test_a_greeting_that_fits_is_a_success(ask, serve):
    port = await serve(saying(b"SSH-2.0-OpenSSH_9.2\r\n"))
    result = await ask(tcp=f"127.0.0.1:{port}", banner=r"^SSH-2\.0-")
    assert result.reason == "ok"
    assert result.values["probe_failed_due_to_regex"] == 0
    assert "banner" in result.phases


async def test_a_greeting_in_pieces_is_put_together(ask, serve):
    async def slowly(reader, writer):
        for byte in b"220 mail ready\r\n":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    port = await serve(slowly)
    assert (await ask(tcp=f"127.0.0.1:{port}", banner="^220 .*ready")).reason == "ok"


async def test_a_question_can_be_sent_first(ask, serve):
    async def echoing(reader, writer):
        writer.write(b"you said " + await reader.readexactly(5))
        await reader.read()

    port = await serve(echoing)
    assert (await ask(tcp=f"127.0.0.1:{port}", send="PING\n", banner="said PING")).reason == "ok"


async def test_another_greeting_fails_when_the_connection_ends(ask, serve):
    async def other(reader, writer):
        writer.write(b"HTTP/1.0 400 Bad Request\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    port = await serve(other)
    result = await ask(tcp=f"127.0.0.1:{port}", banner="^SSH-")
    assert result.reason == "banner"
    assert result.values["probe_failed_due_to_regex"] == 1


async def test_a_server_that_never_stops_talking_is_heard_for_4096_bytes_only(ask, serve):
    taken = 0

    async def endless(reader, writer):
        nonlocal taken
        while True:
            writer.write(b"x" * 65536)
            taken += 65536
            await writer.drain()

    port = await serve(endless)
    result = await ask(tcp=f"127.0.0.1:{port}", banner="^SSH-")
    assert result.reason == "banner"
    assert taken < 32 << 20


async def test_a_server_that_says_nothing_is_given_up_at_the_deadline(ask, serve):
    port = await serve(silent)
    result = await ask(tcp=f"127.0.0.1:{port}", banner="^SSH-", timeout="300ms")
    assert result.reason == "timeout"
    assert 0.25 < result.values["probe_duration_seconds"] < 2


async def test_a_reset_is_told_as_one(ask, serve):
    async def reset(reader, writer):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    port = await serve(reset)
    result = await ask(tcp=f"127.0.0.1:{port}", banner="^SSH-")
    assert result.reason == "reset"


async def test_tls_tells_when_the_certificate_expires(ask, serve, authority):
    port = await serve(silent, tls=authority.context(days=30, chain=True))
    result = await ask(tcp=f"127.0.0.1:{port}", tls={"ca": str(authority.ca)})
    assert result.reason == "ok"
    assert result.values["probe_ssl_earliest_cert_expiry"] == int(authority.expiry)
    assert result.values["probe_ssl_valid_seconds"] == pytest.approx(30 * 86400, abs=60)
    assert result.infos["probe_tls_version_info"] == {"version": "TLS 1.3"}
    assert len(result.infos["probe_ssl_last_chain_info"]["fingerprint_sha256"]) == 64
    assert {"connect", "tls"} <= set(result.phases)


async def test_the_earliest_end_in_the_chain_counts(ask, serve, tmp_path):
    authority = Authority(tmp_path, days=5)
    port = await serve(silent, tls=authority.context(days=90, chain=True))
    result = await ask(tcp=f"127.0.0.1:{port}", tls={"verify": False})
    assert result.values["probe_ssl_earliest_cert_expiry"] == int(authority.own.not_valid_after_utc.timestamp())


async def test_of_an_untrusted_certificate_the_expiry_is_told_too(ask, serve, authority):
    port = await serve(silent, tls=authority.context(days=3, signed=False))
    result = await ask(tcp=f"127.0.0.1:{port}", tls=True)
    assert result.reason == "certificate"
    assert result.values["probe_success"] == 0
    assert result.values["probe_ssl_earliest_cert_expiry"] == int(authority.expiry)
    assert "probe_ssl_last_chain_expiry_timestamp_seconds" not in result.values


async def test_an_untrusted_certificate_is_accepted_where_nobody_asks_for_trust(ask, serve, authority):
    port = await serve(silent, tls=authority.context(days=-2, signed=False))
    result = await ask(tcp=f"127.0.0.1:{port}", tls={"verify": False})
    assert result.reason == "ok"
    assert result.values["probe_ssl_valid_seconds"] == pytest.approx(-2 * 86400, abs=60)


async def test_an_expired_certificate_fails_and_tells_since_when(ask, serve, authority):
    port = await serve(silent, tls=authority.context(days=-1))
    result = await ask(tcp=f"127.0.0.1:{port}", tls={"ca": str(authority.ca)})
    assert result.reason == "certificate"
    assert "expired" in str(result.failed)
    assert result.values["probe_ssl_earliest_cert_expiry"] == int(authority.expiry)


async def test_a_server_without_tls_is_no_tls(ask, serve):
    port = await serve(saying(b"220 hello\r\n" * 10))
    assert (await ask(tcp=f"127.0.0.1:{port}", tls=True)).reason == "tls"


async def test_a_handshake_that_hangs_ends_at_the_deadline(ask, serve):
    port = await serve(silent)
    result = await ask(tcp=f"127.0.0.1:{port}", tls=True, timeout="300ms")
    assert result.reason == "timeout"
    assert "connect" in result.phases


async def test_a_file_of_authorities_that_is_missing_says_nothing_of_the_target(ask, serve, authority):
    port = await serve(silent, tls=authority.context())
    result = await ask(tcp=f"127.0.0.1:{port}", tls={"ca": "/no/such/ca.pem"})
    assert result.reason == "tls_files"
    assert result.values == {}
