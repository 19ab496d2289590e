"""A MIB object: a name, a number, a type."""

from __future__ import annotations

from dataclasses import dataclass

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import COUNTER32, COUNTER64, Oid

COUNTER_BITS = {COUNTER32: 32, COUNTER64: 64}
SCALAR: Oid = (0,)
"""The index of an object that is no column."""


@dataclass(frozen=True, slots=True)
class Object:
    """A MIB object: its name, its number without an instance, and the BER tag of its type."""

    name: str
    oid: Oid
    tag: int

    def instance(self, index: Oid) -> bytes:
        """The encoded name of one instance."""
        return ber.oid(self.oid + index)
