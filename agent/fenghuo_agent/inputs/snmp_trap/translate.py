"""From a notification to an ECS event (docs/reference/events.md, dataset `trap`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fenghuo.model import LEVELS, Document, Level
from fenghuo_agent.inputs.snmp_trap.notification import Notification
from fenghuo_agent.profiles.rows import Column, Reference, Rows, number_of
from fenghuo_agent.profiles.traps import Notice, Notices
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import ABSENT, Malformed, Oid, Varbind

DATASET = "trap"
IF_INDEX: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 1)
_IF_TABLES: tuple[Oid, ...] = ((1, 3, 6, 1, 2, 1, 2, 2, 1), (1, 3, 6, 1, 2, 1, 31, 1, 1, 1))
_TYPES = {
    ber.INTEGER: "integer", ber.OCTETS: "octets", ber.NULL: "null", ber.OID: "oid", ber.IP_ADDRESS: "ip",
    ber.COUNTER32: "counter32", ber.GAUGE32: "gauge32", ber.TIMETICKS: "timeticks", ber.OPAQUE: "opaque",
    ber.COUNTER64: "counter64",
}  # fmt: skip
_CHINESE = {4: "ascii", 6: "gb2312", 8: "gb2312", 11: "gb2312"}
"""Sizes of addresses, MACs and DateAndTime, which the wider encoding would take for text more often than not."""
_SHOWN_IN_MESSAGE = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """How many variable bindings are kept, and how many characters of each."""

    varbinds: int = 64
    value: int = 256


class TrapRows(Rows):
    """A notification's objects as a template sees them: by the row's index, or else the only one there is."""

    def find(self, reference: Reference, index: Oid) -> tuple[Oid, Varbind] | None:
        """The index and value of an object."""
        return Rows.find(self, reference, index) or next(iter(self.of(reference.column).items()), None)


@dataclass(slots=True)
class Content:
    """A notification's variable bindings, told apart into objects that have a name and others."""

    rows: TrapRows = field(default_factory=TrapRows)
    objects: dict[str, Any] = field(default_factory=dict[str, Any])
    others: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    omitted: int = 0
    index: Oid = ()
    if_index: int | None = None


def content_of(notification: Notification, notices: Notices, limits: Limits) -> Content:
    """Read the variable bindings. Raises `Malformed` where one of those kept has no valid name."""
    content = Content()
    content.omitted = max(0, len(notification.varbinds) - limits.varbinds)
    for varbind in notification.varbinds[: limits.varbinds]:
        arcs = ber.arcs(varbind.name)
        found = notices.column(varbind.name)
        _note_port(content, arcs, varbind)
        if found is None or found[0].name in content.objects:
            kind = _TYPES.get(varbind.tag, f"{varbind.tag:#04x}")
            other = {"oid": dotted(arcs), "type": kind, "value": text_of(varbind)[: limits.value]}
            if found is not None:
                other["name"] = found[0].name
            content.others.append(other)
        if found is not None:
            column, index = found
            content.rows.columns.setdefault(column.oid, {})[index] = _readable(varbind)
            if not column.scalar:
                content.index = content.index or index
            if column.name not in content.objects and varbind.tag not in ABSENT:
                content.objects[column.name] = _value(column, varbind, limits)
    return content


def _note_port(content: Content, arcs: Oid, varbind: Varbind) -> None:
    """Which port a notification is about: ifIndex, or the index of an object of ifTable or ifXTable."""
    if content.if_index is not None or arcs[:-2] not in _IF_TABLES:
        return
    number = ber.number(varbind.tag, varbind.value) if arcs[:-1] == IF_INDEX else arcs[-1]
    if number:
        content.if_index = number


def _readable(varbind: Varbind) -> Varbind:
    """The variable binding as templates read it: text in UTF-8."""
    if varbind.tag != ber.OCTETS or varbind.value.isascii():
        return varbind
    text = _text(varbind.value)
    return varbind if text is None else varbind._replace(value=text.encode())


