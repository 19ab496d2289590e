"""Who may look: password hashes from the configuration, sessions in memory, a one-time link for the first start.

Sessions end with the process; people then log in again. Every failed login costs its address a growing wait.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fenghuo.clock import Clock

SESSION_COOKIE = "fenghuo_session"
LANGUAGE_COOKIE = "fenghuo_language"
MIN_PASSWORD = 10
_MAX_SESSIONS = 10_000
_MAX_ADDRESSES = 10_000
_FREE_ATTEMPTS = 5
_LONGEST_WAIT = 300.0
_LINK_SECONDS = 3600

Token = Callable[[], str]


def new_token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Session:
    """A login: whose, until when (seconds of the monotonic clock), and the token that its forms must carry."""

    user: str
    ends: float
    csrf: str


class Accounts:
    """User names and Argon2id hashes: the configuration's, and those made through the one-time link.

    The latter are kept in `path` (mode 0600); the configuration's win.
    """

    def __init__(self, configured: Mapping[str, str], path: Path) -> None:
        self._configured = dict(configured)
        self._path = path
        self._hasher = PasswordHasher()
        self._decoy = self._hasher.hash(secrets.token_hex(16))

    def _all(self) -> dict[str, str]:
        try:
            stored: dict[str, str] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            stored = {}
        return {**stored, **self._configured}

    @property
    def empty(self) -> bool:
        return not self._all()

    def check(self, user: str, password: str) -> bool:
        """Whether the password is the user's; takes as long for a name that nobody has."""
        known = self._all().get(user)
        try:
            return self._hasher.verify(known or self._decoy, password) and known is not None
        except (VerificationError, InvalidHashError):
            return False

    def add(self, user: str, password: str) -> None:
        """Keep a new user; ValueError where the password is too short or the name is taken or empty."""
        if not user.strip() or user in self._all():
            raise ValueError("user")
        if len(password) < MIN_PASSWORD:
            raise ValueError("password")
        users = {**self._all(), user: self._hasher.hash(password)}
        kept = {name: value for name, value in users.items() if name not in self._configured}
        partial = self._path.with_suffix(".new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(kept, file)
        partial.replace(self._path)


class Sessions:
    """Logins by their cookie, of which only a hash is kept; the oldest go when there are too many."""

    def __init__(self, clock: Clock, seconds: float, token: Token = new_token) -> None:
        self._clock = clock
        self._seconds = seconds
        self._token = token
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, user: str) -> str:
        """Begin a session; returns its cookie."""
        cookie = self._token()
        self._sessions[_digest(cookie)] = Session(user, self._clock.monotonic() + self._seconds, self._token())
        while len(self._sessions) > _MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        session = self._sessions.get(_digest(cookie))
        if session is None or session.ends < self._clock.monotonic():
            return None
        return session

    def close(self, cookie: str) -> None:
        self._sessions.pop(_digest(cookie), None)


class Throttle:
    """Makes guessing slow: after a few failures each address waits, twice as long each time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again."""
        _, until = self._failures.get(address, (0, 0.0))
        return max(0.0, until - self._clock.monotonic())

    def failed(self, address: str) -> None:
        count = self._failures.pop(address, (0, 0.0))[0] + 1
        pause = min(2.0 ** max(0, count - _FREE_ATTEMPTS), _LONGEST_WAIT) if count >= _FREE_ATTEMPTS else 0.0
        self._failures[address] = (count, self._clock.monotonic() + pause)
        while len(self._failures) > _MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        self._failures.pop(address, None)


class OneTimeLink:
    """Lets the first person in while nobody has a password: good once, for an hour."""

    def __init__(self, clock: Clock, token: Token = new_token) -> None:
        self._clock = clock
        self.token = token()
        self._until = clock.monotonic() + _LINK_SECONDS
        self._used = False

    def valid(self, token: str) -> bool:
        fresh = not self._used and self._clock.monotonic() < self._until
        return fresh and hmac.compare_digest(token.encode(), self.token.encode())

    def use(self) -> None:
        self._used = True


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
