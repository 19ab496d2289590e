"""The receiver of webhooks."""

from __future__ import annotations

import asyncio
import json

import httpx

from fenghuo.demo.receiver import Receiver


async def post(*bodies: bytes) -> tuple[list[int], list[str]]:
    """The answers to these requests over one connection, and the ids that were heard."""
    heard: list[str] = []
    receiver = Receiver(lambda step: heard.append(step["id"]))
    port = await receiver.start()
    try:
        async with httpx.AsyncClient() as client:
            answers = [(await client.post(f"http://127.0.0.1:{port}/", content=body)).status_code for body in bodies]
    finally:
        receiver.close()
    return answers, heard


async def test_each_step_is_heard_once_however_often_it_is_posted():
    step, other = json.dumps({"id": "a"}).encode(), json.dumps({"id": "b"}).encode()
    assert await post(step, step, other) == ([200, 200, 200], ["a", "b"])


async def test_a_batch_is_heard_step_by_step():
    batch = json.dumps({"type": "batch", "steps": [{"id": "a"}, {"id": "b"}]}).encode()
    assert await post(batch) == ([200], ["a", "b"])


async def test_what_is_no_webhook_is_refused_and_the_next_is_heard():
    assert await post(b"{", b"[1]", json.dumps({"id": "a"}).encode()) == ([400, 400, 200], ["a"])


async def test_a_body_without_end_and_a_long_one_do_no_harm():
    receiver = Receiver(lambda step: None)
    port = await receiver.start()
    try:
        for head in (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 400")
            writer.close()
    finally:
        receiver.close()
