"""The wire between agent and collector; docs/reference/wire.md is its specification."""

from fenghuo.wire.ack import Ack, Span, decode_ack, encode_ack
from fenghuo.wire.body import Items, WireTable, decode_items, encode_events, encode_tables
from fenghuo.wire.frame import MAX_BODY, MAX_FRAME, Frame, decode_frame, decompress, encode_frame, split_frame
from fenghuo.wire.topic import Stream, Topic

__all__ = [
    "MAX_BODY",
    "MAX_FRAME",
    "Ack",
    "Frame",
    "Items",
    "Span",
    "Stream",
    "Topic",
    "WireTable",
    "decode_ack",
    "decode_frame",
    "decode_items",
    "decompress",
    "encode_ack",
    "encode_events",
    "encode_frame",
    "encode_tables",
    "split_frame",
]
