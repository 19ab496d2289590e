"""What a collector answers on an agent's `ack` topic.

`received` lets the agent send on (the collector holds the batch in memory); only `committed` lets it forget: every
required sink has the batch on its disk. A batch received and not committed is sent again when the collector is
another (its `collector` id changed) or when nothing was heard of it for long.
"""

from __future__ import annotations

import msgspec

from fenghuo.errors import WireError
from fenghuo.wire.unreadable import UNREADABLE

MAX_ACK = 2**20


class Span(msgspec.Struct, array_like=True, frozen=True):
    """The sequence numbers `first` to `last`, both included."""

    first: int
    last: int


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """A batch that no sending can mend: the agent counts it as lost, logs `reason` and forgets it."""

    sequence: int
    reason: str


class Ack(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer about one stream of one spool. `collector` is the id of the collector's run."""

    collector: str
    spool: str
    stream: str
    received: list[Span] = []
    committed: list[Span] = []
    refused: list[Refusal] = []


_decoder = msgspec.msgpack.Decoder(Ack)
_encode = msgspec.msgpack.Encoder().encode


def encode_ack(ack: Ack) -> bytes:
    return _encode(ack)


def decode_ack(data: bytes) -> Ack:
    """Read an answer; `WireError` where it is none."""
    if len(data) > MAX_ACK:
        raise WireError("too_large", f"an acknowledgement of {len(data)} bytes; at most {MAX_ACK} are taken")
    try:
        return _decoder.decode(data)
    except UNREADABLE as error:
        raise WireError("ack", f"no acknowledgement: {error}") from None


def spans(numbers: list[int]) -> list[Span]:
    """The fewest spans that hold exactly these numbers (any order, no repetitions)."""
    found: list[Span] = []
    for number in sorted(numbers):
        if found and found[-1].last == number - 1:
            found[-1] = Span(found[-1].first, number)
        else:
            found.append(Span(number, number))
    return found
