"""One thing that is asked: an address of an entry of `targets`, with the entry's options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from fenghuo_agent.inputs.probe.options import Options

Settings_co = TypeVar("Settings_co", bound=Options, covariant=True)


@dataclass(frozen=True, slots=True)
class Target(Generic[Settings_co]):
    """What is asked, and how it is called.

    `kind`      the label `module`: `icmp`, `tcp`, `http`, `dns`, `ntp`, `rtsp`, `onvif`
    `instance`  what is asked, as the configuration says it: an address, `host:port`, a URL
    `host`      the name or address that is asked; 0 is the `port` of kinds without one
    `path`      of a URL, with its query
    `interval`, `timeout`  in seconds
    """

    kind: str
    instance: str
    device: str
    host: str
    port: int
    path: str
    interval: float
    timeout: float
    labels: Mapping[str, str]
    settings: Settings_co
