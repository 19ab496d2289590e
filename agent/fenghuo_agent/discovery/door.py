"""One address and port during a scan: what it was asked, what it said, what to ask next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fenghuo_agent.discovery.questions import Question
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.message import Envelope
from fenghuo_agent.snmp.usm import Usm

KEPT = 8
"""Questions whose late answers still count."""


class Asked(NamedTuple):
    """A question that was sent: by its request id an answer is known, by its envelope it is read."""

    request_id: int
    question: Question | None
    credential: Credential
    envelope: Envelope


class Door:
    """`serial` tells its questions apart; `turn` says that it is about to be asked; `engine` the v3 engine's id, `report` how it told so."""

    __slots__ = ("asked", "engine", "how", "ignored", "place", "refused", "report", "serial", "sure", "target", "turn", "users", "usm")  # fmt: skip

    def __init__(self, target: Target, how: str) -> None:
        self.target = target
        self.how = how
        self.place = 0
        self.serial = 0
        self.turn = False
        self.asked: list[Asked] = []
        self.engine = b""
        self.report: tuple[bytes, int] | None = None
        self.users: Iterator[Credential] | None = None
        self.usm: tuple[Credential, Usm, int] | None = None
        self.sure: Asked | None = None
        self.refused: dict[str, str] = {}
        self.ignored = 0

    def note(self, asked: Asked) -> None:
        """Remember what was sent."""
        self.asked.append(asked)
        if len(self.asked) > KEPT:
            del self.asked[0]
