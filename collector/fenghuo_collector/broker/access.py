"""Who may connect to the embedded broker, and use which topics; as plugins, which is how amqtt asks."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from amqtt.contexts import Action, BaseContext  # pyright: ignore[reportMissingTypeStubs]
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin, BaseTopicPlugin  # pyright: ignore[reportMissingTypeStubs]
from amqtt.session import Session  # pyright: ignore[reportMissingTypeStubs]
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fenghuo.wire.topic import ROOT
from fenghuo_collector.broker.config import UserConfig

_HASH = "$argon2"


class Access:
    """The rules. Without users everyone may do everything: the configuration allows that on loopback only, or with TLS.

    `own` is the collector in this process, which alone may come in by its own door; `inside` are the addresses and
    ports of the peers at that door, as they come and go.
    """

    def __init__(self, users: Iterable[UserConfig] = (), own: UserConfig | None = None) -> None:
        self._users = {user.name: user for user in users}
        self._own = own
        self.inside: set[tuple[str, int]] = set()

    async def admits(self, name: str | None, password: str | None, peer: tuple[str | None, int | None]) -> bool:
        """Whether this user may connect from this address and port."""
        if peer in self.inside:
            user = self._own if self._own is not None and name == self._own.name else None
        elif not self._users:
            return True
        else:
            user = self._users.get(name or "")
        if user is None:
            return False
        known, given = user.password.reveal(), password or ""
        if known.startswith(_HASH):
            return await asyncio.to_thread(_verify, known, given)
        return hmac.compare_digest(known.encode(), given.encode())

    def allows(self, name: str | None, topic: str) -> bool:
        """Whether this user may publish to, subscribe to or receive from a topic or filter."""
        if not self._users or (self._own is not None and name == self._own.name):
            return True
        user = self._users.get(name or "")
        if user is None:
            return False
        # No wildcard leads out of what stands before it, so a prefix is enough for filters too.
        return user.agent is None or topic.startswith(f"{ROOT}/{user.agent}/")


def _verify(known: str, given: str) -> bool:
    try:
        return PasswordHasher().verify(known, given)
    except (VerificationError, InvalidHashError):
        return False


class Admission(BaseAuthPlugin):
    """Asked at each connection."""

    @dataclass
    class Config(BasePlugin.Config):
        access: Access = field(default_factory=Access)

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._access: Access = self._get_config_option("access")

    async def authenticate(self, *, session: Session) -> bool | None:
        peer = session.remote_address, session.remote_port
        return await self._access.admits(session.username, session.password, peer)


class Topics(BaseTopicPlugin):
    """Asked at each publication, subscription and delivery."""

    @dataclass
    class Config(BasePlugin.Config):
        access: Access = field(default_factory=Access)

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._access: Access = self._get_config_option("access")

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool | None:
        del action  # an agent that writes where only collectors should (its own ack) harms itself alone
        return self._access.allows(session.username if session else None, topic or "")
