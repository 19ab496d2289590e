"""The objects that are read: names, numbers and types (SNMPv2-MIB, IF-MIB, ENTITY-MIB)."""

from __future__ import annotations

from fenghuo_agent.snmp.ber import COUNTER32, COUNTER64, GAUGE32, INTEGER, OCTETS, OID, TIMETICKS, Oid
from fenghuo_agent.snmp.objects import Object

MAX_LABEL = 255
"""Most characters of a label that a device gives."""
_MIB2: Oid = (1, 3, 6, 1, 2, 1)
_SYSTEM: Oid = (*_MIB2, 1)
_IF_ENTRY: Oid = (*_MIB2, 2, 2, 1)
_IF_X_ENTRY: Oid = (*_MIB2, 31, 1, 1, 1)
_PHYSICAL: Oid = (*_MIB2, 47, 1, 1, 1, 1)

SYS_DESCR = Object("sysDescr", (*_SYSTEM, 1), OCTETS)
SYS_OBJECT_ID = Object("sysObjectID", (*_SYSTEM, 2), OID)
SYS_UPTIME = Object("sysUpTime", (*_SYSTEM, 3), TIMETICKS)
SYS_CONTACT = Object("sysContact", (*_SYSTEM, 4), OCTETS)
SYS_NAME = Object("sysName", (*_SYSTEM, 5), OCTETS)
SYS_LOCATION = Object("sysLocation", (*_SYSTEM, 6), OCTETS)
IF_NUMBER = Object("ifNumber", (*_MIB2, 2, 1), INTEGER)
IF_TABLE_LAST_CHANGE = Object("ifTableLastChange", (*_MIB2, 31, 1, 5), TIMETICKS)
FACTS = (SYS_DESCR, SYS_OBJECT_ID, SYS_UPTIME, SYS_CONTACT, SYS_NAME, SYS_LOCATION, IF_NUMBER, IF_TABLE_LAST_CHANGE)
WATCHED = (SYS_UPTIME, IF_NUMBER, IF_TABLE_LAST_CHANGE)

IF_DESCR = Object("ifDescr", (*_IF_ENTRY, 2), OCTETS)
IF_NAME = Object("ifName", (*_IF_X_ENTRY, 1), OCTETS)
IF_ALIAS = Object("ifAlias", (*_IF_X_ENTRY, 18), OCTETS)
IF_LABELS = (IF_NAME, IF_ALIAS, IF_DESCR)
IF_ADMIN_STATUS = Object("ifAdminStatus", (*_IF_ENTRY, 7), INTEGER)
IF_OPER_STATUS = Object("ifOperStatus", (*_IF_ENTRY, 8), INTEGER)
IF_DISCONTINUITY = Object("ifCounterDiscontinuityTime", (*_IF_X_ENTRY, 19), TIMETICKS)

IF_STATUS = (IF_ADMIN_STATUS, IF_OPER_STATUS)
IF_HIGH_SPEED = (Object("ifHighSpeed", (*_IF_X_ENTRY, 15), GAUGE32),)
IF_HIGH_CAPACITY = (
    Object("ifHCInOctets", (*_IF_X_ENTRY, 6), COUNTER64),
    Object("ifHCOutOctets", (*_IF_X_ENTRY, 10), COUNTER64),
    Object("ifHCInUcastPkts", (*_IF_X_ENTRY, 7), COUNTER64),
    Object("ifHCOutUcastPkts", (*_IF_X_ENTRY, 11), COUNTER64),
    Object("ifHCInMulticastPkts", (*_IF_X_ENTRY, 8), COUNTER64),
    Object("ifHCOutMulticastPkts", (*_IF_X_ENTRY, 12), COUNTER64),
    Object("ifHCInBroadcastPkts", (*_IF_X_ENTRY, 9), COUNTER64),
    Object("ifHCOutBroadcastPkts", (*_IF_X_ENTRY, 13), COUNTER64),
)
IF_ERRORS = (
    Object("ifInErrors", (*_IF_ENTRY, 14), COUNTER32),
    Object("ifOutErrors", (*_IF_ENTRY, 20), COUNTER32),
    Object("ifInDiscards", (*_IF_ENTRY, 13), COUNTER32),
    Object("ifOutDiscards", (*_IF_ENTRY, 19), COUNTER32),
)
IF_SPEED = (Object("ifSpeed", (*_IF_ENTRY, 5), GAUGE32),)
IF_LOW_CAPACITY = (
    Object("ifInOctets", (*_IF_ENTRY, 10), COUNTER32),
    Object("ifOutOctets", (*_IF_ENTRY, 16), COUNTER32),
    Object("ifInUcastPkts", (*_IF_ENTRY, 11), COUNTER32),
    Object("ifOutUcastPkts", (*_IF_ENTRY, 17), COUNTER32),
    Object("ifInNUcastPkts", (*_IF_ENTRY, 12), COUNTER32),
    Object("ifOutNUcastPkts", (*_IF_ENTRY, 18), COUNTER32),
)
IF_COLUMNS = (*IF_STATUS, *IF_HIGH_SPEED, *IF_HIGH_CAPACITY, *IF_ERRORS)
"""Read where the device has them, in this order."""
IF_FALLBACK = (*IF_SPEED, *IF_LOW_CAPACITY)
"""Read instead where an interface has no 64-bit counters (v1, old devices, interfaces below 20 Mbit/s)."""

PHYSICAL_CLASS = Object("entPhysicalClass", (*_PHYSICAL, 5), INTEGER)
PHYSICAL_FACTS = (
    Object("entPhysicalDescr", (*_PHYSICAL, 2), OCTETS),
    Object("entPhysicalHardwareRev", (*_PHYSICAL, 8), OCTETS),
    Object("entPhysicalFirmwareRev", (*_PHYSICAL, 9), OCTETS),
    Object("entPhysicalSoftwareRev", (*_PHYSICAL, 10), OCTETS),
    Object("entPhysicalSerialNum", (*_PHYSICAL, 11), OCTETS),
    Object("entPhysicalMfgName", (*_PHYSICAL, 12), OCTETS),
    Object("entPhysicalModelName", (*_PHYSICAL, 13), OCTETS),
)
CHASSIS = 3
