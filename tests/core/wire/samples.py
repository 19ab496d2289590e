"""Batches that the golden files hold; made the same way every time."""

from __future__ import annotations

from fenghuo.model import Event, Layout, Table
from fenghuo.wire import Frame, Stream, encode_events, encode_frame, encode_tables
from fenghuo.wire.frame import Codec

INTERFACES = Layout(
    "interface",
    {"job": "snmp", "instance": "10.20.0.3", "device": "sw-3f-east"},
    {"ifIndex": ["1", "2", "3"], "ifName": ["Gi0/1", "Gi0/2", "Gi0/3"], "ifAlias": ["三年级一班", "", "uplink"]},
    ("ifOperStatus", "ifHCInOctets", "ifHCOutOctets", "ifInErrors"),
    {"ifHCInOctets": 64, "ifHCOutOctets": 64, "ifInErrors": 32},
)
TABLE = Table(
    INTERFACES,
    1_767_225_600_000,
    [[1, 2, 1], [2**64 - 1, 300, 70_000], [5, 5, 5], [0, None, 12]],
)
SENSOR = Table(
    Layout(
        "sensor",
        {"job": "mqtt_sensor", "device": "t1", "room": "server-room"},
        {},
        ("sensor_temperature_celsius", "sensor_humidity_percent"),
    ),
    1_767_225_601_500,
    [[-3.25], [41]],
)
ENDED = Table(INTERFACES, 1_767_225_660_000, (), ended=True)
EVENT = Event(
    "019b76da-a800-7000-8000-000000000001",
    1_767_225_600_000,
    {"event": {"kind": "event", "category": ["network"], "dataset": "dhcp"}, "message": "机房 rogue server", "n": -1},
)


def header(stream: Stream, count: int) -> Frame:
    return Frame(
        agent="bj/haidian/zgc-no1/gw1",
        spool="019b76da-a800-7000-8000-00000000000a",
        boot="019b76da-a800-7000-8000-00000000000b",
        stream=stream,
        sequence=7,
        oldest=5,
        dropped=2,
        count=count,
        sent=1_767_225_602_000,
    )


GOLDEN = {
    "metrics.fh": encode_frame(header(Stream.METRICS, 12 + 2 + 12), encode_tables([TABLE, SENSOR, ENDED]), Codec.NONE),
    "events.fh": encode_frame(header(Stream.EVENTS, 1), encode_events([EVENT]), Codec.NONE),
}
"""Uncompressed, so that they do not depend on the version of zstd."""
