"""The bytes on the wire stay what they were: other versions and other languages read them."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest

from fenghuo.wire import decode_frame, decode_items

from .samples import GOLDEN

FOLDER = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", GOLDEN)
def test_a_batch_is_written_as_the_golden_file_says(name: str) -> None:
    assert GOLDEN[name] == (FOLDER / name).read_bytes()


def test_a_golden_file_is_read_by_plain_messagepack_as_the_documentation_says() -> None:
    data = (FOLDER / "metrics.fh").read_bytes()
    magic, version, codec, length = struct.unpack_from(">2sBBH", data)
    assert (magic, version, codec) == (b"FH", 1, 0)
    header = msgspec.msgpack.decode(data[6 : 6 + length])
    assert header[0] == "bj/haidian/zgc-no1/gw1"
    assert header[3:8] == ["metrics", 7, 5, 2, 26]
    (layout, time, ended, columns), (_, _, _, sensor), (_, _, third_ended, third) = msgspec.msgpack.decode(
        data[6 + length :]
    )
    assert layout[0] == "interface"
    assert layout[2]["ifAlias"] == ["三年级一班", "", "uplink"]
    assert (time, ended, third_ended, third) == (1_767_225_600_000, False, True, [])
    assert columns[0] == bytes([1, 2, 1]), "one byte plane holds small numbers"
    assert len(columns[1]) == 8 * 3
    assert columns[2] == 5, "a value that all rows share stands once"
    assert columns[3] == [0, None, 12], "a column with an absent value is a plain array"
    assert sensor == [-3.25, 41]


def test_a_golden_file_is_read_back_as_the_model() -> None:
    header, body = decode_frame((FOLDER / "metrics.fh").read_bytes())
    table, sensor, ended = decode_items(body, tables=True)
    assert header.oldest == 5
    assert [list(column) for column in table.columns] == [
        [1, 2, 1],
        [2**64 - 1, 300, 70_000],
        [5, 5, 5],
        [0, None, 12],
    ]
    assert table.layout.rows[1] == {
        "job": "snmp",
        "instance": "10.20.0.3",
        "device": "sw-3f-east",
        "ifIndex": "2",
        "ifName": "Gi0/2",
    }
    assert sensor.layout.height == 1
    assert ended.ended
