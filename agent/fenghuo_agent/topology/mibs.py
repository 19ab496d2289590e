"""The objects that topology is made of, and where they are defined."""

from __future__ import annotations

from fenghuo_agent.snmp.ber import INTEGER, IP_ADDRESS, OCTETS, Oid
from fenghuo_agent.snmp.objects import Object

_MIB2: Oid = (1, 3, 6, 1, 2, 1)

# SNMPv2-MIB, IF-MIB (RFC 3418, RFC 2863)
SYS_NAME = Object("sysName", (*_MIB2, 1, 5), OCTETS)
_IF: Oid = (*_MIB2, 2, 2, 1)
IF_DESCR = Object("ifDescr", (*_IF, 2), OCTETS)
IF_TYPE = Object("ifType", (*_IF, 3), INTEGER)
IF_PHYS_ADDRESS = Object("ifPhysAddress", (*_IF, 6), OCTETS)
_IFX: Oid = (*_MIB2, 31, 1, 1, 1)
IF_NAME = Object("ifName", (*_IFX, 1), OCTETS)
IF_ALIAS = Object("ifAlias", (*_IFX, 18), OCTETS)
IF_STACK_STATUS = Object("ifStackStatus", (*_MIB2, 31, 1, 2, 1, 3), INTEGER)
PORTS = (IF_DESCR, IF_TYPE, IF_PHYS_ADDRESS, IF_NAME, IF_ALIAS)

# IEEE8023-LAG-MIB (IEEE 802.3ad): the ifIndex of the aggregate that a port belongs to
LAG_SELECTED = Object("dot3adAggPortSelectedAggID", (1, 2, 840, 10006, 300, 43, 1, 2, 1, 1, 12), INTEGER)
LAG_ATTACHED = Object("dot3adAggPortAttachedAggID", (1, 2, 840, 10006, 300, 43, 1, 2, 1, 1, 13), INTEGER)
LAG_PORTS = Object("dot3adAggPortListPorts", (1, 2, 840, 10006, 300, 43, 1, 1, 2, 1, 1), OCTETS)

# LLDP-MIB (IEEE 802.1AB-2005)
_LLDP: Oid = (1, 0, 8802, 1, 1, 2, 1)
LLDP_CHASSIS_KIND = Object("lldpLocChassisIdSubtype", (*_LLDP, 3, 1), INTEGER)
LLDP_CHASSIS = Object("lldpLocChassisId", (*_LLDP, 3, 2), OCTETS)
LLDP_LOCAL_KIND = Object("lldpLocPortIdSubtype", (*_LLDP, 3, 7, 1, 2), INTEGER)
LLDP_LOCAL_ID = Object("lldpLocPortId", (*_LLDP, 3, 7, 1, 3), OCTETS)
LLDP_LOCAL_DESCR = Object("lldpLocPortDesc", (*_LLDP, 3, 7, 1, 4), OCTETS)
LLDP_LOCAL = (LLDP_CHASSIS_KIND, LLDP_CHASSIS, LLDP_LOCAL_KIND, LLDP_LOCAL_ID, LLDP_LOCAL_DESCR)
_LLDP_REMOTE: Oid = (*_LLDP, 4, 1, 1)
LLDP_REMOTE = (
    Object("lldpRemChassisIdSubtype", (*_LLDP_REMOTE, 4), INTEGER),
    Object("lldpRemChassisId", (*_LLDP_REMOTE, 5), OCTETS),
    Object("lldpRemPortIdSubtype", (*_LLDP_REMOTE, 6), INTEGER),
    Object("lldpRemPortId", (*_LLDP_REMOTE, 7), OCTETS),
    Object("lldpRemPortDesc", (*_LLDP_REMOTE, 8), OCTETS),
    Object("lldpRemSysName", (*_LLDP_REMOTE, 9), OCTETS),
    Object("lldpRemSysDesc", (*_LLDP_REMOTE, 10), OCTETS),
    Object("lldpRemSysCapSupported", (*_LLDP_REMOTE, 11), OCTETS),
    Object("lldpRemSysCapEnabled", (*_LLDP_REMOTE, 12), OCTETS),
)
LLDP_ADDRESS = Object("lldpRemManAddrIfSubtype", (*_LLDP, 4, 2, 1, 3), INTEGER)

