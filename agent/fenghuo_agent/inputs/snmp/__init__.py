"""SNMP: devices polled by GETs of what is known to be there (RFC 3416, RFC 3414), into `system`, `interface`, `sensor`."""

from fenghuo_agent.inputs.snmp.config import SnmpConfig

__all__ = ["SnmpConfig"]
