"""The webhook feed against a real HTTP server that answers well and badly."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.clock import VirtualClock
from fenghuo.config import Secret, Tls
from fenghuo.errors import Permanent, Retryable
from fenghuo.model import AlertState
from fenghuo_collector.feeds.http import retry_after
from fenghuo_collector.feeds.webhook import HEADER, WebhookConfig, WebhookFeed, sign, verify
from servers.process import free_port, need

from .receivers import CLOCK, batch, feeding, hot, journal, over, receiver, step, until

SECRET = "correct horse 电池"


def webhook(url: str, **options: object) -> WebhookFeed:
    return WebhookFeed(WebhookConfig.model_validate({"url": url, "timeout": 5, **options}), clock=CLOCK)


async def test_a_step_arrives_as_json_with_the_events_id_as_its_key():
    async with receiver() as taking:
        feed = webhook(
            taking.url, console_url="https://soc.example.org/", headers={"X-Room": "1"}, authorization="Bearer t"
        )
        await feed.deliver([step(hot())])
        ((headers, body),) = taking.requests
        await feed.close()
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == "key-1"
    assert headers["X-Room"] == "1"
    assert headers["Authorization"] == "Bearer t"
    assert HEADER not in headers
    document = json.loads(body)
    assert {key: document[key] for key in ("version", "type", "id", "number", "site", "agent")} == {
        "version": 1,
        "type": "alert.firing",
        "id": "key-1",
        "number": 1,
        "site": "bj/haidian/zgc-no1",
        "agent": "gw1",
    }
    assert document["alert"]["title_zh"] == "机房温度过高"
    assert document["alert"]["evidence"] == {"value": 35.5, "limit": 32}
    assert document["alert"]["url"] == "https://soc.example.org/alerts/f1"


async def test_the_signature_is_what_openssl_makes_of_time_and_body(tmp_path):
    async with receiver() as taking:
        feed = webhook(taking.url, secret=SECRET)
        await feed.deliver([step(hot())])
        ((headers, body),) = taking.requests
        await feed.close()
    fields = dict(part.split("=", 1) for part in headers[HEADER].split(","))
    assert abs(int(fields["t"]) - CLOCK.now() / 1000) < 30
    signed = tmp_path / "signed"
    signed.write_bytes(fields["t"].encode() + b"." + body)
    command = [need("openssl", "openssl"), "dgst", "-sha256", "-hmac", SECRET, "-r", str(signed)]
    answer = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, text=True)
    assert answer.stdout.split()[0] == fields["v1"]
    assert verify(SECRET, headers[HEADER], body, CLOCK.now() / 1000)


def test_a_signature_that_is_old_forged_or_garbled_is_refused():
    header = sign("s", b"body", 1_000)
    assert verify("s", header, b"body", 1_300)
    assert verify("s", header, b"body", 701)
    assert verify("s", f"t=1000, v1=00, {header.split(',')[1]}", b"body", 1_000), "one of several is enough"
    for wrong in (
        verify("s", header, b"body", 1_301),
        verify("s", header, b"body", 699),
        verify("x", header, b"body", 1_000),
        verify("s", header, b"other", 1_000),
        verify("s", header.replace("t=1000", "t=1001"), b"body", 1_000),
        verify("s", "", b"body", 1_000),
        verify("s", "t=1000", b"body", 1_000),
        verify("s", "t=1000,v1=", b"body", 1_000),
        verify("s", f"t=1,{header}", b"body", 1_000),
        verify("s", "t=²,v1=é", b"body", 1_000),
    ):
        assert not wrong


@given(st.text(max_size=60), st.binary(max_size=20))
def test_no_header_breaks_the_check(header, body):
    assert not verify("s", header, body, 1_000)


async def test_a_receiver_that_fails_is_asked_again_and_gets_every_step_in_order(tmp_path):
    async with receiver() as taking, journal(tmp_path) as steps:
        taking.answers = [
            web.Response(status=500),
            None,
            web.Response(status=429, headers={"Retry-After": "0"}),
            5.0,
            web.Response(status=503),
        ]
        async with feeding(steps, webhook(taking.url, timeout=0.3), batch=1):
            await steps.write([batch(hot(), over(), hot(fingerprint="f2"))])
            await until(lambda: steps.states.place("webhook") == 3)
        order = [item.key for item in await steps.after(0, 10)]
        assert taking.keys[:5] == [order[0]] * 5
        assert list(dict.fromkeys(taking.keys)) == order
        bodies = {body for headers, body in taking.requests if headers["Idempotency-Key"] == order[0]}
        assert len(bodies) == 1, "what comes again is the same to the byte"
        assert steps.states.dead("webhook") == []


async def test_a_receiver_that_asks_for_a_pause_gets_it(tmp_path):
    async with receiver() as taking, journal(tmp_path) as steps:
        taking.answers = [web.Response(status=503, headers={"Retry-After": "1"})]
        async with feeding(steps, webhook(taking.url), batch=1):
            await steps.write([batch(hot())])
            await until(lambda: len(taking.requests) == 1)
            first = CLOCK.monotonic()
            await until(lambda: len(taking.requests) == 2)
            assert CLOCK.monotonic() - first > 0.8


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413])
async def test_a_step_that_is_refused_for_good_is_kept_as_dead_and_the_next_goes_out(tmp_path, status, caplog):
    async with receiver() as taking, journal(tmp_path) as steps:
        taking.answers = [web.Response(status=status, text="not\nwanted")]
        async with feeding(steps, webhook(taking.url), batch=1):
            await steps.write([batch(hot(), over())])
            await until(lambda: steps.states.place("webhook") == 2)
        ((dead, reason),) = steps.states.dead("webhook")
        assert dead.number == 1
        assert f"answered {status}: not wanted" in reason
        assert len(taking.requests) == 2
        assert "dead letters" in caplog.text


async def test_a_redirect_is_not_followed():
    async with receiver() as taking, receiver() as elsewhere:
        taking.answers = [web.Response(status=307, headers={"Location": elsewhere.url})]
        feed = webhook(taking.url, secret="s")
        with pytest.raises(Permanent, match="configure that address"):
            await feed.deliver([step(hot())])
        assert elsewhere.requests == []
        await feed.close()


async def test_a_receiver_that_is_away_is_retryable():
    feed = webhook(f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(Retryable):
        await feed.deliver([step(hot())])
    await feed.close()


async def test_a_receiver_that_never_answers_is_given_up_in_time():
    async with receiver() as taking:
        taking.answers = [30.0]
        feed = webhook(taking.url, timeout=0.2)
        with pytest.raises(Retryable, match=r"did not answer within 0\.2 s"):
            await feed.deliver([step(hot())])
        await feed.close()


async def test_an_endless_answer_is_not_read_to_its_end():
    async with receiver() as taking:
        taking.answers = [web.Response(status=400, body=b"x" * 30_000_000)]
        feed = webhook(taking.url)
        with pytest.raises(Permanent) as caught:
            await feed.deliver([step(hot())])
        assert len(str(caught.value)) < 400
        await feed.close()


async def test_batches_carry_many_steps_under_a_key_of_their_own():
    async with receiver() as taking:
        feed = webhook(taking.url, batch=10, secret="s")
        steps = [step(hot(), 1), step(hot(state=AlertState.PENDING), 2), step(over(), 3)]
        await feed.deliver(steps)
        await feed.deliver(steps)
        await feed.deliver(steps[:1])
        await feed.deliver(steps[1:2])
        await feed.close()
    documents = [json.loads(body) for _, body in taking.requests]
    assert [document["type"] for document in documents] == ["batch"] * 3
    assert [inner["id"] for inner in documents[0]["steps"]] == ["key-1", "key-3"]
    assert taking.keys[0] == taking.keys[1] != taking.keys[2]


async def test_a_certificate_is_checked_unless_a_laboratory_says_no(tmp_path):
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with receiver(ssl_context=context) as taking:
        untrusting = webhook(taking.url)
        with pytest.raises(Retryable, match="certificate"):
            await untrusting.deliver([step(hot())])
        await untrusting.close()
        assert taking.requests == []
        for tls in (Tls(ca=certificate), Tls(verify=False)):
            feed = webhook(taking.url, tls=tls)
            await feed.deliver([step(hot())])
            await feed.close()
        assert len(taking.requests) == 2


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        [need("openssl", "openssl"), *command.split(), "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    return certificate, key


def test_tls_files_that_cannot_be_used_are_found_at_the_start(tmp_path):
    with pytest.raises(Permanent, match="TLS"):
        webhook("https://127.0.0.1/", tls=Tls(ca=tmp_path / "missing"))


def test_secrets_do_not_show_in_the_configuration():
    config = WebhookConfig(url="https://example.org", secret=Secret("hush"), authorization=Secret("Bearer hush"))
    assert "hush" not in f"{config!r} {config.model_dump_json()}"


@pytest.mark.parametrize("url", ["ftp://example.org", "example.org", "https://user:pw@example.org/", "http://"])
def test_an_address_that_cannot_be_is_refused_at_load(url):
    with pytest.raises(ValueError, match=r"address"):
        WebhookConfig(url=url)


def test_retry_after_is_seconds_or_a_date_and_bounded():
    clock = VirtualClock(1_767_225_600_000)
    assert retry_after("30", clock.now()) == 30
    assert retry_after("Thu, 01 Jan 2026 00:01:00 GMT", clock.now()) == 60
    assert retry_after("Wed, 31 Dec 2025 00:00:00 GMT", clock.now()) == 0
    assert retry_after("999999999999999999999", clock.now()) == 3600
    for nothing in (None, "", "soon", "-1", "1.5", "²"):
        assert retry_after(nothing, clock.now()) is None
