"""How a device lets itself be asked: its session, and the credential that is let in."""

from __future__ import annotations

from collections.abc import Sequence

from fenghuo.config import Secret
from fenghuo_agent.inputs.snmp import config, mibs
from fenghuo_agent.inputs.snmp.config import SnmpConfig
from fenghuo_agent.inputs.snmp.shared import Shared
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.errors import Denied, Flooded, Refused, SnmpError, Unanswered
from fenghuo_agent.snmp.manners import Manners
from fenghuo_agent.snmp.message import AUTHORIZATION_ERROR, GET, Envelope
from fenghuo_agent.snmp.objects import SCALAR
from fenghuo_agent.snmp.session import Session, Timing

PROBE = ber.tlv(ber.SEQUENCE, mibs.SYS_UPTIME.instance(SCALAR) + b"\x05\x00")
ONCE = 0.9
"""Of the time-out: less than the least wait for an answer."""
UPGRADES_APART = 86_400.0
"""Seconds between two attempts to speak 2c to a device that answered only version 1."""
TRY_ALL = 10
"""After so many failures in a row the other credentials are tried as well."""


class Reach:
    """Finds a credential that is let in and stays with it; `silent` says that the last contact met with silence."""

    __slots__ = ("_candidates", "_credential", "_fallbacks", "_shared", "_upgrade_at", "session", "silent")

    def __init__(self, settings: config.Device, shared: Shared) -> None:
        options = shared.config
        self._shared = shared
        self._candidates = options.credentials_of(settings)
        self._fallbacks = _in_version_1(self._candidates)
        self._credential: Credential | None = None
        self._upgrade_at = 0.0
        self.silent = False
        envelope = shared.keyring.envelope(self._candidates[0])
        manners = Manners(_pace(settings, options))
        self.session = Session(settings.target, envelope, _timing(options), shared.random, shared.tally, manners)

    def reconfigure(self, settings: config.Device) -> bool:
        """Take other options and credentials; the one in use is kept where it is still among them. Whether it is."""
        options = self._shared.config
        self._candidates = options.credentials_of(settings)
        self._fallbacks = _in_version_1(self._candidates)
        self.session.retime(_timing(options))
        self.session.manners.gap = _pace(settings, options)
        if self._credential in self._candidates or self._credential in self._fallbacks:
            return True
        self._credential = None
        self.session.envelope = self._shared.keyring.envelope(self._candidates[0])
        return False

    @property
    def settled(self) -> bool:
        """Whether a credential is known to be let in."""
        return self._credential is not None

    def visit(self) -> Session:
        """A new, unopened session with the credential in use; it shares the device's manners and engine."""
        options, mine = self._shared.config, self.session
        return Session(
            mine.target, mine.envelope, _timing(options), self._shared.random, self._shared.tally, mine.manners
        )

    def in_vlan(self, number: int) -> Envelope:
        """By what a Cisco switch is asked for the bridge of one VLAN: `community@vlan`, in v3 the context `vlan-<number>`."""
        credential = self._credential or self._candidates[0]
        if credential.community is None:
            changed = credential.model_copy(update={"context": f"vlan-{number}"})
        else:
            community = Secret(f"{credential.community.reveal()}@{number}")
            changed = credential.model_copy(update={"community": community})
        return self._shared.keyring.envelope(changed)

    async def contact(self, failures: int) -> None:
        """Find out cheaply whether the device answers, after so many failures in a row.

        Raises `SnmpError` where it does not.
        """
        self.silent = False
        try:
            with self.session.open(self._shared.config.deadline) as session:
                await self._introduce(session, failures)
        except (Unanswered, Refused):
            self.silent = True
            raise

    async def stirs(self) -> bool:
        """Whether a silent device answers one question, asked once; with several credentials to try, none is asked."""
        if self._credential is None and len(self._candidates) > 1:
            return False
        try:
            # So short that there is no time to ask again.
            with self.session.open(self._shared.config.timeout * ONCE) as session:
                await knock(session)
        except (Unanswered, Refused, Flooded):
            return False
        except SnmpError:
            return True
        return True

    async def upgrade(self) -> None:
        """Where version 1 is spoken for want of 2c: see now and then whether the device answers 2c. Within an open session."""
        now = self._shared.clock.monotonic()
        used = self._credential
        if used is None or used not in self._fallbacks or now < self._upgrade_at:
            return
        self._upgrade_at = now + UPGRADES_APART
        session, before = self.session, self.session.envelope
        plain = used.model_copy(update={"version": None})
        session.envelope = self._shared.keyring.envelope(plain)
        try:
            await knock(session)
        except (Unanswered, Denied):
            session.envelope = before
        else:
            self._credential = plain

    async def _introduce(self, session: Session, failures: int) -> None:
        """Find a credential that is let in; for a known device, a question that costs little."""
        if self._credential is not None and failures % TRY_ALL:
            await knock(session)
            return
        errors: list[SnmpError] = []
        # Version 1 where 2c meets with silence, but seldom: a dead device is silent too, and its contact takes long.
        fallbacks = self._fallbacks if not failures % TRY_ALL else ()
        for credential in (*self._candidates, *fallbacks):
            if credential != self._credential:
                session.envelope = self._shared.keyring.envelope(credential)
            try:
                await knock(session)
            except (Unanswered, Denied) as error:
                errors.append(error)
            else:
                self._credential = credential
                self._upgrade_at = self._shared.clock.monotonic() + UPGRADES_APART
                return
        self._credential = None
        if self._fallbacks:
            session.envelope = self._shared.keyring.envelope(self._candidates[0])
        raise next((error for error in errors if isinstance(error, Denied)), errors[-1])


async def knock(session: Session) -> None:
    """Ask for sysUpTime; any answer but a refusal will do."""
    pdu = await session.ask(GET, PROBE)
    if pdu.status == AUTHORIZATION_ERROR:
        raise Denied("authorizationError")


def _in_version_1(candidates: Sequence[Credential]) -> tuple[Credential, ...]:
    """The communities whose version is not given, in version 1."""
    return tuple(
        candidate.model_copy(update={"version": "1"})
        for candidate in candidates
        if candidate.community is not None and candidate.version is None
    )


def _timing(options: SnmpConfig) -> Timing:
    return Timing(options.timeout, options.retries)


def _pace(settings: config.Device, options: SnmpConfig) -> float:
    return options.pace if settings.pace is None else settings.pace
