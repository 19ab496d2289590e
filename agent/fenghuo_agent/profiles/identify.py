"""Who a device is: its profile, and the facts that the profile reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from fenghuo_agent.profiles.collect import Collected, read_columns
from fenghuo_agent.profiles.library import GENERIC, Library, parse_oid
from fenghuo_agent.profiles.profile import FACTS, Fact, Profile
from fenghuo_agent.profiles.rows import Column, Reference, Rows, text_of
from fenghuo_agent.snmp.ber import Oid
from fenghuo_agent.snmp.presence import present
from fenghuo_agent.snmp.session import Session
from fenghuo_agent.snmp.walk import Limits

SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
SYS_DESCR = Column("sysDescr", (*SYSTEM, 1), scalar=True)
SYS_OBJECT_ID = Column("sysObjectID", (*SYSTEM, 2), scalar=True)
FIRST_ROWS = 64
"""So many rows of a table are looked at for facts; what is further down is no fact about the whole device."""
LIMITS = Limits(repetitions=20, rows=FIRST_ROWS, reply=1400)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device says it is; what it does not say is empty. `object_id` is its sysObjectID, dotted."""

    name: str = ""
    vendor: str = ""
    model: str = ""
    os: str = ""
    version: str = ""
    serial: str = ""
    type: str = ""
    location: str = ""
    contact: str = ""
    description: str = ""
    object_id: str = ""
    profile: str = GENERIC


async def identify(session: Session, library: Library) -> Identity:
    """Who answers. Raises `SnmpError` where nobody does."""
    collected = Collected()
    await read_columns(session, LIMITS, (SYS_DESCR, SYS_OBJECT_ID), collected)
    rows = collected.rows
    object_id, description = _scalar(rows, SYS_OBJECT_ID), _scalar(rows, SYS_DESCR)
    profile = await _profile(session, library, parse_oid(object_id), description)
    await read_columns(session, LIMITS, needed(profile, rows), collected)
    return identity_of(profile, rows)


async def _profile(session: Session, library: Library, object_id: Oid, description: str) -> Profile:
    candidates = library.candidates(object_id, description)
    asked = {oid for match, _ in candidates for oid in match.present}
    there = await present(session, asked) if asked else frozenset[Oid]()
    for match, name in candidates:
        if not match.present or there.intersection(match.present):
            return library.of_device(name)[0]
    return library.of_device(GENERIC)[0]


def needed(profile: Profile, rows: Rows) -> Iterable[Column]:
    """The objects that tell who the device is; sources that system texts already rule out are left out."""
    for facts in profile.facts.values():
        for fact in facts:
            if not _ruled_out(fact, rows):
                yield from _objects_of(fact)


def identity_of(profile: Profile, rows: Rows) -> Identity:
    """The facts, from what was read: the first source of each that gives a text."""
    found = {
        name: next((text for fact in profile.facts.get(name, ()) if (text := _read(fact, rows))), "") for name in FACTS
    }
    return Identity(
        **found,
        description=_scalar(rows, SYS_DESCR),
        object_id=_scalar(rows, SYS_OBJECT_ID),
        profile=profile.name,
    )


def document_of(identity: Identity) -> dict[str, str]:
    """As `--json` shows it."""
    return {field.name: getattr(identity, field.name) for field in fields(identity)}


def _scalar(rows: Rows, column: Column) -> str:
    return next((text_of(varbind) for varbind in rows.of(column).values()), "")


def _ruled_out(fact: Fact, rows: Rows) -> bool:
    known = (SYS_DESCR.oid, SYS_OBJECT_ID.oid)
    return any(
        reference.column.oid in known and not pattern.search(_scalar(rows, reference.column))
        for reference, pattern in fact.tests
    )


def _objects_of(fact: Fact) -> Iterable[Column]:
    references: list[Reference] = [
        *fact.template.references,
        *(condition.reference for condition in fact.when if condition.reference),
        *(reference for reference, _ in fact.tests),
    ]
    for reference in references:
        yield reference.column
        if isinstance(reference.by, Column):
            yield reference.by


def _read(fact: Fact, rows: Rows) -> str:
    for index in _indexes(fact, rows):
        if not all(condition.holds(rows, index) for condition in fact.when):
            continue
        if not all(_tested(reference, rows, index, pattern) for reference, pattern in fact.tests):
            continue
        text = _extracted(fact, fact.template.render(rows, index))
        if text:
            return text
    return ""


def _tested(reference: Reference, rows: Rows, index: Oid, pattern: re.Pattern[str]) -> bool:
    found = rows.find(reference, index)
    return bool(pattern.search(text_of(found[1]) if found else ""))


def _indexes(fact: Fact, rows: Rows) -> Sequence[Oid]:
    """The rows over which a source runs: those of its columns, or none but the scalars."""
    columns = [column for column in _objects_of(fact) if not column.scalar]
    if not columns:
        return ((0,),)
    return sorted({index for column in columns for index in rows.of(column)})


def _extracted(fact: Fact, text: str) -> str:
    if fact.pattern is not None:
        match = fact.pattern.search(text)
        if match is None:
            return ""
        text = next((group for group in match.groups() if group), "") if match.re.groups else match[0]
    if fact.map is not None:
        text = fact.map.get(text, "")
    return text.strip()
