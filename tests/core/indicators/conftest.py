from __future__ import annotations

import io

import pytest

from fenghuo.rules.indicators import ListInfo, ListSource, Type, set_of
from fenghuo.rules.indicators.entry import Refused, read_value
from fenghuo.rules.indicators.readers import read_entries


class Read:
    """What a reader made of a file's content: `values` as (type, text), and what it refused."""

    def __init__(self, content, file="feed.txt", **options):
        self.refused = Refused()
        source = ListSource(file=file, **options)
        self.entries = list(read_entries(io.BytesIO(content), source, self.refused))
        self.set = set_of([(ListInfo("feed"), self.entries)])

    @property
    def values(self):
        return [(entry.type.word, shown(entry)) for entry in self.entries]

    @property
    def reasons(self):
        return dict(self.refused.counts)


def shown(entry):
    if entry.type is Type.HASH:
        return entry.key.hex()
    if entry.type is Type.IP:
        import ipaddress

        text = str(ipaddress.ip_address(entry.key))
        text += "" if entry.prefix is None else f"/{entry.prefix}"
        return text if entry.port is None else f"{text}:{entry.port}"
    return entry.key


@pytest.fixture
def read():
    return lambda content, *args, **options: Read(
        content.encode() if isinstance(content, str) else content, *args, **options
    )


@pytest.fixture
def make_set():
    """A set of lists, each `name=[indicators]`, or a tuple of options of the list and its indicators."""

    def make(**lists):
        made = []
        for name, content in lists.items():
            options, texts = content if isinstance(content, tuple) else ({}, content)
            entries = [text if not isinstance(text, str) else read_value(text) for text in texts]
            made.append((ListInfo(name, **options), entries))
        return set_of(made)

    return make
