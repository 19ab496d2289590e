"""The lines of a file of any size: none longer than a bound is ever held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from fenghuo.rules.indicators.entry import Refused

MAX_LINE = 8_192


def read_lines(stream: BinaryIO, refused: Refused) -> Iterator[tuple[int, str]]:
    """Number and text of each line; what is too long or no UTF-8 is refused."""
    number = 0
    while data := stream.readline(MAX_LINE):
        number += 1
        if len(data) == MAX_LINE and not data.endswith(b"\n"):
            refused.add("line too long", number, data[:60])
            while (more := stream.readline(MAX_LINE)) and not more.endswith(b"\n"):
                pass
            continue
        if number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            yield number, data.decode("utf-8")
        except UnicodeDecodeError:
            refused.add("no UTF-8", number, data[:60])