# LLDP-V2-MIB (IEEE 802.1AB-2009): the same columns, one further on
_LLDP2: Oid = (1, 3, 111, 2, 802, 1, 1, 13, 1)
LLDP2_CHASSIS_KIND = Object("lldpV2LocChassisIdSubtype", (*_LLDP2, 3, 1), INTEGER)
LLDP2_CHASSIS = Object("lldpV2LocChassisId", (*_LLDP2, 3, 2), OCTETS)
LLDP2_LOCAL_KIND = Object("lldpV2LocPortIdSubtype", (*_LLDP2, 3, 7, 1, 2), INTEGER)
LLDP2_LOCAL_ID = Object("lldpV2LocPortId", (*_LLDP2, 3, 7, 1, 3), OCTETS)
LLDP2_LOCAL_DESCR = Object("lldpV2LocPortDesc", (*_LLDP2, 3, 7, 1, 4), OCTETS)
LLDP2_LOCAL = (LLDP2_CHASSIS_KIND, LLDP2_CHASSIS, LLDP2_LOCAL_KIND, LLDP2_LOCAL_ID, LLDP2_LOCAL_DESCR)
LLDP2_REMOTE = tuple(
    Object(item.name.replace("lldpRem", "lldpV2Rem"), (*_LLDP2, 4, 1, 1, item.oid[-1] + 1), item.tag)
    for item in LLDP_REMOTE
)
LLDP2_ADDRESS = Object("lldpV2RemManAddrIfSubtype", (*_LLDP2, 4, 2, 1, 3), INTEGER)

# CISCO-CDP-MIB
_CDP: Oid = (1, 3, 6, 1, 4, 1, 9, 9, 23, 1, 2, 1, 1)
CDP_ADDRESS_KIND = Object("cdpCacheAddressType", (*_CDP, 3), INTEGER)
CDP_ADDRESS = Object("cdpCacheAddress", (*_CDP, 4), OCTETS)
CDP_DEVICE = Object("cdpCacheDeviceId", (*_CDP, 6), OCTETS)
CDP_PORT = Object("cdpCacheDevicePort", (*_CDP, 7), OCTETS)
CDP_PLATFORM = Object("cdpCachePlatform", (*_CDP, 8), OCTETS)
CDP_CAPABILITIES = Object("cdpCacheCapabilities", (*_CDP, 9), OCTETS)
CDP_SYS_NAME = Object("cdpCacheSysName", (*_CDP, 17), OCTETS)
CDP = (CDP_ADDRESS_KIND, CDP_ADDRESS, CDP_DEVICE, CDP_PORT, CDP_PLATFORM, CDP_CAPABILITIES, CDP_SYS_NAME)

# MIKROTIK-MIB, mtxrNeighborTable: MNDP, CDP and LLDP in one; its index is also that of RouterOS's lldpRemTable
_MNDP: Oid = (1, 3, 6, 1, 4, 1, 14988, 1, 1, 11, 1, 1)
MNDP_ADDRESS = Object("mtxrNeighborIpAddress", (*_MNDP, 2), IP_ADDRESS)
MNDP_MAC = Object("mtxrNeighborMacAddress", (*_MNDP, 3), OCTETS)
MNDP_PLATFORM = Object("mtxrNeighborPlatform", (*_MNDP, 5), OCTETS)
MNDP_IDENTITY = Object("mtxrNeighborIdentity", (*_MNDP, 6), OCTETS)
MNDP_INTERFACE = Object("mtxrNeighborInterfaceID", (*_MNDP, 8), INTEGER)
MNDP = (MNDP_ADDRESS, MNDP_MAC, MNDP_PLATFORM, MNDP_IDENTITY, MNDP_INTERFACE)

