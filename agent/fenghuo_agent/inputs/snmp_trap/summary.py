"""What was shed or denied, by device and exactly, told in few events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from fenghuo.model import Document
from fenghuo_agent.inputs.snmp_trap.glance import UNKNOWN, VERSIONS
from fenghuo_agent.inputs.snmp_trap.translate import DATASET, dotted
from fenghuo_agent.profiles.traps import Notices
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Malformed

STORM, DENIED, OVERFLOW = "trap-storm", "trap-denied", "trap-overflow"
MALFORMED = "malformed"
MAX_KINDS = 16
MAX_STRANGERS = 256
MAX_DENIED = 512
OTHERS = ""
"""Stands for the hosts beyond those that are told apart, and for the kinds."""
HINTS = {
    "community": "its community is none of `credentials`",
    "address": "its address is in none of the networks of `allow`",
    "unknownUserNames": "its v3 user is none of `credentials`",
    "unsupportedSecLevels": "its v3 user is set up here with another level: auth and priv have to be the same on both sides",
    "wrongDigests": "its v3 signature is wrong: look at the algorithm and password of `auth`",
    "decryptionErrors": "its v3 content cannot be decrypted: look at the algorithm and password of `priv`",
    "notInTimeWindows": "its v3 message is old: sent again by somebody, or the device lost its boot counter",
    "unknownEngineIDs": "its v3 inform is for another engine",
    "unbelievedEngine": "its v3 engine id is none of `engines`",
    MALFORMED: "what it sends is no valid SNMP notification",
}


class Account:
    """What was let fall of one host in this interval: by reason, and by version and notification."""

    __slots__ = ("kinds", "shed")

    def __init__(self) -> None:
        self.shed: Counter[str] = Counter()
        self.kinds: dict[tuple[int, bytes], int] = {}


class Summary:
    """Accounts by host. Strangers beyond a bound share one account, so the sum is always exact."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._accounts: dict[str, Account] = {}
        self._strangers = 0

    def shed(self, host: str, reason: str, version: int, kind: bytes) -> None:
        """One notification was let fall."""
        account = self._accounts.get(host) or self._account(host)
        account.shed[reason] += 1
        kinds, key = account.kinds, (version, kind)
        if key not in kinds and len(kinds) >= MAX_KINDS:
            key = (UNKNOWN, b"")
        kinds[key] = kinds.get(key, 0) + 1

    def _account(self, host: str) -> Account:
        if not self._knows(host):
            if self._strangers >= MAX_STRANGERS:
                host = OTHERS
            else:
                self._strangers += 1
        return self._accounts.setdefault(host, Account())

    def take(self) -> dict[str, Account]:
        """The accounts of this interval; a new one begins."""
        accounts, self._accounts, self._strangers = self._accounts, {}, 0
        return accounts


@dataclass(frozen=True, slots=True)
class Denial:
    """How often a host was not believed for a reason, and in how many seconds."""

    host: str
    reason: str
    count: int
    seconds: float


@dataclass(slots=True)
class _Open:
    """A host's denials for one reason since they were told; `told` says whether they ever were."""

    since: float
    count: int = 0
    told: bool = False


class Denials:
    """Denied and malformed datagrams by host and reason: told soon when they begin, then seldom, and exactly."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Open] = {}

    def add(self, host: str, reason: str, now: float) -> None:
        """One datagram was not believed. Hosts beyond a bound are counted together."""
        key = (host, reason)
        if key not in self._open and len(self._open) >= MAX_DENIED:
            key = (OTHERS, reason)
        self._open.setdefault(key, _Open(now)).count += 1

    def due(self, now: float, *, every: float) -> list[Denial]:
        """Those to be told now: new ones, and those that were told `every` seconds ago and went on."""
        found: list[Denial] = []
        for (host, reason), each in list(self._open.items()):
            if each.told and now - each.since < every:
                continue
            if not each.count:
                del self._open[host, reason]
                continue
            found.append(Denial(host, reason, each.count, now - each.since))
            each.since, each.count, each.told = now, 0, True
        return found


def storm_document(host: str, label: str, account: Account, notices: Notices, seconds: float) -> Document:
    """The event that says how many of which notifications of a device were let fall."""
    kinds: Counter[str] = Counter()
    for (version, oid), count in account.kinds.items():
        kinds[_kind(version, oid, notices)] += count
    count = account.shed.total()
    ranked = kinds.most_common()
    text = ", ".join(f"{number:,} {name}" for name, number in ranked[:4])
    shed: Document = {
        "count": count,
        "seconds": round(seconds, 1),
        "reasons": dict(account.shed),
        "kinds": [{"name": name, "count": number} for name, number in ranked],
    }
    message = f"{label or host or 'Others'} sent more notifications than are taken: {count:,} let fall in {seconds:.0f} s ({text})"
    return _document(STORM, host, label, message, "medium", {"shed": shed})


def denied_document(denial: Denial, label: str) -> Document:
    """The event that says how many datagrams of a host were not believed, and why."""
    denied: Document = {"count": denial.count, "seconds": round(denial.seconds, 1), "reason": denial.reason}
    who, why = label or denial.host or "others", HINTS.get(denial.reason, denial.reason)
    message = f"{denial.count:,} notifications of {who} were not believed in {denial.seconds:.0f} s: {why}"
    return _document(DENIED, denial.host, label, message, "low", {"denied": denied})


def overflow_document(count: int, seconds: float) -> Document:
    """The event that says that the kernel dropped datagrams before we saw them."""
    message = (
        f"the kernel dropped {count:,} datagrams for traps in {seconds:.0f} s: they came faster than they were read"
    )
    return _document(OVERFLOW, "", "", message, "medium", {"dropped": {"count": count, "seconds": round(seconds, 1)}})


def _document(action: str, host: str, label: str, message: str, level: str, trap: Document) -> Document:
    document: Document = {
        "message": message,
        "event": {
            "kind": "event",
            "category": ["network"],
            "type": ["denied"] if action == DENIED else ["info"],
            "dataset": DATASET,
            "module": "snmp",
            "action": action,
            "severity": 60 if level == "medium" else 40,
        },
        "fenghuo": {"trap": {"level": level, **trap}},
    }
    if host:
        document["source"] = {"ip": host}
        document["host"] = {"name": label or host, "ip": [host]}
    return document


def _kind(version: int, oid: bytes, notices: Notices) -> str:
    if not oid:
        return "others" if version == UNKNOWN else f"unknown of version {VERSIONS[version]}"
    try:
        arcs = ber.arcs(oid)
    except Malformed:
        return "others"
    notice = notices.find(arcs)
    return notice.name if notice else dotted(arcs)
