"""RTSP and ONVIF probes."""

from __future__ import annotations

import time

import pytest

from fenghuo_agent.inputs.probe.onvif import read

RTSP = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"


def camera(answer: bytes, *, close: bool = False):
    async def handler(reader, writer):
        handler.heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if close:
            writer.close()
        else:
            await reader.read()

    return handler


async def test_a_camera_that_answers_options_is_a_success(ask, serve):
    handler = camera(RTSP)
    port = await serve(handler)
    url = f"rtsp://127.0.0.1:{port}/Streaming/Channels/101?transportmode=unicast"
    result = await ask(rtsp=url, device="gate-cam")
    assert result.reason == "ok"
    assert result.values["probe_rtsp_status_code"] == 200
    assert handler.heard.startswith(f"OPTIONS {url} RTSP/1.0\r\nCSeq: 1\r\n".encode())
    assert set(result.phases) == {"resolve", "connect", "processing"}
    assert result.labels["instance"] == url


async def test_one_that_asks_for_a_password_lives_too(ask, serve):
    port = await serve(camera(b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n'))
    result = await ask(rtsp=f"rtsp://127.0.0.1:{port}/")
    assert result.values["probe_success"] == 1
    assert result.values["probe_rtsp_status_code"] == 401


async def test_an_error_is_a_failure(ask, serve):
    port = await serve(camera(b"RTSP/1.0 503 Service Unavailable\r\nCSeq: 1\r\n\r\n"))
    result = await ask(rtsp=f"rtsp://127.0.0.1:{port}/")
    assert result.reason == "status"
    assert result.values["probe_rtsp_status_code"] == 503


async def test_rtsps_tells_of_its_certificate(ask, serve, authority):
    port = await serve(camera(RTSP), tls=authority.context(days=5, signed=False))
    result = await ask(rtsp=f"rtsps://127.0.0.1:{port}/", tls={"verify": False})
    assert result.reason == "ok"
    assert result.values["probe_ssl_earliest_cert_expiry"] == int(authority.expiry)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 banana\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"y" * 100_000,
        b"RTSP/1.0 200",
        b"",
    ],
)
async def test_what_is_no_rtsp_fails(ask, serve, answer):
    port = await serve(camera(answer, close=True))
    assert (await ask(rtsp=f"rtsp://127.0.0.1:{port}/")).reason == "protocol"


async def test_headers_without_an_end_are_not_read_to_their_end(ask, serve):
    async def endless(reader, writer):
        writer.write(b"RTSP/1.0 200 OK\r\n")
        while True:
            writer.write(b"X-Header: 1\r\n" * 1000)
            await writer.drain()

    port = await serve(endless)
    assert (await ask(rtsp=f"rtsp://127.0.0.1:{port}/")).reason == "protocol"


async def test_a_camera_that_hangs_is_given_up(ask, serve):
    port = await serve(camera(b""))
    assert (await ask(rtsp=f"rtsp://127.0.0.1:{port}/", timeout="300ms")).reason == "timeout"


def envelope(inner: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><SOAP-ENV:Body>'
        f"{inner}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()


def date_and_time(moment: float, kind: str = "NTP") -> bytes:
    utc = time.gmtime(moment)
    return envelope(
        f"<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>{kind}</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>CST-8:00:00</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
        f"<tt:Time><tt:Hour>{utc.tm_hour}</tt:Hour>\n<tt:Minute>{utc.tm_min}</tt:Minute><tt:Second>{utc.tm_sec}</tt:Second>"
        f"</tt:Time><tt:Date><tt:Year>{utc.tm_year}</tt:Year><tt:Month>{utc.tm_mon}</tt:Month><tt:Day>{utc.tm_mday}</tt:Day>"
        "</tt:Date></tt:UTCDateTime><tt:LocalDateTime><tt:Time><tt:Hour>1</tt:Hour></tt:Time></tt:LocalDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def page(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def onvif(answer):
    """`answer` is bytes, or a function that makes them when asked."""

    async def handler(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        handler.head, handler.body = head, await reader.readexactly(length)
        writer.write(answer() if callable(answer) else answer)
        await reader.read()

    return handler


async def test_a_camera_tells_its_time(ask, serve):
    handler = onvif(lambda: page(date_and_time(time.time() + 120)))
    port = await serve(handler)
    result = await ask(onvif=f"127.0.0.1:{port}")
    assert result.reason == "ok"
    assert result.values["probe_onvif_status_code"] == 200
    assert result.values["probe_onvif_time_offset_seconds"] == pytest.approx(120, abs=2)
    assert result.values["probe_onvif_ntp"] == 1
    assert result.values["probe_onvif_daylight_savings"] == 0
    assert result.labels["instance"] == f"http://127.0.0.1:{port}/onvif/device_service"
    assert handler.head.startswith(b"POST /onvif/device_service HTTP/1.1\r\n")
    assert b"application/soap+xml" in handler.head
    assert b"GetSystemDateAndTime" in handler.body


async def test_a_camera_that_wants_a_password_lives_and_tells_no_time(ask, serve):
    port = await serve(onvif(page(b"", "401 Unauthorized")))
    result = await ask(onvif=f"127.0.0.1:{port}")
    assert result.values["probe_success"] == 1
    assert result.values["probe_onvif_status_code"] == 401
    assert "probe_onvif_time_offset_seconds" not in result.values


async def test_a_fault_is_a_failure(ask, serve):
    port = await serve(onvif(page(envelope("<SOAP-ENV:Fault/>"), "500 Internal Server Error")))
    assert (await ask(onvif=f"127.0.0.1:{port}")).reason == "status"


BOMB = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>"""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Login</body></html>",
        b"{}",
        date_and_time(0)[:200],
        BOMB,
        b"<a>" * 1000,
        envelope("<x/>"),
        b"\xff\xfe",
    ],
)
async def test_what_is_no_onvif_fails(ask, serve, body):
    port = await serve(onvif(page(body)))
    assert (await ask(onvif=f"127.0.0.1:{port}")).reason == "protocol"


def test_a_document_type_is_refused():
    body = date_and_time(1_800_000_000)
    with pytest.raises(ValueError, match="document type"):
        read(body.replace(b"<SOAP-ENV:Envelope", b"<!DOCTYPE x><SOAP-ENV:Envelope", 1))


def test_a_time_that_is_none_is_absent():
    body = date_and_time(1_800_000_000)
    assert read(body).utc == 1_800_000_000
    assert read(body.replace(b"<tt:Year>2027", b"<tt:Year>MMXX")).utc is None
    assert read(body.replace(b"<tt:Month>1", b"<tt:Month>13")).utc is None
    assert read(body.replace(b"UTCDateTime", b"XYZDateTime")).utc is None
    assert read(date_and_time(0, "Manual")).by_ntp is False
