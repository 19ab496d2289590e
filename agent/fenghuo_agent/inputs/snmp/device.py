"""One device: what it has, and what it said last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

from fenghuo.model import Document, Layout, Table, Value
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.snmp import config, mibs
from fenghuo_agent.inputs.snmp.asset import asset_of, attributes_of
from fenghuo_agent.inputs.snmp.epochs import Epochs
from fenghuo_agent.inputs.snmp.extras import Answers, Extras
from fenghuo_agent.inputs.snmp.idle import Idle
from fenghuo_agent.inputs.snmp.learn import Learnt, learn
from fenghuo_agent.inputs.snmp.plan import Fit, Plan
from fenghuo_agent.inputs.snmp.poll import Reading, TooMuch
from fenghuo_agent.inputs.snmp.reach import PROBE, Reach
from fenghuo_agent.inputs.snmp.shared import Shared
from fenghuo_agent.inputs.snmp.tables import (
    Layouts,
    back_table,
    down_layout,
    ended_tables,
    interface_table,
    layouts_of,
)
from fenghuo_agent.inputs.snmp.uptime import Uptime
from fenghuo_agent.snmp.errors import Faulty, SnmpError, Unanswered
from fenghuo_agent.snmp.message import GET, Envelope
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits

log = logging.getLogger(__name__)

MOVES_APART = 300.0
MOST_MOVES = 2


class Moved(Exception):  # noqa: N818 — the name says what happened; never leaves this package
    """The device's rows may be others than those that were learnt."""


