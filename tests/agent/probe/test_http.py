"""HTTP probes against servers that answer, redirect, hang and send what no server should."""

from __future__ import annotations

import asyncio
import base64

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"


class Site:
    """Answers by path, and keeps the requests."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = {f"/{name}": page for name, page in pages.items()}
        self.requests: list[bytes] = []

    async def __call__(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        path = head.split()[1].decode().partition("?")[0]
        writer.write(
            self.pages.get(path, OK if path == "/" else b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        )
        await writer.drain()
        await reader.read()


def redirect(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_a_page_that_answers_is_a_success(ask, serve):
    port = await serve(Site())
    result = await ask(http=f"127.0.0.1:{port}")
    assert result.reason == "ok"
    expected = {
        "probe_success": 1,
        "probe_explained": 0,
        "probe_http_status_code": 200,
        "probe_http_version": 1.1,
        "probe_http_content_length": 5,
        "probe_http_uncompressed_body_length": 5,
        "probe_http_redirects": 0,
        "probe_http_ssl": 0,
    }
    assert {name: result.values[name] for name in expected} == expected
    assert set(result.phases) == {"resolve", "connect", "processing", "transfer"}
    assert result.labels["instance"] == f"http://127.0.0.1:{port}/"
    assert result.labels["module"] == "http"


async def test_the_request_names_its_host_and_path(ask, serve):
    site = Site(login=OK)
    port = await serve(site)
    await ask(http=f"http://127.0.0.1:{port}/login?next=%2F", headers={"X-Probe": "yes"})
    lines = site.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /login?next=%2F HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines
    assert "X-Probe: yes" in lines


async def test_https_tells_of_its_certificate(ask, serve, authority):
    port = await serve(Site(), tls=authority.context(days=10))
    result = await ask(https=f"127.0.0.1:{port}", tls={"ca": str(authority.ca)})
    assert result.reason == "ok"
    assert result.values["probe_http_ssl"] == 1
    assert result.values["probe_ssl_earliest_cert_expiry"] == int(authority.expiry)
    assert result.values["probe_ssl_last_chain_expiry_timestamp_seconds"] == int(authority.expiry)
    assert "tls" in result.phases


async def test_https_with_a_certificate_of_its_own_fails_and_still_tells_its_expiry(ask, serve, authority):
    port = await serve(Site(), tls=authority.context(days=10, signed=False))
    result = await ask(https=f"127.0.0.1:{port}")
    assert result.reason == "certificate"
    assert result.values["probe_ssl_earliest_cert_expiry"] == int(authority.expiry)
    assert "probe_http_status_code" not in result.values


async def test_https_without_verification_takes_any(ask, serve, authority):
    port = await serve(Site(), tls=authority.context(days=10, signed=False))
    result = await ask(https=f"127.0.0.1:{port}", tls={"verify": False})
    assert result.values["probe_success"] == 1


async def test_another_status_fails_and_is_told(ask, serve):
    port = await serve(Site())
    result = await ask(http=f"127.0.0.1:{port}/nowhere")
    assert result.reason == "status"
    assert result.values["probe_http_status_code"] == 404
    assert (await ask(http=f"127.0.0.1:{port}/nowhere", status=[404])).reason == "ok"
    assert (await ask(http=f"127.0.0.1:{port}/", status=[404])).reason == "status"


@pytest.mark.parametrize(
    ("settings", "reason", "flag"),
    [
        ({"body": "h[ea]llo"}, "ok", 0),
        ({"body": "^login"}, "body", 1),
        ({"body_not": "hello"}, "body", 1),
        ({"body_not": "error", "body": "hello"}, "ok", 0),
    ],
)
async def test_the_body_is_judged(ask, serve, settings, reason, flag):
    port = await serve(Site())
    result = await ask(http=f"127.0.0.1:{port}", **settings)
    assert result.reason == reason
    assert result.values["probe_failed_due_to_regex"] == flag


async def test_a_chunked_body_is_put_together(ask, serve):
    page = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwel\xe6\r\n7\r\n\xac\xa2 back\r\n0\r\n\r\n"
    port = await serve(Site(page=page))
    result = await ask(http=f"127.0.0.1:{port}/page", body="^wel欢 back$")
    assert result.reason == "ok"
    assert result.values["probe_http_uncompressed_body_length"] == 11
    assert "probe_http_content_length" not in result.values


async def test_redirections_are_followed_and_counted(ask, serve):
    site = Site(a=redirect("/b", 301), b=redirect("c?x=1#part"), c=OK)
    port = await serve(site)
    result = await ask(http=f"127.0.0.1:{port}/a", body="hello")
    assert result.reason == "ok"
    assert result.values["probe_http_redirects"] == 2
    assert site.requests[-1].startswith(b"GET /c?x=1 HTTP/1.1\r\n")


async def test_redirections_without_an_end_are_left_after_as_many_as_allowed(ask, serve):
    site = Site(a=redirect("/a"))
    port = await serve(site)
    result = await ask(http=f"127.0.0.1:{port}/a", redirects=3)
    assert result.reason == "redirects"
    assert len(site.requests) == 4


async def test_a_redirection_may_be_what_is_expected(ask, serve):
    port = await serve(Site(a=redirect("/b")))
    assert (await ask(http=f"127.0.0.1:{port}/a", redirects=0, status=[302])).reason == "ok"


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user:pw@127.0.0.1/", "http://", "//[::1"]
)
async def test_a_redirection_to_where_nobody_can_follow_fails(ask, serve, to):
    port = await serve(Site(a=redirect(to)))
    assert (await ask(http=f"127.0.0.1:{port}/a")).reason == "redirects"


async def test_a_password_is_told_to_the_configured_server_alone(ask, serve):
    other = Site()
    elsewhere = await serve(other)
    site = Site(a=redirect(f"http://127.0.0.1:{elsewhere}/"))
    port = await serve(site)
    result = await ask(http=f"127.0.0.1:{port}/a", username="probe", password="geheim", headers={"X-Token": "t"})
    assert result.reason == "ok"
    assert b"Authorization: Basic " + base64.b64encode(b"probe:geheim") in site.requests[0]
    assert b"Authorization" not in other.requests[0]
    assert b"X-Token" not in other.requests[0]


async def test_head_reads_no_body(ask, serve):
    port = await serve(Site(a=b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"))
    result = await ask(http=f"127.0.0.1:{port}/a", method="HEAD")
    assert result.reason == "ok"
    assert result.values["probe_http_content_length"] == 5000
    assert result.values["probe_http_uncompressed_body_length"] == 0


async def test_a_body_without_an_end_is_read_as_far_as_allowed(ask, serve):
    sent = 0

    async def endless(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    port = await serve(endless)
    result = await ask(http=f"127.0.0.1:{port}", max_body="64KiB")
    assert result.reason == "ok"
    assert result.values["probe_http_uncompressed_body_length"] == 65536
    assert sent < 32 << 20


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/9.9 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Header: 1\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nshort",
        b"\x00\xff" * 500,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"",
    ],
    ids=[
        "ssh",
        "version",
        "long header",
        "many headers",
        "negative",
        "two lengths",
        "chunks",
        "short",
        "binary",
        "101",
        "empty",
    ],
)
async def test_what_is_no_http_fails_and_ends_nothing(ask, serve, answer):
    async def talking(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    port = await serve(talking)
    assert (await ask(http=f"127.0.0.1:{port}")).reason == "protocol"


async def test_interim_answers_without_an_end_stop_at_the_deadline(ask, serve):
    async def talking(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0)

    port = await serve(talking)
    assert (await ask(http=f"127.0.0.1:{port}", timeout="500ms")).reason == "timeout"


async def test_a_server_that_dribbles_is_given_up_at_the_deadline(ask, serve):
    async def dribbling(reader, writer):
        for byte in OK * 100:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)

    port = await serve(dribbling)
    result = await ask(http=f"127.0.0.1:{port}", timeout="300ms")
    assert result.reason == "timeout"
    assert result.values["probe_duration_seconds"] < 2
