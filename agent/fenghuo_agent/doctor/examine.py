"""Examining one device: is there a way, does SNMP answer, are we let in, and what are we shown?

The first fault found is the one to mend: what comes after it would only follow from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from random import Random

from fenghuo.clock import Clock
from fenghuo_agent.doctor.findings import Cause, Finding, Result, unanswered, wrong
from fenghuo_agent.doctor.knock import knock, refusal, routed
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.ber import Malformed, Oid
from fenghuo_agent.snmp.errors import Denied, Flooded, SnmpError, Unanswered
from fenghuo_agent.snmp.keyring import Keyring
from fenghuo_agent.snmp.message import AUTHORIZATION_ERROR, GET
from fenghuo_agent.snmp.presence import present
from fenghuo_agent.snmp.session import Session, Timing
from fenghuo_agent.snmp.traffic import Traffic
from fenghuo_agent.snmp.usm import User, Usm

SYS_UPTIME = ber.tlv(ber.SEQUENCE, ber.oid((1, 3, 6, 1, 2, 1, 1, 3, 0)) + b"\x05\x00")
SLOW = 1.0
SAMPLES = 3
NOBODY = Credential.model_validate({"user": "fenghuo-doctor"})
PARTS: dict[str, Oid] = {
    "system": (1, 3, 6, 1, 2, 1, 1),
    "interfaces (IF-MIB)": (1, 3, 6, 1, 2, 1, 2, 2),
    "64-bit counters (IF-MIB ifXTable)": (1, 3, 6, 1, 2, 1, 31, 1, 1),
    "parts (ENTITY-MIB)": (1, 3, 6, 1, 2, 1, 47, 1, 1),
    "neighbours (LLDP-MIB)": (1, 0, 8802, 1, 1, 2),
    "forwarding table (BRIDGE-MIB)": (1, 3, 6, 1, 2, 1, 17),
    "the maker's own (enterprises)": (1, 3, 6, 1, 4, 1),
}
NEEDED = ("system", "interfaces (IF-MIB)")
_REPORTS = {
    "unknownUserNames": Cause.USER,
    "wrongDigests": Cause.AUTHENTICATION,
    "decryptionErrors": Cause.PRIVACY,
    "unsupportedSecLevels": Cause.LEVEL,
    "notInTimeWindows": Cause.ENGINE_TIME,
    "unknownEngineIDs": Cause.ENGINE_TIME,
    "authorizationError": Cause.VIEW,
}


class Doctor:
    """Examines devices. `timing` is how long one answer is waited for, and how often is asked again."""

    def __init__(self, timing: Timing, clock: Clock, random: Random) -> None:
        self._timing = timing
        self._clock = clock
        self._random = random
        self._keyring = Keyring(clock.monotonic, random)

    async def examine(self, target: Target, credentials: Sequence[Credential]) -> list[Finding]:
        """What was found, in the order in which it was looked at."""
        findings: list[Finding] = []
        engine = await self._engine(target, findings)
        if engine is None:
            return findings
        failures: list[Finding] = []
        for credential in credentials:
            finding = await self._credential(target, credential, engine=engine)
            if finding.result is Result.OK:
                findings.append(finding)
                findings += await self._look(target, credential)
                return findings
            failures.append(finding)
        return findings + failures

    async def _engine(self, target: Target, findings: list[Finding]) -> bool | None:
        """Whether a v3 engine answers, which tells that datagrams pass; None where the network refuses already."""
        probe = Usm(User(NOBODY), self._clock.monotonic, self._random)
        request_id = self._random.getrandbits(31)
        knocked = await knock(target, probe.discovery(request_id), self._timing.timeout)
        if (refused := refusal(target, knocked)) is not None:
            findings.append(refused)
            return None
        findings.append(routed(knocked))
        if knocked.answer is None:
            return False
        try:
            probe.discovered(knocked.answer, request_id)
        except Malformed:
            findings.append(wrong("service", "what answers speaks no SNMP", Cause.SERVICE, Result.DOUBT))
            return False
        engine = probe.engine
        if engine is not None:
            said = f"an engine answers: id {engine.id.hex()}, started {engine.boots} times, up for {engine.time} s"
            findings.append(Finding("service", Result.OK, said))
        return True

    async def _credential(self, target: Target, credential: Credential, *, engine: bool) -> Finding:
        name = f"credential {credential.name}".strip() if credential.name else f"v{credential.protocol} credential"
        try:
            async with self._session(target, credential) as session:
                pdu = await session.ask(GET, SYS_UPTIME)
        except Denied as denied:
            return await self._denied(target, credential, name, denied)
        except Unanswered:
            return await self._silent(target, credential, name, engine=engine)
        except Flooded as error:
            return wrong(name, str(error), Cause.DEVICE)
        except SnmpError as error:
            return wrong(name, str(error), Cause.SERVICE)
        if pdu.status == AUTHORIZATION_ERROR:
            # A device may let a user in below his level, and show him nothing there.
            low = credential.user is not None and (credential.auth is None or credential.priv is None)
            cause = Cause.LEVEL if low else Cause.VIEW
            return wrong(name, "let in, but allowed to read nothing (authorizationError)", cause)
        return Finding(name, Result.OK, f"let in by version {credential.protocol}")

    async def _denied(self, target: Target, credential: Credential, name: str, denied: Denied) -> Finding:
        if denied.report != "silence":
            return wrong(name, f"the device reports {denied.report}", _REPORTS.get(denied.report, Cause.DEVICE))
        if credential.priv is None:
            return wrong(name, "the engine says who it is, but does not answer the user", Cause.USER)
        # Silence to an encrypted question: whether the signature alone is right, a question in the clear tells.
        plain = credential.replace(priv=None)
        try:
            async with self._session(target, plain) as session:
                await session.ask(GET, SYS_UPTIME)
        except Denied as inner:
            cause = (
                Cause.PRIVACY if inner.report == "unsupportedSecLevels" else _REPORTS.get(inner.report, Cause.PRIVACY)
            )
            return wrong(name, f"silence when encrypted, {inner.report} when not", cause)
        except SnmpError:
            return wrong(name, "the engine says who it is, but does not answer the encrypted question", Cause.PRIVACY)
        return wrong(name, "answered in the clear, silence when encrypted", Cause.PRIVACY)

    async def _silent(self, target: Target, credential: Credential, name: str, *, engine: bool) -> Finding:
        if credential.user is None and engine:
            return wrong(name, "its v3 engine answers, this community does not", Cause.COMMUNITY)
        alive = await pings(target, self._timing.timeout)
        finding = unanswered(name, alive=alive)
        if credential.user is not None or not alive:
            return finding
        more, more_zh = finding.advice, finding.advice_zh
        return Finding(
            name, Result.WRONG, finding.said, Cause.COMMUNITY,
            f"{more} A wrong community is met with silence, too: compare it with the device's.",
            f"{more_zh}团体字错误时设备同样不应答：请核对设备上的团体字。",
        )  # fmt: skip

    async def _look(self, target: Target, credential: Credential) -> list[Finding]:
        """What we are shown, and how fast."""
        findings: list[Finding] = []
        try:
            async with self._session(target, credential) as session:
                seconds: list[float] = []
                for _ in range(SAMPLES):
                    started = self._clock.monotonic()
                    await session.ask(GET, SYS_UPTIME)
                    seconds.append(self._clock.monotonic() - started)
                there = await present(session, PARTS.values())
        except SnmpError as error:
            return [wrong("view", f"asked for more, it fails: {error}", Cause.DEVICE, Result.DOUBT)]
        shown = [part for part, oid in PARTS.items() if oid in there]
        missing = [part for part in PARTS if part not in shown]
        said = f"shown: {', '.join(shown) or 'nothing'}" + (f"; not: {', '.join(missing)}" if missing else "")
        if any(part in missing for part in NEEDED):
            findings.append(wrong("view", said, Cause.VIEW))
        else:
            findings.append(Finding("view", Result.OK, said))
        middle = sorted(seconds)[len(seconds) // 2]
        speed = f"an answer takes {1000 * middle:.0f} ms"
        slow = middle > SLOW or session.retried > 0
        findings.append(
            wrong("speed", speed, Cause.DEVICE, Result.DOUBT) if slow else Finding("speed", Result.OK, speed)
        )
        return findings

    @contextlib.asynccontextmanager
    async def _session(self, target: Target, credential: Credential):  # noqa: ANN202 — contextlib's own
        session = Session(target, self._keyring.envelope(credential), self._timing, self._random, Traffic())
        with session.open(30.0):
            yield session


async def pings(target: Target, seconds: float) -> bool | None:
    """Whether the host answers an ICMP echo; None where this host may not ask."""
    from fenghuo_agent.inputs.probe.echo import EchoSocket, Strays  # noqa: PLC0415 — only in doubt
    from fenghuo_agent.inputs.probe.outcome import CannotProbe, ProbeFailed  # noqa: PLC0415 — as above
    from fenghuo_agent.inputs.probe.resolve import Address  # noqa: PLC0415 — as above

    family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
    echoes = EchoSocket(family, Strays(), time.monotonic_ns, time.time_ns)
    try:
        echoes.open()
        _, reply = echoes.send(Address(family, (target.host, 0, 0, 0) if ":" in target.host else (target.host, 0)), 56)
        await asyncio.wait_for(reply, seconds)
    except (TimeoutError, ProbeFailed):
        return False
    except CannotProbe:
        return None
    finally:
        echoes.close()
    return True
