"""Which questions are asked at an address of which nothing is known, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential

KNOCK = ber.tlv(ber.SEQUENCE, ber.oid((1, 3, 6, 1, 2, 1, 1, 2, 0)) + b"\x05\x00")
"""sysObjectID.0: small, and every agent has it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One datagram's worth: a community in one version, or who the v3 engine is. `credential` is the one to go on with."""

    kind: Literal["community", "engine"]
    credential: Credential


def questions(credentials: Sequence[Credential], retries: int) -> tuple[Question, ...]:
    """What an address is asked until it answers.

    In the order of the credentials: each community by v2c, and once, where the first user stands, who its v3 engine is,
    which costs no attempt at any user. Then v1, which only old devices need, and which tells of those that lost the
    first question as well. Then all but v1 again, `retries` times.
    """
    first: list[Question] = []
    last: list[Question] = []
    for credential in credentials:
        if credential.user is not None:
            if all(question.kind != "engine" for question in first):
                first.append(Question("engine", credential))
        elif credential.protocol == "1":
            first.append(Question("community", credential))
        else:
            first.append(Question("community", credential))
            if credential.version is None:
                last.append(Question("community", credential.replace(version="1")))
    return (*first, *last, *first * retries)


def label_of(credential: Credential, place: int) -> str:
    """What a credential is called in what people read: its name, else its kind and place. Never a secret."""
    if credential.name:
        return credential.name
    return f"user {credential.user}" if credential.user is not None else f"community {place + 1}"


class Plan:
    """What is asked with a list of credentials."""

    def __init__(self, credentials: Sequence[Credential], retries: int) -> None:
        self.questions = questions(credentials, retries)
        self.users = tuple(credential for credential in credentials if credential.user is not None)
        self.labels = {credential: label_of(credential, place) for place, credential in enumerate(credentials)}
        self.newer = {
            credential.replace(version="1"): credential
            for credential in credentials
            if credential.user is None and credential.version is None
        }
        self.labels |= {older: self.labels[newer] for older, newer in self.newer.items()}
