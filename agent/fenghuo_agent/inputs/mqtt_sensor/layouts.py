"""Layouts of sensors' tables, shared between messages, and the guard over how many devices there may be."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from fenghuo.model import Layout

Key = tuple[tuple[tuple[str, str], ...], tuple[str, ...], tuple[str, ...]]


class LayoutCache:
    """The same labels, channels and fields give the same `Layout`; the longest unused is forgotten first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._layouts: OrderedDict[Key, Layout] = OrderedDict()

    def __len__(self) -> int:
        return len(self._layouts)

    def get(self, labels: Mapping[str, str], channels: Sequence[str], fields: Sequence[str]) -> Layout:
        key = (tuple(labels.items()), tuple(channels), tuple(fields))
        layout = self._layouts.get(key)
        if layout is None:
            rows = {} if tuple(channels) == ("",) else {"channel": tuple(channels)}
            layout = self._layouts[key] = Layout("sensor", dict(labels), rows, tuple(fields))
            if len(self._layouts) > self._size:
                self._layouts.popitem(last=False)
        else:
            self._layouts.move_to_end(key)
        return layout


class DeviceGuard:
    """Bounds how many devices (and parts of them) may make series. One that was silent for `forget` ms makes room."""

    def __init__(self, most: int, forget: int) -> None:
        self._most = most
        self._forget = forget
        self._heard: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heard)

    def admit(self, keys: Sequence[tuple[str, ...]], now: int) -> bool:
        """Whether all of these may speak at `now` (Unix milliseconds); if not, none of them is noted."""
        fresh = [key for key in keys if key not in self._heard]
        while len(self._heard) + len(fresh) > self._most:
            oldest = next(iter(self._heard), None)
            if oldest is None or now - self._heard[oldest] < self._forget:
                return False
            del self._heard[oldest]
        for key in keys:
            self._heard[key] = now
            self._heard.move_to_end(key)
        return True
