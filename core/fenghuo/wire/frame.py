"""A frame: one batch as it crosses the broker, a small header before a compressed body.

    "FH" | version u8 | codec u8 | header length u16 big-endian | header (MessagePack array) | body

The body is compressed once, when the batch is made, and kept so in the spool; the header is made at each sending,
because what it says of the sender (`oldest`, `dropped`, `sent`) changes between sendings.
"""

from __future__ import annotations

import struct
from enum import IntEnum

import msgspec
import zstandard

from fenghuo.errors import WireError
from fenghuo.wire.unreadable import UNREADABLE

MAGIC = b"FH"
VERSION = 1
MAX_FRAME = 4 * 2**20
"""Bytes of a whole frame; brokers are told to refuse larger ones too."""
MAX_BODY = 32 * 2**20
"""Bytes of a body after decompression."""
LEVEL = 1
"""zstd's level: on byte planes the higher ones gain nothing and take memory and time."""
_PREFIX = struct.Struct(">2sBBH")


class Codec(IntEnum):
    NONE = 0
    ZSTD = 1


class Frame(msgspec.Struct, array_like=True, frozen=True):
    """The header of a batch.

    `agent`    `<site path>/<name>`; must agree with the topic, which the broker authorises
    `spool`    id of the spool that numbers the batches; a new spool begins anew at 1
    `boot`     id of the agent's run
    `stream`   the data stream
    `sequence` the batch's number within spool and stream, from 1, without gaps
    `oldest`   the lowest number that the agent still holds: what is below and did not arrive never will
    `dropped`  items of this stream that the agent gave up for want of room, in all, since the spool was made
    `count`    items in the body: values for tables, otherwise documents
    `sent`     Unix milliseconds at sending, by the agent's clock
    """

    agent: str
    spool: str
    boot: str
    stream: str
    sequence: int
    oldest: int
    dropped: int
    count: int
    sent: int


_header_decoder = msgspec.msgpack.Decoder(Frame)
_encode = msgspec.msgpack.Encoder().encode


def compress(body: bytes, level: int = LEVEL) -> bytes:
    """A body as frames and spools carry it."""
    return zstandard.ZstdCompressor(level=level).compress(body)


def encode_frame(header: Frame, body: bytes, codec: Codec = Codec.ZSTD) -> bytes:
    """One frame of `header` and an already compressed `body`."""
    packed = _encode(header)
    return _PREFIX.pack(MAGIC, VERSION, codec, len(packed)) + packed + body


def decode_frame(data: bytes, *, max_body: int = MAX_BODY) -> tuple[Frame, bytes]:
    """The header and the decompressed body of a frame.

    Raises `WireError` for anything else than a whole frame within the bounds; nothing beyond `max_body` bytes is ever
    decompressed.
    """
    header, codec, body = split_frame(data)
    return header, decompress(body, codec, max_body)


def split_frame(data: bytes) -> tuple[Frame, int, bytes]:
    """The header, codec and still compressed body of a frame: enough to know a duplicate, or to refuse a bad body."""
    if len(data) > MAX_FRAME:
        raise WireError("too_large", f"a frame of {len(data)} bytes; at most {MAX_FRAME} are taken")
    if len(data) < _PREFIX.size:
        raise WireError("truncated", f"a frame of {len(data)} bytes has no prefix")
    magic, version, codec, length = _PREFIX.unpack_from(data)
    if magic != MAGIC:
        raise WireError("magic", "not a Fenghuo frame: its first bytes are not FH")
    if version != VERSION:
        raise WireError("version", f"wire version {version}; this collector speaks {VERSION}")
    start = _PREFIX.size + length
    if len(data) < start:
        raise WireError("truncated", f"a header of {length} bytes is announced, {len(data) - _PREFIX.size} are there")
    try:
        header = _header_decoder.decode(data[_PREFIX.size : start])
    except UNREADABLE as error:
        raise WireError("header", f"a header that is none: {error}") from None
    if header.sequence < 1 or header.oldest < 1 or header.dropped < 0 or header.count < 0:
        raise WireError("header", "a header with a number out of range")
    return header, codec, data[start:]


def decompress(body: bytes, codec: int, max_body: int = MAX_BODY) -> bytes:
    """The body as it was before compression; `WireError` beyond `max_body` bytes or where the codec cannot read it."""
    if codec == Codec.NONE:
        if len(body) > max_body:
            raise WireError("too_large", f"a body of {len(body)} bytes; at most {max_body} are taken")
        return body
    if codec != Codec.ZSTD:
        raise WireError("codec", f"codec {codec} is unknown; known are 0 (none) and 1 (zstd)")
    try:
        size = zstandard.frame_content_size(body)
        if size < 0:
            raise WireError("body", "a zstd body that does not say its size")
        if size > max_body:
            raise WireError("too_large", f"a body of {size} bytes once decompressed; at most {max_body} are taken")
        return zstandard.ZstdDecompressor(max_window_size=2**27).decompress(
            body, max_output_size=max(size, 1), allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise WireError("body", f"a body that zstd cannot read: {error}") from None
