"""What the agent says of itself on its `status` topic, retained; the broker says `offline` for it when it vanishes."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["online", "offline"]


class Status(msgspec.Struct, frozen=True):
    """`boot` and `spool` are ids, `since` and `sent` Unix milliseconds by the agent's clock.

    `streams` says of each data stream the lowest number still held and the items given up in all, as frames do: a stream
    of which everything was given up sends no frame that could say so.
    """

    state: State
    boot: str
    spool: str
    version: str
    since: int
    sent: int
    streams: dict[str, tuple[int, int]]


_encode = msgspec.msgpack.Encoder().encode


def encode_status(status: Status) -> bytes:
    return _encode(status)
