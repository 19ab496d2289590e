"""What was shed or denied, by device and exactly, told in one event a device and interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

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
    """What fell of one host in this interval."""

    __slots__ = ("denied", "kinds", "shed", "version")

    def __init__(self) -> None:
        self.shed: Counter[str] = Counter()
        self.denied: Counter[str] = Counter()
        self.kinds: dict[tuple[int, bytes], int] = {}


class Summary:
    """Accounts by host. Hosts beyond a bound share one account, so the sum is always exact."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._accounts: dict[str, Account] = {}
        self._strangers = 0

    def shed(self, host: str, reason: str, version: int, kind: bytes) -> None:
        """One notification was let fall."""
        account = self._account(host)
        account.shed[reason] += 1
        kinds, key = account.kinds, (version, kind)
        if key not in kinds and len(kinds) >= MAX_KINDS:
            key = (UNKNOWN, b"")
        kinds[key] = kinds.get(key, 0) + 1

    def denied(self, host: str, reason: str) -> None:
        """One datagram was not believed, or is malformed."""
        self._account(host).denied[reason] += 1

    def _account(self, host: str) -> Account:
        account = self._accounts.get(host)
        if account is not None:
            return account
        if not self._knows(host):
            if self._strangers >= MAX_STRANGERS:
                host = OTHERS
                if host in self._accounts:
                    return self._accounts[host]
            self._strangers += 1
        account = self._accounts[host] = Account()
        return account

    def take(self) -> dict[str, Account]:
        """The accounts of this interval; a new one begins."""
        accounts, self._accounts, self._strangers = self._accounts, {}, 0
        return accounts


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


def denied_documents(host: str, label: str, account: Account, seconds: float) -> Iterator[Document]:
    """Events that say how many datagrams of a host were not believed, and why."""
    for reason, count in account.denied.items():
        denied: Document = {"count": count, "seconds": round(seconds, 1), "reason": reason}
        who = label or host or "others"
        message = f"{count:,} notifications of {who} were not believed in {seconds:.0f} s: {HINTS.get(reason, reason)}"
        yield _document(DENIED, host, label, message, "low", {"denied": denied})


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
