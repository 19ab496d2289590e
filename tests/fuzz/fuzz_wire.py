"""A fuzz target for the wire decoder: `pip install atheris`, then `python tests/fuzz/fuzz_wire.py -max_total_time=60`.

Anything but a batch or a `WireError` is a finding.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports():
    from fenghuo.errors import WireError
    from fenghuo.wire import decode_ack, decode_frame, decode_items


def one_input(data: bytes) -> None:
    with contextlib.suppress(WireError):
        decode_ack(data)
    for tables in (True, False):
        with contextlib.suppress(WireError):
            decode_items(data, tables=tables)
    try:
        _, body = decode_frame(data)
        decode_items(body, tables=True)
    except WireError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
