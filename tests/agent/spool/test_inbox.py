"""What waits for the disk: what goes first when memory is full."""

import asyncio

import pytest

from fenghuo.wire import Stream
from fenghuo_agent.spool.batch import Entry
from fenghuo_agent.spool.inbox import Group, Inbox
from fenghuo_agent.spool.store import Lost


@pytest.fixture
def inbox():
    return Inbox(1000)


async def put(inbox, stream, size):
    inbox.put([Entry(stream, bytes(size), 1)], {}, 0, Group(1, asyncio.get_running_loop().create_future()))
    return inbox.drop_excess()


async def test_metrics_that_are_being_written_do_not_push_out_an_alert(inbox):
    assert await put(inbox, Stream.METRICS, 900) == {}
    inbox.take()
    assert await put(inbox, Stream.ALERTS, 400) == {}
    assert inbox.bytes == 1300


async def test_metrics_beyond_the_bound_go_also_while_others_are_being_written(inbox):
    await put(inbox, Stream.METRICS, 900)
    inbox.take()
    assert await put(inbox, Stream.METRICS, 400) == {Stream.METRICS: Lost(1, 1)}
    assert inbox.bytes == 900


async def test_alerts_alone_beyond_the_bound_lose_the_oldest(inbox):
    await put(inbox, Stream.ALERTS, 700)
    assert await put(inbox, Stream.ALERTS, 400) == {Stream.ALERTS: Lost(1, 1)}
    assert inbox.bytes == 400


async def test_what_could_not_be_written_is_measured_again_when_it_comes_back(inbox):
    await put(inbox, Stream.METRICS, 900)
    work = inbox.take()
    await put(inbox, Stream.ALERTS, 400)
    inbox.give_back(work)
    assert inbox.drop_excess() == {Stream.METRICS: Lost(1, 1)}
    assert inbox.bytes == 400