def _value(column: Column, varbind: Varbind, limits: Limits) -> int | float | str:
    """An object's value: the word for it, the number, or the text."""
    number = ber.number(varbind.tag, varbind.value)
    if number is None and varbind.tag == ber.OPAQUE:
        number = number_of(varbind)
    if number is None:
        return text_of(varbind)[: limits.value]
    if column.enum:
        return column.enum.get(int(number), str(number))
    return number


def text_of(varbind: Varbind) -> str:
    """A value as text; octets that are none as aa:bb:cc."""
    if varbind.tag == ber.OCTETS:
        return _octets(varbind.value)
    if varbind.tag == ber.OID:
        try:
            return dotted(ber.arcs(varbind.value))
        except Malformed:
            return varbind.value.hex(":")
    if varbind.tag == ber.IP_ADDRESS and len(varbind.value) == 4:
        return dotted(varbind.value)
    number = ber.number(varbind.tag, varbind.value)
    return varbind.value.hex(":") if number is None else str(number)


def _octets(value: bytes) -> str:
    found = _text(value)
    return value.hex(":") if found is None else found


def _text(value: bytes) -> str | None:
    """Octets as text: UTF-8, or the encoding that devices made for China use; None where they are no text."""
    value = value.rstrip(b"\0") if any(value) else value
    for encoding in ("utf-8", _CHINESE.get(len(value), "gb18030")):
        try:
            text = value.decode(encoding)
        except UnicodeDecodeError:
            continue
        if all(character.isprintable() or character in "\t\r\n" for character in text):
            return " ".join(text.split())
    return None


def dotted(arcs: Oid | bytes) -> str:
    """An object identifier as people write it."""
    return ".".join(map(str, arcs))


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent it: the UDP source, the address of the device that it is about, that device's label and asset."""

    source: str
    device: str
    label: str
    user: str = ""
    engine: str = ""
    level: str = ""


def document_of(notification: Notification, content: Content, notice: Notice | None, sender: Sender) -> Document:
    """The event's document."""
    name = notice.name if notice else dotted(notification.oid)
    level: Level = notice.level if notice else "informational"
    label = sender.label or sender.device
    trap: Document = {
        "version": ("1", "2c", "3")[notification.version - 1],
        "kind": "inform" if notification.confirmed else "trap",
        "oid": dotted(notification.oid),
        "level": level,
        "profile": notice.profile if notice else None,
        "uptime": None if notification.uptime is None else notification.uptime / 100,
        "enterprise": dotted(notification.enterprise) if notification.enterprise else None,
        "sender": sender.source if sender.source != sender.device else None,
        "agent_address": notification.agent if notification.agent not in ("", sender.device) else None,
        "user": sender.user,
        "engine_id": sender.engine,
        "security_level": sender.level,
        "index": dotted(content.index),
        "if_index": content.if_index,
        "objects": content.objects,
        "varbinds": content.others,
        "omitted": content.omitted or None,
    }
    return {
        "message": f"{label}: {_message(name, content, notice)}",
        "event": {
            "kind": "event",
            "category": ["network"],
            "type": ["info"],
            "dataset": DATASET,
            "module": "snmp",
            "action": name,
            "severity": (LEVELS.index(level) + 1) * 20,
        },
        "source": {"ip": sender.device},
        "host": {"name": label, "ip": [sender.device]},
        "fenghuo": {"trap": {key: value for key, value in trap.items() if value not in (None, "", {}, [])}},
    }


def _message(name: str, content: Content, notice: Notice | None) -> str:
    text = notice.message.render(content.rows, content.index) if notice and notice.message else ""
    if text:
        return text
    shown = [f"{key}={value}" for key, value in content.objects.items()]
    shown += [f"{each['oid']}={each['value']}" for each in content.others]
    more = ", …" if len(shown) > _SHOWN_IN_MESSAGE else ""
    return " ".join([name, ", ".join(shown[:_SHOWN_IN_MESSAGE]) + more]).strip()
