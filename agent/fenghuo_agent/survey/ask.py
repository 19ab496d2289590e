"""Opening a session with the first credential that a device answers to."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from fenghuo.clock import Clock
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.errors import Denied, SnmpError, Unanswered
from fenghuo_agent.snmp.keyring import Keyring
from fenghuo_agent.snmp.message import AUTHORIZATION_ERROR, GET
from fenghuo_agent.snmp.session import Session, Timing
from fenghuo_agent.snmp.traffic import Traffic

SYS_UPTIME = ber.tlv(ber.SEQUENCE, ber.oid((1, 3, 6, 1, 2, 1, 1, 3, 0)) + b"\x05\x00")


async def opened(
    target: Target, credentials: Sequence[Credential], timing: Timing, deadline: float, clock: Clock, random: Random
) -> tuple[Session, Credential]:
    """An open session with a device, and the credential that it takes. Raises `SnmpError` where none is taken."""
    keyring = Keyring(clock.monotonic, random)
    errors: list[SnmpError] = []
    for credential in credentials:
        session = Session(target, keyring.envelope(credential), timing, random, Traffic()).open(deadline)
        try:
            await _knock(session)
        except (Unanswered, Denied) as error:
            session.close()
            errors.append(error)
        except BaseException:
            session.close()
            raise
        else:
            return session, credential
    raise next((error for error in errors if isinstance(error, Denied)), errors[-1])


async def _knock(session: Session) -> None:
    """Ask for sysUpTime; any answer but a refusal will do."""
    pdu = await session.ask(GET, SYS_UPTIME)
    if pdu.status == AUTHORIZATION_ERROR:
        raise Denied("authorizationError")
