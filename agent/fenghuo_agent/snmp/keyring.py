"""From a credential to the envelope of one device; a v3 user's keys are stretched once for all devices."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.message import Community, Envelope
from fenghuo_agent.snmp.usm import User, Usm


class Keyring:
    """Envelopes for credentials. `monotonic` gives seconds, by which engine times are reckoned on."""

    def __init__(self, monotonic: Callable[[], float], random: Random) -> None:
        self._monotonic = monotonic
        self._random = random
        self._users: dict[Credential, User] = {}

    def envelope(self, credential: Credential) -> Envelope:
        """A new envelope for one device."""
        if credential.community is not None:
            return Community(credential.community.reveal(), version=1 if credential.protocol == "1" else 2)
        user = self._users.get(credential)
        if user is None:
            user = self._users[credential] = User(credential)
        return Usm(user, self._monotonic, self._random)
