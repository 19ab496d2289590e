"""What the agent says of itself on its `status` topic, retained; the broker says `offline` for it when it vanishes."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["online", "offline"]


class Status(msgspec.Struct, frozen=True):
    """`boot` and `spool` are ids, `since` and `sent` Unix milliseconds by the agent's clock."""

    state: State
    boot: str
    spool: str
    version: str
    since: int
    sent: int


_encode = msgspec.msgpack.Encoder().encode


def encode_status(status: Status) -> bytes:
    return _encode(status)