class Device:
    """A device being polled. One poll at a time, under `lock`."""

    __slots__ = (
        "_answers", "_asset", "_down", "_epochs", "_extras", "_fit", "_idle", "_label", "_layouts", "_learnt", "_moves_from",
        "_reading", "_relaid", "_relearn_at", "_session", "_shared", "_uptime", "_walked", "config", "failures", "lock", "poked_at",
        "probe_at", "reach", "state",
    )  # fmt: skip

    def __init__(self, settings: config.Device, shared: Shared) -> None:
        self.config = settings
        self.failures = 0
        self.probe_at = 0.0
        self.poked_at = float("-inf")
        self.state = "unknown"
        self.lock = asyncio.Lock()
        self.reach = Reach(settings, shared)
        self._shared = shared
        self._session = self.reach.session
        self._fit = Fit(shared.config.max_oids_per_request, shared.config.max_reply)
        self._reading = Reading(self._session, shared.tally)
        self._answers = Answers(shared.config.max_oids_per_request, shared.config.max_reply)
        self._extras = Extras((), self._answers)
        self._idle = Idle(Reading(self._session, self._shared.tally))
        self._walked = 0.0
        self._learnt: Learnt | None = None
        self._layouts: Layouts | None = None
        self._relaid = False
        self._down: Layout | None = None
        self._label = ""
        self._asset: Document | None = None
        self._uptime = Uptime()
        self._epochs = Epochs()
        self._relearn_at = 0.0
        self._moves_from = 0.0

    @property
    def instance(self) -> str:
        """The address asked."""
        return self._session.target.instance

    @property
    def host(self) -> str:
        """The address asked, without its port."""
        return self._session.target.host

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.config.interval or self._shared.config.interval

    @property
    def known(self) -> bool:
        """Whether its rows were learnt, however long ago."""
        return self._learnt is not None

    @property
    def unlearnt(self) -> bool:
        """Whether it is time to learn the rows."""
        return self._learnt is None or self._shared.clock.monotonic() >= self._relearn_at

    @property
    def label(self) -> str:
        """The `device` label as it is now."""
        return self.config.name or self._shared.names.of(self) or self.instance

    @property
    def facts(self) -> dict[str, str]:
        """What the device said of itself when it was learnt: sysName, sysDescr and others; {} before."""
        return self._learnt.facts if self._learnt else {}

    def visit(self) -> Session:
        """A new, unopened session for questions beside the polls. Raises `Unanswered` where the device is not up."""
        if self.state != "up":
            raise Unanswered(f"{self.instance} is not known to answer")
        return self.reach.visit()

    def in_vlan(self, number: int) -> Envelope:
        """By what a Cisco switch is asked for the bridge of one VLAN."""
        return self.reach.in_vlan(number)

    def reconfigure(self, settings: config.Device) -> None:
        """Take other options, of its own or the input's; what was learnt of the device is kept."""
        shared, before = self._shared, self.config
        self.config = settings
        if not self.reach.reconfigure(settings):
            self.state_unknown()
        if self._fit.outdated(shared.config.max_oids_per_request, shared.config.max_reply):
            self._fit = Fit(shared.config.max_oids_per_request, shared.config.max_reply)
            self._answers = Answers(shared.config.max_oids_per_request, shared.config.max_reply)
            self._extras = Extras(self._extras.blocks, self._answers)
        if (settings.name, settings.labels) != (before.name, before.labels):
            shared.names.claim(self, "" if settings.name else self.facts.get("sysName", ""))
            self._relaid = True

    def state_unknown(self) -> None:
        """Ask at the next turn which credential is let in."""
        self._shared.tally.move(self.state, "unknown")
        self.state = "unknown"
        self.failures = 0
        self.probe_at = 0.0

    def relearn(self) -> None:
        """Read the rows again at the next turn."""
        self._relearn_at = 0.0

    def leave(self) -> list[Table]:
        """The device is polled no more: what ends its series."""
        self._session.close()
        self._shared.names.claim(self, "")
        before = [*(self._layouts.all() if self._layouts else ()), *filter(None, [self._down])]
        return ended_tables(before, [], self._shared.clock.now())

    async def glance(self, accumulator: Accumulator, ports: Collection[int]) -> bool:
        """Read only these interfaces of a device that is up; False where the device has to be read whole instead.

        The table handed on has the usual layout; rows that were not read are absent.
        """
        learnt, layouts = self._learnt, self._layouts
        if self.state != "up" or self.unlearnt or learnt is None or layouts is None or layouts.interface is None:
            return False
        shape = learnt.shape
        lines = [line for line, row in enumerate(shape.rows) if row in ports]
        if len(lines) < len(ports):
            return False
        plan = self._shared.plans.get(shape.part(lines), self._fit.size)
        try:
            with self._session.open(self._shared.config.deadline) as session:
                found = await Reading(session, self._shared.tally).read(plan, self._check)
        except Moved:
            self.relearn()
            return False
        except (TooMuch, SnmpError):
            return False
        values: list[Value] = [None] * shape.size
        width = len(shape.columns)
        for place, line in enumerate(lines):
            start, source = shape.grid + line * width, shape.grid + place * width
            values[start : start + width] = found[source : source + width]
        now = self._shared.clock.now()
        accumulator.table(interface_table(layouts.interface, learnt, values, now, self._epochs.values))
        return True

    async def poll(self, accumulator: Accumulator, *, learn: bool = True) -> None:
        """Read everything once, of a device that was contacted before; learn the rows first where it is time to.

        Raises `SnmpError` where that fails; nothing is handed on then.
        """
        shared, loop = self._shared, asyncio.get_running_loop()
        started = loop.time()
        self._walked = 0.0
        with self._session.open(shared.config.deadline):
            if learn and self.unlearnt:
                await self.reach.upgrade()
                await self._learn(accumulator)
            values = await self._read(accumulator)
            self._settle(accumulator)
            extras = await self._read_extras()
            self._hand_on(accumulator, values, loop.time() - started)
            for table in extras:
                accumulator.table(table)

    def unreachable(self, accumulator: Accumulator) -> None:
        """Say that the device does not answer."""
        explained = self._shared.explain(self.instance) or ()
        down = self._down
        if (
            down is None
            or self._relaid
            or down.labels["device"] != self.label
            or len(down.fields) != len(explained) + 1
        ):
            self._down = down = down_layout(self._labels(), explained=bool(explained))
        accumulator.table(Table(down, self._shared.clock.now(), [(value,) for value in (0, *explained)]))

    @property
    def labels(self) -> dict[str, str]:
        """The labels of all its series."""
        return self._labels()

    def _labels(self) -> dict[str, str]:
        return {"job": "snmp", "instance": self.instance, "device": self.label, **self.config.labels}

    async def _learn(self, accumulator: Accumulator) -> None:
        shared, options = self._shared, self._shared.config
        session = self._session
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline, session.deadline = session.deadline, started + options.learn_deadline
        limits = Limits(options.max_repetitions, options.max_rows, options.max_reply)
        try:
            learnt = await learn(session, limits, shared.library, self._learnt)
        except SnmpError as error:
            shared.tally.walk(error.kind)
            raise
        shared.tally.walk("faulty" if learnt.faults else "ok")
        session.deadline = max(deadline, loop.time() + options.deadline)
        self._walked += loop.time() - started
        if learnt.faults and (self._learnt is None or learnt.faults != self._learnt.faults):
            log.warning("%s: %s", self.instance, "; ".join(learnt.faults), extra={"device": self.instance})
        now = shared.clock.monotonic()
        again = min(options.relearn, MOVES_APART) if learnt.partial else options.relearn
        self._relearn_at = now + again * shared.random.uniform(0.9, 1.1)
        self._moves_from = now + MOVES_APART
        first = self._learnt is None
        self._adopt(accumulator, learnt)
        if first:
            log.info(
                "%s is %s: %d ports, %d sensors",
                *(self.instance, self._label, len(learnt.shape.rows), learnt.sensors),
                extra={"device": self.instance},
            )
        uptime = learnt.scalars.get("sysUpTime")
        if uptime is not None and self._uptime.restarted(uptime, now):
            self._restart()

    def _adopt(self, accumulator: Accumulator, learnt: Learnt) -> None:
        shared = self._shared
        old = self._layouts
        shared.names.claim(self, "" if self.config.name else learnt.facts.get("sysName", ""))
        self._epochs.adopt(learnt.shape.rows)
        self._learnt = learnt
        self._extras = Extras(learnt.blocks, self._answers)
        self._lay_out(accumulator, learnt, old)

    def _lay_out(self, accumulator: Accumulator, learnt: Learnt, old: Layouts | None) -> None:
        now = self._shared.clock.now()
        labels = self._labels()
        self._label = self.label
        self._layouts = layouts_of(learnt, labels, old)
        before = list(old.all()) if old else []
        if self._down is not None and dict(self._down.labels) != labels:
            before.append(self._down)
            self._down = None
        for table in ended_tables(before, self._layouts.all(), now):
            accumulator.table(table)
        attributes = attributes_of(self._session.target, self._label, learnt)
        if attributes != self._asset:
            self._asset = attributes
            accumulator.asset(asset_of(self._session.target, attributes, now))

    async def _read(self, accumulator: Accumulator) -> list[Value]:
        """All values; learnt anew where rows moved, in smaller requests where these are too big."""
        moves = 0
        while True:
            learnt = self._learnt
            if learnt is None:
                raise Faulty(f"{self.instance}: nothing was learnt")
            plan = self._shared.plans.get(learnt.shape, self._fit.size)
            try:
                values = await self._plan(plan)
                self._check_rows(learnt, values)
            except Moved:
                moves += 1
                if moves > MOST_MOVES:
                    raise Faulty(f"{self.instance}: its rows change while they are read") from None
                await self._learn(accumulator)
            except (TooMuch, Unanswered) as error:
                await self._smaller(error)
            else:
                return values

    async def _plan(self, plan: Plan) -> list[Value]:
        """All values; of ports with nothing new those read before, for a while."""
        shared, now = self._shared, self._shared.clock.monotonic()
        most = shared.config.unchanged
        asked = self._idle.status_plan(plan, shared.plans, self._fit.size, now, most) if most else None
        if asked is not None:
            return await self._idle.read(plan, asked, self._reading, self._check)
        values = await self._reading.read(plan, self._check)
        self._fit.answered(self._reading.largest)
        if most:
            self._idle.noted(plan, values, now)
        return values

    async def _smaller(self, error: Exception) -> None:
        if isinstance(error, Unanswered):
            if self._fit.size == 1:
                raise error
            await self._session.ask(GET, PROBE)
        if not self._fit.shrink():
            raise Faulty(f"{self.instance} finds a request for one object too big")
        self._shared.tally.shrunk += 1

    def _check(self, scalars: Sequence[Value]) -> None:
        learnt = self._learnt
        if learnt is None:
            return
        now = self._shared.clock.monotonic()
        moved = False
        for item, value in zip(learnt.shape.scalars, scalars, strict=True):
            if value is None:
                continue
            if item is mibs.SYS_UPTIME:
                if self._uptime.restarted(int(value), now):
                    self._restart()
                    moved = True
            elif value != learnt.scalars[item.name]:
                moved = moved or item is mibs.IF_NUMBER or now >= self._moves_from
        if moved:
            raise Moved

    def _restart(self) -> None:
        self._idle = Idle(Reading(self._session, self._shared.tally))
        self._shared.tally.restarts += 1
        self._epochs.restart()

    def _check_rows(self, learnt: Learnt, values: Sequence[Value]) -> None:
        """Look for vanished rows: the first column (ifAdminStatus, where there is one) has no value."""
        shape = learnt.shape
        width = len(shape.columns)
        if not width or self._shared.clock.monotonic() < self._moves_from:
            return
        stop = shape.grid + width * len(shape.rows)
        gone = (line for line, value in enumerate(values[shape.grid : stop : width]) if value is None)
        if any(line * width not in shape.missing for line in gone):
            raise Moved

    def _settle(self, accumulator: Accumulator) -> None:
        """Go by the labels of now, before anything is handed on."""
        if self._learnt is not None and (self._label != self.label or self._relaid):
            self._relaid = False
            self._lay_out(accumulator, self._learnt, self._layouts)

    async def _read_extras(self) -> list[Table]:
        """What else is due; where that fails, the rest of the poll counts."""
        if self._layouts is None or not self._extras.blocks:
            return []
        shared = self._shared
        now, time = shared.clock.monotonic(), shared.clock.now()
        try:
            found = await self._extras.read(self._session, self._layouts.blocks, now, self.interval, time)
        except SnmpError as error:
            shared.tally.poll_extras(error.kind)
            log.debug("%s: sensors: %s", self.instance, error, extra={"device": self.instance})
            return []
        if self._extras.outdated and now >= self._moves_from:
            self.relearn()
        return found

    def _hand_on(self, accumulator: Accumulator, values: Sequence[Value], seconds: float) -> None:
        learnt, session = self._learnt, self._session
        if learnt is None or self._layouts is None:
            return
        layouts, now = self._layouts, self._shared.clock.now()
        scalars = dict(zip((item.name for item in learnt.shape.scalars), values, strict=False))
        counts = session.requests, session.retried, session.returned
        up = (1, scalars.get("sysUpTime"), scalars.get("ifNumber"), seconds, self._walked, *counts)
        accumulator.table(Table(layouts.system, now, [(value,) for value in up]))
        # Only after it is known to be up: what was held back because it was cut off would be told otherwise.
        down, self._down = self._down, None
        if down is not None and (ended := back_table(down, now)):
            accumulator.table(ended)
        if layouts.interface is not None:
            self._epochs.note(learnt.shape, values)
            accumulator.table(interface_table(layouts.interface, learnt, values, now, self._epochs.values))
