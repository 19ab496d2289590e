"""The `snmp_trap` input: listens for notifications and makes events of those that are believed."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo.errors import FenghuoError
from fenghuo.ids import Entropy, uuid7
from fenghuo.model import Document, Event
from fenghuo_agent.inputs.base import Accumulator
from fenghuo_agent.inputs.snmp_trap import glance
from fenghuo_agent.inputs.snmp_trap.authority import Refusal
from fenghuo_agent.inputs.snmp_trap.config import SnmpTrapConfig
from fenghuo_agent.inputs.snmp_trap.engines import Engines
from fenghuo_agent.inputs.snmp_trap.gate import Duplicate, Gate, Passed
from fenghuo_agent.inputs.snmp_trap.listener import Listener, Peer
from fenghuo_agent.inputs.snmp_trap.storms import DUPLICATE, Admission
from fenghuo_agent.inputs.snmp_trap.summary import (
    MALFORMED,
    Denials,
    Summary,
    denied_document,
    overflow_document,
    storm_document,
)
from fenghuo_agent.inputs.snmp_trap.tally import Metrics, Tally
from fenghuo_agent.inputs.snmp_trap.translate import DATASET, Limits, Sender, content_of, document_of
from fenghuo_agent.profiles.library import Library
from fenghuo_agent.profiles.traps import Notices
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.ber import Malformed

_log = logging.getLogger(__name__)
NameOf = Callable[[str], str]
Poke = Callable[[str, int | None], object]
STATE = "snmp-engine.json"
"""The file of engines, beside the spool."""
DENIED_SECONDS = 3600.0
"""A device that is not believed is told of when that begins, and every hour that it goes on."""
SAVE_SECONDS = 300.0
LOOK_SECONDS = 5.0
ADDRESS = "address"
_RESTARTS = frozenset(((1, 3, 6, 1, 6, 3, 1, 1, 5, 1), (1, 3, 6, 1, 6, 3, 1, 1, 5, 2)))
_LINKS = frozenset(((1, 3, 6, 1, 6, 3, 1, 1, 5, 3), (1, 3, 6, 1, 6, 3, 1, 1, 5, 4)))
_NO_IPV6 = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))


class SnmpTrapInput:
    """Receives notifications.

    `credentials` gives those that let devices in where the configuration has none of its own, and `library` the profiles
    that say what notifications mean; both are asked again while it runs, so that it follows what is changed for polling.
    `state` is the file of engines where the configuration names none. `name_of` gives a polled device's label by its
    address, empty where it is not polled; `poke` has a device, or one port of it, polled at once.
    """

    name = "snmp_trap"

    datasets: frozenset[str] = frozenset((DATASET,))

    def __init__(
        self,
        config: SnmpTrapConfig,
        *,
        credentials: Callable[[], Sequence[Credential]],
        library: Callable[[], Library],
        state: Path,
        clock: Clock,
        random: Random,
        registry: CollectorRegistry,
        name_of: NameOf | None = None,
        poke: Poke | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self._config = config
        self._library = library
        self._known = library()
        self._notices = Notices.of(self._known)
        self._credentials = credentials
        self._clock = clock
        self._name_of = name_of or _nameless
        self._poke = poke
        self._entropy: Entropy = entropy or random.randbytes
        self._limits = Limits(config.max_varbinds, config.max_value)
        self._relays = frozenset(config.relays)
        own = bytes.fromhex(config.engine_id) if config.engine_id else None
        self._engines = Engines(config.state or state, clock.monotonic, own=own)
        self._believed = self._wanted()
        self._gate = Gate(
            self._believed,
            self._engines,
            clock.monotonic,
            random,
            frozenset(bytes.fromhex(each) for each in config.engines),
        )
        self._admission = Admission(
            clock.monotonic,
            device=(config.device_rate, config.device_burst),
            total=(config.total_rate, config.total_burst),
            strangers=config.strangers_rate,
            max_devices=config.max_devices,
        )
        self.tally = Tally()
        self._summary = Summary(self._admission.knows)
        self._denials = Denials()
        self._ending = False
        self._allowed = _allowing(config.allow)
        self._listeners: list[Listener] = []
        self._accumulator: Accumulator | None = None
        self._told = clock.monotonic()
        self._dropped_told = 0
        self._saved = 0.0
        Metrics(self.tally, registry, lambda: len(self._admission), self.read_drops)

    async def run(self, accumulator: Accumulator) -> None:
        """Listen until cancelled. Raises where an address cannot be listened on, or the engine's state not be kept."""
        self.hand_to(accumulator)
        self._ending = False
        await asyncio.to_thread(self._engines.start)
        self._told = self._saved = self._clock.monotonic()
        try:
            self._open()
            while True:
                await asyncio.sleep(min(LOOK_SECONDS, self._config.summary_interval))
                self.follow()
                if self._clock.monotonic() - self._told >= self._config.summary_interval:
                    self.summarise()
                await self._save()
        finally:
            self.read_drops()
            self._close()
            self._ending = True
            self.summarise()
            self.hand_to(None)
            if self._engines.changed:
                self._engines.save()

    def hand_to(self, accumulator: Accumulator | None) -> None:
        """Hand events to an accumulator from now on."""
        self._accumulator = accumulator

    async def once(self, accumulator: Accumulator) -> None:
        """See that every address can be listened on: notifications come when they come. Raises what `run` raises."""
        del accumulator
        try:
            self._open()
        finally:
            self._close()

    @property
    def engine_id(self) -> bytes:
        """Our engine id, by which a sender of v3 informs knows us."""
        return self._engines.id

    @property
    def listening(self) -> bool:
        """Whether it listens now."""
        return bool(self._listeners)

    def follow(self) -> None:
        """Go by other credentials and profiles, where polling does so by now."""
        believed, known = self._wanted(), self._library()
        if believed != self._believed:
            self._believed = believed
            self._gate.use(believed)
            _log.info("notifications are believed by %d credentials now", len(believed))
        if known is not self._known:
            self._known = known
            self._notices = Notices.of(known)

    def _wanted(self) -> Sequence[Credential]:
        return self._config.credentials or self._credentials()

    def read_drops(self) -> None:
        """Ask the kernel how many datagrams it dropped."""
        for listener in self._listeners:
            self.tally.kernel_drops += listener.drops()

    def summarise(self) -> None:
        """Tell what was shed, denied and dropped since the last time."""
        now = self._clock.monotonic()
        seconds, self._told = now - self._told, now
        self.read_drops()
        dropped, self._dropped_told = self.tally.kernel_drops - self._dropped_told, self.tally.kernel_drops
        for host, account in self._summary.take().items():
            label = self._name_of(host) if host else ""
            self._emit(storm_document(host, label, account, self._notices, seconds))
        for denial in self._denials.due(now, every=0 if self._ending else DENIED_SECONDS):
            self._emit(denied_document(denial, self._name_of(denial.host) if denial.host else ""))
        if dropped:
            document = overflow_document(dropped, seconds)
            _log.warning("%s", document["message"])
            self._emit(document)

    def take(self, listener: Listener, buffer: bytearray, size: int, peer: Peer) -> None:
        """One datagram. It is decoded only where its sender has not sent too much already."""
        tally, host = self.tally, str(peer[0]).partition("%")[0]
        version = glance.version_at(buffer, size)
        tally.versions[version] += 1
        if not self._allowed(host):
            self._deny(host, ADDRESS)
            return
        reason = self._admission.refuse(host)
        if reason:
            tally.shed[reason] += 1
            self._summary.shed(host, reason, version, glance.kind_at(buffer, size, version))
            return
        try:
            passed = self._gate.judge(bytes(memoryview(buffer)[:size]), host)
            document = self._document(passed, host)
        except Malformed:
            tally.malformed += 1
            self._denials.add(host, MALFORMED, self._clock.monotonic())
        except Refusal as refusal:
            if refusal.reply:
                self._reply(listener, refusal.reply, peer)
            if refusal.handshake:
                tally.handshakes += 1
            else:
                self._deny(host, refusal.reason)
        except Duplicate as duplicate:
            tally.shed[DUPLICATE] += 1
            if duplicate.reply:
                tally.acknowledged += self._reply(listener, duplicate.reply, peer)
        else:
            tally.accepted += 1
            self._admission.believe(host)
            if passed.reply:
                tally.acknowledged += self._reply(listener, passed.reply, peer)
            self._emit(document)

    def _document(self, passed: Passed, host: str) -> Document:
        """The event's document; a port or device whose state it is about is polled at once."""
        notification = passed.notification
        notice = self._notices.find(notification.oid)
        content = content_of(notification, self._notices, self._limits)
        if notice is None:
            self.tally.unnamed += 1
        device, label = self._device(host, notification.agent)
        if notification.oid in _LINKS:
            self._have_polled(device, content.if_index)
        elif notification.oid in _RESTARTS:
            self._have_polled(device, None)
        sender = Sender(host, device, label, passed.user, passed.engine, passed.level)
        return document_of(notification, content, notice, sender)

    def _device(self, host: str, agent: str) -> tuple[str, str]:
        """The address and label of the device that a notification is about.

        Of a forwarder it is the address that the notification names. So it is where we poll a device at that address, but
        none at the sender's: a switch may send from another of its addresses.
        """
        label = self._name_of(host)
        if not agent or agent == host:
            return host, label
        if host in self._relays:
            return agent, self._name_of(agent)
        named = "" if label else self._name_of(agent)
        return (agent, named) if named else (host, label)

    def _have_polled(self, device: str, if_index: int | None) -> None:
        if self._poke is not None:
            self.tally.pokes += 1
            self._poke(device, if_index)

    def _deny(self, host: str, reason: str) -> None:
        self.tally.denied[reason] += 1
        self._denials.add(host, reason, self._clock.monotonic())

    def _reply(self, listener: Listener, datagram: bytes, peer: Peer) -> bool:
        sent = listener.reply(datagram, peer)
        self.tally.unanswered += not sent
        return sent

    def _emit(self, document: Document) -> None:
        if self._accumulator is not None:
            now = self._clock.now()
            self._accumulator.event(Event(uuid7(now, self._entropy), now, document))

    def _open(self) -> None:
        """Listen on every address; where a host has no IPv6, the default `[::]` is left out."""
        for target in self._config.targets:
            listener = Listener(target, self.take, self._clock.monotonic, self._failed)
            try:
                listener.open(self._config.receive_buffer)
            except FenghuoError as error:
                cause = error.__cause__
                if target.host == "::" and isinstance(cause, OSError) and cause.errno in _NO_IPV6:
                    _log.info("this host has no IPv6: not listening on [::]:%d", target.port)
                    continue
                raise
            self._listeners.append(listener)
        for listener in self._listeners:
            listener.start()

    def _close(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def _failed(self) -> None:
        self.tally.errors += 1

    async def _save(self) -> None:
        now = self._clock.monotonic()
        if self._engines.changed and now - self._saved >= SAVE_SECONDS:
            self._saved = now
            try:
                await asyncio.to_thread(self._engines.save)
            except FenghuoError as error:
                _log.warning("%s", error)


def _nameless(host: str) -> str:
    """The label of a device where none is polled."""
    del host
    return ""


def _allowing(networks: Iterable[str]) -> Callable[[str], bool]:
    """Whether an address lies in one of the networks; all do where there are none."""
    given = [ip_network(text) for text in networks]
    if not given:
        return lambda _: True

    @lru_cache(maxsize=4096)
    def allowed(host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in given)

    return allowed
