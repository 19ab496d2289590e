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
    """The rules. Without users everyone may do everything: the configuration allows that on loopback only."""

    def __init__(self, users: Iterable[UserConfig] = ()) -> None:
        self._users = {user.name: user for user in users}

    @property
    def open(self) -> bool:
        return not self._users

    async def admits(self, name: str | None, password: str | None) -> bool:
        """Whether this user may connect."""
        if self.open:
            return True
        user = self._users.get(name or "")
        if user is None:
            return False
        known, given = user.password.reveal(), password or ""
        if known.startswith(_HASH):
            return await asyncio.to_thread(_verify, known, given)
        return hmac.compare_digest(known.encode(), given.encode())

    def allows(self, name: str | None, topic: str) -> bool:
        """Whether this user may publish to, subscribe to or receive from a topic or filter."""
        if self.open:
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
        return await self._access.admits(session.username, session.password)


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
        del action  # who may read a topic may write it: the collector believes only signed control anyway
        return self._access.allows(session.username if session else None, topic or "")
