"""What comes of knocking: devices that open, devices that stay locked, and counts of everything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.message import Envelope


class Opened(NamedTuple):
    """A device that let a credential in; `engine` is its v3 engine's id, empty where it was not asked."""

    target: Target
    credential: Credential
    label: str
    envelope: Envelope
    engine: bytes
    how: str


class Locked(NamedTuple):
    """A device that speaks SNMP but let no credential in: credential → why."""

    target: Target
    engine: bytes
    refused: dict[str, str]


@dataclass(slots=True)
class Counts:
    """What happened, in addresses and datagrams."""

    asked: int = 0
    datagrams: int = 0
    opened: int = 0
    locked: int = 0
    closed: int = 0
    nobody: int = 0
    forbidden: int = 0
    silent: int = 0
    flooding: int = 0
    foreign: int = 0
    malformed: int = 0
    astray: int = 0
    sessions: int = 0
