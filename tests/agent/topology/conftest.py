"""Fake devices with the tables of topology, and sessions to them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest
from agent.snmp.conftest import FakeDevice

from fenghuo_agent.snmp.access import parse_address
from fenghuo_agent.snmp.message import Community
from fenghuo_agent.snmp.session import Session, Timing
from fenghuo_agent.snmp.traffic import Traffic
from fenghuo_agent.snmp.walk import Limits
from fenghuo_agent.topology import collect
from servers.snmpd import COMMUNITY

LIMITS = Limits(20, 32_768, 1400)


@pytest.fixture
async def make_device() -> AsyncIterator[Callable]:
    """Makes fake devices on loopback addresses of their own."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(host: str = "127.0.0.1") -> FakeDevice:
            loop = asyncio.get_running_loop()
            transport, device = await loop.create_datagram_endpoint(FakeDevice, local_addr=(host, 0))
            stack.callback(transport.close)
            return device

        yield make


@pytest.fixture
def read():
    """Reads one device's topology."""

    async def one(
        device: FakeDevice, limits: Limits = LIMITS, *, version: int = 2, patience: float = 0.3, contexts=None
    ):
        session = Session(
            parse_address(device.address),
            Community(COMMUNITY, version=version),
            Timing(patience, 0),
            random.Random(1),
            Traffic(),
        )
        with session.open(20):
            return await collect(session, limits, contexts)

    return one
