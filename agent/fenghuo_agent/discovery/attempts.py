"""How often v3 users may be tried wrongly, so that no device locks one out.

Some makers' devices lock a user after a few wrong passwords, and may do so for everyone. A device is known by its
engine id here, whatever address it is asked at. Every request that is sent in a user's name counts as wrong until its
answer proves it right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, cast

from fenghuo.clock import Clock
from fenghuo_agent.snmp.access import Credential

DAY_MS = 86_400_000
MOST_ENGINES = 8192
"""Remembered at most; the ones that were tried longest ago are forgotten first."""
_ROUNDS = 50_000


class Attempts:
    """Wrong attempts by engine and user, within a day. At most `most` of each; a credential that was refused is not repeated.

    `salt` goes into the marks by which credentials are known again, which do not give them away.
    """

    def __init__(self, most: int, clock: Clock, salt: bytes) -> None:
        self._most = most
        self._clock = clock
        self._salt = salt
        self._marks: dict[Credential, str] = {}
        self._tried: dict[str, dict[str, _Tried]] = {}
        self.withheld = 0

    def refusal(self, engine: bytes, credential: Credential) -> str | None:
        """Why a user must not be tried at an engine now: what it said before, or `limit`; None where it may be."""
        tried = self._of(engine, credential.user or "")
        if tried is None:
            return None
        known = tried.refused.get(self._mark(credential))
        if known is not None or tried.wrong >= self._most:
            self.withheld += 1
            return known or "limit"
        return None

    def sent(self, engine: bytes, credential: Credential) -> None:
        """A request is about to be sent in the user's name."""
        user = credential.user or ""
        tried = self._of(engine, user)
        if tried is None:
            tried = _Tried(self._clock.now())
            self._tried.setdefault(engine.hex(), {})[user] = tried
            self._bound()
        tried.wrong += 1

    def harmless(self, engine: bytes, credential: Credential) -> None:
        """The engine believed the request: it was no wrong attempt."""
        tried = self._of(engine, credential.user or "")
        if tried is not None:
            tried.wrong = max(0, tried.wrong - 1)

    def refused(self, engine: bytes, credential: Credential, reason: str) -> None:
        """The engine refused the user: the same is not tried again within the day."""
        tried = self._of(engine, credential.user or "")
        if tried is not None:
            tried.refused[self._mark(credential)] = reason

    def dump(self) -> dict[str, Any]:
        """What is remembered, as plain data."""
        return {
            engine: {
                user: {"since": tried.since, "wrong": tried.wrong, "refused": dict(tried.refused)}
                for user, tried in users.items()
                if tried.wrong or tried.refused
            }
            for engine, users in self._tried.items()
        }

    def restore(self, remembered: object) -> None:
        """Take over what `dump` gave, of this process or another; where both know, what counts more. Raises ValueError."""
        for engine, users in _mapping(remembered).items():
            for user, fields in _mapping(users).items():
                content = _mapping(fields)
                since, wrong = content.get("since"), content.get("wrong")
                if not isinstance(since, int) or not isinstance(wrong, int):
                    raise ValueError("attempts without a time or a number")  # noqa: TRY004 — see below
                refused = {mark: str(reason) for mark, reason in _mapping(content.get("refused", {})).items()}
                mine = self._tried.setdefault(str(engine), {}).get(str(user))
                if mine is None or mine.since < since - DAY_MS:
                    self._tried[str(engine)][str(user)] = _Tried(since, wrong, refused)
                else:
                    mine.wrong = max(mine.wrong, wrong)
                    mine.refused |= refused
        self._bound()

    def _of(self, engine: bytes, user: str) -> _Tried | None:
        users = self._tried.get(engine.hex())
        tried = users.get(user) if users else None
        if tried is None or users is None:
            return None
        if self._clock.now() - tried.since >= DAY_MS:
            del users[user]
            return None
        return tried

    def _bound(self) -> None:
        while len(self._tried) > MOST_ENGINES:
            del self._tried[next(iter(self._tried))]

    def _mark(self, credential: Credential) -> str:
        """The same for the same credential, another when its passwords were changed."""
        mark = self._marks.get(credential)
        if mark is None:
            parts: list[str] = [credential.user or "", credential.context]
            for keys in (credential.auth, credential.priv):
                name, secret = keys.chosen() if keys else ("", None)
                parts += [name, secret.reveal() if secret else ""]
            whole = hashlib.pbkdf2_hmac("sha256", "\0".join(parts).encode(), self._salt, _ROUNDS)
            mark = self._marks[credential] = hmac.digest(whole, b"mark", "sha256")[:8].hex()
        return mark


class _Tried:
    """One user at one engine. `since` is Unix milliseconds."""

    __slots__ = ("refused", "since", "wrong")

    def __init__(self, since: int, wrong: int = 0, refused: dict[str, str] | None = None) -> None:
        self.since = since
        self.wrong = wrong
        self.refused = refused or {}


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("attempts that are no mapping")  # noqa: TRY004 — the file's content is wrong, not the program
    return cast("Mapping[str, Any]", value)
