"""Agents that send as fast as a collector takes: frames made beforehand, a window of unanswered ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import aiomqtt

from fenghuo.ids import uuid7
from fenghuo.model import AgentId, Event, Layout, Site, Table
from fenghuo.wire import Frame, Stream, Topic, decode_ack, encode_events, encode_frame, encode_tables
from fenghuo.wire.body import count_items
from fenghuo.wire.frame import compress

FIELDS = (
    "ifAdminStatus", "ifOperStatus", "ifHCInOctets", "ifHCOutOctets", "ifHCInUcastPkts", "ifHCOutUcastPkts",
    "ifHCInMulticastPkts", "ifHCOutMulticastPkts", "ifHCInBroadcastPkts", "ifHCOutBroadcastPkts", "ifInErrors",
    "ifOutErrors", "ifInDiscards", "ifOutDiscards",
)  # fmt: skip
PORTS = 48
WINDOW = 16


class Switch:
    """A 48-port switch whose counters grow at each poll; a third of its ports is idle."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self._chance = chance
        self.layout = Layout(
            "interface",
            {"job": "snmp", "instance": name, "device": name},
            {
                "ifIndex": [str(port) for port in range(1, PORTS + 1)],
                "ifName": [f"GigabitEthernet0/0/{port}" for port in range(1, PORTS + 1)],
                "ifAlias": [f"room {300 + port}" for port in range(1, PORTS + 1)],
            },
            FIELDS,
            {field: 64 if "HC" in field else 32 for field in FIELDS[2:]},
        )
        self._busy = [chance.random() < 2 / 3 for _ in range(PORTS)]
        self._counters = [
            [int(chance.lognormvariate(23 - 4 * (place > 1), 2)) if busy else 0 for busy in self._busy]
            for place in range(8)
        ]

    def poll(self, time: int) -> Table:
        for place, column in enumerate(self._counters):
            size = 3_000_000 if place < 2 else 4_000 if place < 4 else 60
            for port, busy in enumerate(self._busy):
                if busy:
                    column[port] += int(self._chance.expovariate(1 / size))
        states = [1 if busy else 2 for busy in self._busy]
        none = [0] * PORTS
        return Table(
            self.layout, time, [[1] * PORTS, states, *(list(c) for c in self._counters), none, none, none, none]
        )


def metric_frames(agent: AgentId, *, switches: int, polls: int, start: int) -> Iterator[bytes]:
    """One frame a poll of all switches of an agent, a minute apart."""
    chance = random.Random(str(agent))
    devices = [Switch(f"sw-{number}", chance) for number in range(switches)]
    for poll in range(polls):
        tables = [device.poll(start + poll * 60_000 + number) for number, device in enumerate(devices)]
        yield frame(agent, Stream.METRICS, poll + 1, encode_tables(tables), count_items(tables))


def event_frames(agent: AgentId, *, events: int, frames: int, start: int) -> Iterator[bytes]:
    """Frames of events such as a flow of a small school might give."""
    chance = random.Random(str(agent))
    for number in range(frames):
        batch = [_event(chance, start + number * 1000 + position) for position in range(events)]
        yield frame(agent, Stream.EVENTS, number + 1, encode_events(batch), events)


def _event(chance: random.Random, time: int) -> Event:
    source = f"10.20.{chance.randrange(4)}.{chance.randrange(255)}"
    return Event(
        uuid7(time, chance.randbytes),
        time,
        {
            "event": {"kind": "event", "category": ["network"], "type": ["connection"], "dataset": "flow", "action": "flow-seen"},
            "source": {"ip": source, "port": chance.randrange(1024, 65535), "mac": "00-11-22-33-44-55"},
            "destination": {"ip": f"203.0.113.{chance.randrange(255)}", "port": chance.choice((53, 80, 443))},
            "network": {"transport": "tcp", "bytes": chance.randrange(100_000), "packets": chance.randrange(100)},
            "message": f"{source} spoke to the outside",
        },
    )  # fmt: skip


def frame(agent: AgentId, stream: Stream, sequence: int, body: bytes, count: int) -> bytes:
    header = Frame(str(agent), f"spool-{agent.name}", "boot", stream, sequence, 1, 0, count, 0)
    return encode_frame(header, compress(body))


def agents(number: int) -> list[AgentId]:
    return [AgentId(Site("bj/haidian"), f"gw{index}") for index in range(number)]


async def send_all(port: int, stream: Stream, frames: dict[AgentId, list[bytes]]) -> None:
    """Publish every agent's frames in order, at most `WINDOW` unanswered ones an agent; return when all are committed."""
    topics = {str(Topic(agent, stream)): agent for agent in frames}
    committed = dict.fromkeys(frames, 0)
    moved = {agent: asyncio.Event() for agent in frames}

    async with aiomqtt.Client(
        "127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, max_queued_outgoing_messages=0
    ) as client:
        await client.subscribe("fenghuo/1/+/+/+/ack", qos=1)

        async def listen() -> None:
            async for message in client.messages:
                ack = decode_ack(bytes(message.payload))  # type: ignore[arg-type]
                agent = AgentId.parse(str(message.topic).removeprefix("fenghuo/1/").removesuffix("/ack"))
                if ack.stream == stream and ack.committed:
                    committed[agent] = max(committed[agent], *(span.last for span in ack.committed))
                    moved[agent].set()

        async def send(agent: AgentId, topic: str) -> None:
            for number, data in enumerate(frames[agent], 1):
                while number - committed[agent] > WINDOW:
                    moved[agent].clear()
                    await moved[agent].wait()
                await client.publish(topic, data, qos=1, timeout=60)
            while committed[agent] < len(frames[agent]):
                moved[agent].clear()
                await asyncio.wait_for(moved[agent].wait(), 120)

        listener = asyncio.create_task(listen())
        try:
            await asyncio.gather(*(send(agent, topic) for topic, agent in topics.items()))
        finally:
            listener.cancel()
