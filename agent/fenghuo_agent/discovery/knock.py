"""Knocking: one question at a time at each address, until a credential is let in or none is left to try."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator
from random import Random

from fenghuo.clock import Clock
from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.door import Asked, Door
from fenghuo_agent.discovery.outcome import Counts, Locked, Opened
from fenghuo_agent.discovery.pace import Pacer, Sleep
from fenghuo_agent.discovery.questions import KNOCK, Plan, Question
from fenghuo_agent.discovery.turns import Turns
from fenghuo_agent.discovery.wire import Wire
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.ber import Malformed
from fenghuo_agent.snmp.keyring import Keyring
from fenghuo_agent.snmp.message import AUTHORIZATION_ERROR, GET, Envelope, Foreign, Pdu, request
from fenghuo_agent.snmp.usm import Report, Usm

WINDOW = 2048
"""Addresses being asked at the same time, at most: the bound of a scan's memory."""
MOST_IGNORED = 64
"""Datagrams from one address that answer nothing; it is left alone then."""
MOST_KEPT = 4096
LOOK = 0.05
SILENCE = "silence"
_NOBODY = frozenset((errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ETIMEDOUT))
_FORBIDDEN = frozenset((errno.EACCES, errno.EPERM))


class Knocker:
    """Asks everywhere in turn. `opened` is called for each device that lets a credential in."""

    def __init__(
        self,
        plan_of: Callable[[Target], Plan],
        opened: Callable[[Opened], None],
        *,
        timeout: float,
        pacer: Pacer,
        attempts: Attempts,
        clock: Clock,
        random: Random,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.counts = Counts()
        self.locked: list[Locked] = []
        self.strays: dict[Target, Target] = {}
        self._plan_of = plan_of
        self._opened = opened
        self._timeout = timeout
        self._pacer = pacer
        self._attempts = attempts
        self._clock = clock
        self._random = random
        self._sleep = sleep
        self._keyring = Keyring(clock.monotonic, random)
        self._communities: dict[Credential, Envelope] = {}
        self._doors: dict[Target, Door] = {}
        self._ids: dict[int, Target] = {}
        self._turns = Turns(self._is_open)

    async def run(self, wire: Wire, targets: Iterator[tuple[Target, str]]) -> None:
        """Ask until nothing is left to ask; `targets` are taken as there is room, each with how it is known.

        Those that answered come first, then those not yet asked, then the silent ones: by the time that they are asked
        again, the network has said at which addresses nobody is.
        """
        turns, fresh = self._turns, True
        while True:
            for silent in turns.expired(self._clock.monotonic()):
                self._expired(silent)
            if fresh and not turns.pressing and len(self._doors) < WINDOW:
                fresh = self._admit(targets)
            door = turns.next()
            if door is not None:
                await self._pacer.turn()
                self._ask(wire, door)
            elif self._doors and turns.due is not None:
                await self._sleep(min(LOOK, max(0.001, turns.due - self._clock.monotonic())))
            elif not fresh:
                return

    @property
    def idle(self) -> bool:
        """Whether nothing is left to ask."""
        return not self._doors or self._turns.idle

    def add(self, target: Target, how: str) -> None:
        """Ask there as well."""
        if target not in self._doors and len(self._doors) < WINDOW:
            door = self._doors[target] = Door(target, how)
            self.counts.asked += 1
            self._turns.want(door)

    def _admit(self, targets: Iterator[tuple[Target, str]]) -> bool:
        for target, how in targets:
            if target not in self._doors:
                self.add(target, how)
                return True
        return False

    def _is_open(self, door: Door) -> bool:
        return self._doors.get(door.target) is door

    def _ask(self, wire: Wire, door: Door) -> None:
        if not self._is_open(door):  # something was heard while it waited for its turn
            return
        door.turn = False
        if self._turns.parks(door):
            self._turns.release(door)
            return
        request_id = self._random.getrandbits(31)
        asked, datagram = self._compose(door, request_id)
        if asked is None:
            self._exhausted(door)
            return
        door.note(asked)
        self._ids[request_id] = door.target
        self.counts.datagrams += 1
        self._turns.wait(door, self._clock.monotonic() + self._timeout)
        try:
            wire.send(door.target, datagram)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
                self.failed(door.target, error.errno or 0, certain=True)

    def _compose(self, door: Door, request_id: int) -> tuple[Asked | None, bytes]:
        plan = self._plan_of(door.target)
        if door.sure is not None:
            newer = plan.newer[door.sure.credential]
            return self._by_community(Question("community", newer), request_id)
        user = self._user_to_try(door)
        if user is not None:
            credential, usm, _ = user
            self._attempts.sent(door.engine, credential)
            return Asked(request_id, None, credential, usm), usm.wrap(request(GET, request_id, KNOCK), request_id)
        while door.place < len(plan.questions):
            question = plan.questions[door.place]
            door.place += 1
            if question.kind == "community":
                return self._by_community(question, request_id)
            if not door.engine:
                usm = self._usm(question.credential)
                return Asked(request_id, question, question.credential, usm), usm.discovery(request_id)
        return None, b""

    def _by_community(self, question: Question, request_id: int) -> tuple[Asked, bytes]:
        credential = question.credential
        envelope = self._communities.get(credential)
        if envelope is None:
            envelope = self._communities[credential] = self._keyring.envelope(credential)
        datagram = envelope.wrap(request(GET, request_id, KNOCK), request_id)
        return Asked(request_id, question, credential, envelope), datagram

    def _usm(self, credential: Credential) -> Usm:
        envelope = self._keyring.envelope(credential)
        assert isinstance(envelope, Usm)
        return envelope

    def _user_to_try(self, door: Door) -> tuple[Credential, Usm, int] | None:
        """The user whose turn it is at an engine that is known: one more time, or the next that may be tried."""
        labels = self._plan_of(door.target).labels
        if door.usm is not None:
            if self._attempts.refusal(door.engine, door.usm[0]) is None:
                return door.usm
            door.refused.setdefault(labels[door.usm[0]], SILENCE)
            door.usm = None
        for credential in door.users or ():
            refusal = self._attempts.refusal(door.engine, credential)
            if refusal is not None:
                door.refused[labels[credential]] = refusal
                continue
            usm = self._usm(credential)
            if door.report is not None:
                usm.discovered(*door.report)
            door.usm = (credential, usm, 0)
            return door.usm
        door.users = None
        self._turns.tried(door)
        return None

    def _expired(self, door: Door) -> None:
        """No answer in time."""
        self._turns.release(door)
        if door.sure is not None:
            self._let_in(door, door.sure)
            return
        if door.usm is not None:
            credential, usm, tries = door.usm
            door.usm = (credential, usm, tries + 1)
            if tries:
                self._deny(door, credential, SILENCE)
        self._go_on(door, silent=True)

    def _go_on(self, door: Door, *, silent: bool) -> None:
        """Ask its next question in its turn; what has none left gets no turn."""
        plan = self._plan_of(door.target)
        left = plan.questions[door.place :]
        if door.sure or door.users or any(question.kind == "community" or not door.engine for question in left):
            self._turns.want(door, silent=silent)
        else:
            self._exhausted(door)

    def _deny(self, door: Door, credential: Credential, reason: str) -> None:
        """Give a credential up at a door."""
        door.refused[self._plan_of(door.target).labels[credential]] = reason
        if credential.user is not None:
            self._attempts.refused(door.engine, credential, reason)
            door.usm = None

    def _exhausted(self, door: Door) -> None:
        if door.engine or door.refused:
            self.counts.locked += 1
            if len(self.locked) < MOST_KEPT:
                self.locked.append(Locked(door.target, door.engine, door.refused))
        else:
            self.counts.silent += 1
        self._close(door)

    def _close(self, door: Door) -> None:
        del self._doors[door.target]
        for asked in door.asked:
            self._ids.pop(asked.request_id, None)
        self._turns.release(door)
        self._turns.tried(door)

    def failed(self, target: Target, number: int, *, certain: bool = False) -> None:
        """The network says that a datagram did not arrive; `certain` where it never left."""
        door = self._doors.get(target)
        if door is None or not door.asked:
            return
        if number == errno.ECONNREFUSED:
            self.counts.closed += 1
        elif number in _FORBIDDEN:
            self.counts.forbidden += 1
        elif number in _NOBODY or certain:
            self.counts.nobody += 1
        else:
            return
        self._close(door)

    def heard(self, datagram: bytes, source: Target) -> None:
        """Take a datagram; what answers nothing that was asked at that address is counted and left."""
        door = self._doors.get(source)
        if door is None:
            self._astray(datagram, source)
            return
        malformed = False
        for asked in reversed(door.asked):
            try:
                pdu = self._read(asked, datagram)
            except Foreign:
                continue
            except Malformed:
                malformed = True
            except Report as report:
                self._reported(door, asked, report.kind)
                return
            else:
                self._answered(door, asked, pdu, datagram)
                return
        self._ignore(door, malformed=malformed)

    @staticmethod
    def _read(asked: Asked, datagram: bytes) -> Pdu:
        envelope = asked.envelope
        if asked.question is not None and asked.question.kind == "engine":
            assert isinstance(envelope, Usm)
            return envelope.discovered(datagram, asked.request_id)
        return envelope.unwrap(datagram, asked.request_id)

    def _answered(self, door: Door, asked: Asked, pdu: Pdu, datagram: bytes) -> None:
        envelope, credential = asked.envelope, asked.credential
        if asked.question is None:
            self._attempts.harmless(door.engine, credential)
        if asked.question is not None and asked.question.kind == "engine":
            if door.engine or not isinstance(envelope, Usm) or envelope.engine is None:
                return
            door.engine, door.report = envelope.engine.id, (datagram, asked.request_id)
            door.users = iter(self._plan_of(door.target).users)
            self._again(door)
        elif pdu.status == AUTHORIZATION_ERROR:
            self._deny(door, credential, "authorizationError")
            self._again(door)
        elif door.sure is None and credential in self._plan_of(door.target).newer:
            door.sure = asked
            self._again(door)
        else:
            self._let_in(door, asked)

    def _reported(self, door: Door, asked: Asked, kind: str) -> None:
        """The engine refuses the user, or only the time by which we asked."""
        if door.usm is None or door.usm[1] is not asked.envelope:
            return
        credential, usm, tries = door.usm
        if kind == "notInTimeWindows" and not tries:
            self._attempts.harmless(door.engine, credential)
            door.usm = (credential, usm, tries + 1)
        else:
            self._deny(door, credential, kind)
        self._again(door)

    def _again(self, door: Door) -> None:
        """It answered: its next question may follow, which nobody waits for yet."""
        door.serial += 1
        if not door.turn:
            self._turns.release(door)
            self._go_on(door, silent=False)

    def _let_in(self, door: Door, asked: Asked) -> None:
        label = self._plan_of(door.target).labels[asked.credential]
        self.counts.opened += 1
        self._close(door)
        self._opened(Opened(door.target, asked.credential, label, asked.envelope, door.engine, door.how))

    def _ignore(self, door: Door, *, malformed: bool) -> None:
        if malformed:
            self.counts.malformed += 1
        else:
            self.counts.foreign += 1
        door.ignored += 1
        if door.ignored > MOST_IGNORED:
            self.counts.flooding += 1
            self._close(door)

    def _astray(self, datagram: bytes, source: Target) -> None:
        """Something from an address that is not being asked; perhaps a device's answer from another of its addresses."""
        try:
            asked = self._ids.get(request_id_of(datagram))
        except Malformed:
            self.counts.malformed += 1
            return
        if asked is None:
            self.counts.foreign += 1
            return
        self.counts.astray += 1
        if len(self.strays) < MOST_KEPT:
            self.strays[asked] = source


def request_id_of(datagram: bytes) -> int:
    """The request id of a v1 or v2c message, the message id of a v3 one. Raises `Malformed`."""
    start, stop = ber.inside(datagram, 0, len(datagram), ber.SEQUENCE)
    version, at = ber.read_integer(datagram, start, stop)
    if version == 3:
        at, stop = ber.inside(datagram, at, stop, ber.SEQUENCE)
    else:
        _, at = ber.read_octets(datagram, at, stop)
        _, at, stop = ber.header(datagram, at, stop)
    return ber.read_integer(datagram, at, stop)[0]
