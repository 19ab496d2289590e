"""SNMP notifications: traps and informs of v1, v2c and v3."""

from __future__ import annotations

from fenghuo_agent.inputs.snmp_trap.config import SnmpTrapConfig

__all__ = ["SnmpTrapConfig"]