# BRIDGE-MIB (RFC 4188), Q-BRIDGE-MIB (RFC 4363)
_BRIDGE: Oid = (*_MIB2, 17)
BRIDGE_ADDRESS = Object("dot1dBaseBridgeAddress", (*_BRIDGE, 1, 1), OCTETS)
BASE_PORT = Object("dot1dBasePortIfIndex", (*_BRIDGE, 1, 4, 1, 2), INTEGER)
STP_ROOT = Object("dot1dStpDesignatedRoot", (*_BRIDGE, 2, 5), OCTETS)
STP_ROOT_PORT = Object("dot1dStpRootPort", (*_BRIDGE, 2, 7), INTEGER)
STP_STATE = Object("dot1dStpPortState", (*_BRIDGE, 2, 15, 1, 3), INTEGER)
STP_BRIDGE = Object("dot1dStpPortDesignatedBridge", (*_BRIDGE, 2, 15, 1, 8), OCTETS)
STP_PORT = Object("dot1dStpPortDesignatedPort", (*_BRIDGE, 2, 15, 1, 9), OCTETS)
FDB_PORT = Object("dot1dTpFdbPort", (*_BRIDGE, 4, 3, 1, 2), INTEGER)
FDB_STATUS = Object("dot1dTpFdbStatus", (*_BRIDGE, 4, 3, 1, 3), INTEGER)
Q_FDB_PORT = Object("dot1qTpFdbPort", (*_BRIDGE, 7, 1, 2, 2, 1, 2), INTEGER)
Q_FDB_STATUS = Object("dot1qTpFdbStatus", (*_BRIDGE, 7, 1, 2, 2, 1, 3), INTEGER)
VLAN_FDB = Object("dot1qVlanFdbId", (*_BRIDGE, 7, 1, 4, 2, 1, 3), INTEGER)

# HUAWEI-L2MAM-MIB: by MAC, VLAN and VSI; the value is an ifIndex
HUAWEI_FDB = Object("hwDynFdbPort", (1, 3, 6, 1, 4, 1, 2011, 5, 25, 42, 2, 1, 3, 1, 4), INTEGER)

# CISCO-VTP-MIB: the VLANs there are, whose bridges hide behind contexts
VTP_STATE = Object("vtpVlanState", (1, 3, 6, 1, 4, 1, 9, 9, 46, 1, 3, 1, 1, 2), INTEGER)

# IP-MIB (RFC 4293, and the tables of RFC 1213 that it took over)
_IP: Oid = (*_MIB2, 4)
AD_ENT = Object("ipAdEntIfIndex", (*_IP, 20, 1, 2), INTEGER)
ADDRESS = Object("ipAddressIfIndex", (*_IP, 34, 1, 3), INTEGER)
NET_TO_MEDIA = Object("ipNetToMediaPhysAddress", (*_IP, 22, 1, 2), OCTETS)
NET_TO_MEDIA_KIND = Object("ipNetToMediaType", (*_IP, 22, 1, 4), INTEGER)
NET_TO_PHYSICAL = Object("ipNetToPhysicalPhysAddress", (*_IP, 35, 1, 4), OCTETS)
NET_TO_PHYSICAL_KIND = Object("ipNetToPhysicalType", (*_IP, 35, 1, 6), INTEGER)

TABLES = frozenset(
    item.oid[:-1]
    for item in (
        *PORTS, *LLDP_LOCAL, *LLDP_REMOTE, *LLDP2_LOCAL, *LLDP2_REMOTE, *CDP, *MNDP, IF_STACK_STATUS, LAG_SELECTED, LAG_ATTACHED,
        LAG_PORTS, LLDP_ADDRESS, LLDP2_ADDRESS, BRIDGE_ADDRESS, BASE_PORT, STP_ROOT, STP_ROOT_PORT, STP_STATE, FDB_PORT, Q_FDB_PORT,
        VLAN_FDB, HUAWEI_FDB, AD_ENT, ADDRESS, NET_TO_MEDIA, NET_TO_PHYSICAL,
    )
)  # fmt: skip
"""The numbers above the columns and scalars: what a device has of them is asked before they are walked."""
