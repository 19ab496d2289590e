"""Notifications that pysnmp encoded are read as it meant them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import encoder
from pysnmp.proto import api, rfc1902

from fenghuo_agent.inputs.snmp_trap.notification import trap_1, trap_2, trap_pdu
from fenghuo_agent.inputs.snmp_trap.translate import Limits, content_of
from fenghuo_agent.profiles.traps import Notices

ARC = st.integers(0, 2**32 - 1)
NAMES = st.lists(ARC, min_size=1, max_size=12).map(lambda arcs: (1, 3, 6, 1, 4, 1, 99999, *arcs))
LEAST = -(2**31) + 1  # pyasn1 spends a fifth octet on the integer below
VALUES = st.one_of(
    st.integers(LEAST, 2**31 - 1).map(lambda value: ("integer", rfc1902.Integer32(value), str(value))),
    st.integers(0, 2**32 - 1).map(lambda value: ("counter32", rfc1902.Counter32(value), str(value))),
    st.integers(0, 2**32 - 1).map(lambda value: ("gauge32", rfc1902.Gauge32(value), str(value))),
    st.integers(0, 2**32 - 1).map(lambda value: ("timeticks", rfc1902.TimeTicks(value), str(value))),
    st.integers(0, 2**64 - 1).map(lambda value: ("counter64", rfc1902.Counter64(value), str(value))),
    st.ip_addresses(v=4).map(lambda value: ("ip", rfc1902.IpAddress(str(value)), str(value))),
    NAMES.map(lambda value: ("oid", rfc1902.ObjectName(value), ".".join(map(str, value)))),
    st.from_regex(r"[A-Za-z][A-Za-z0-9/ -]{0,60}[a-z]", fullmatch=True).map(
        lambda value: ("octets", rfc1902.OctetString(value), " ".join(value.split()))
    ),
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def read(notification) -> list[tuple[str, str, str]]:
    content = content_of(notification, Notices(), Limits())
    return [(each["oid"], each["type"], each["value"]) for each in content.others]


def meant(pairs) -> list[tuple[str, str, str]]:
    return [(".".join(map(str, name)), kind, text) for name, (kind, _, text) in pairs]


@settings(max_examples=150, deadline=None)
@given(NAMES, st.integers(0, 2**32 - 1), PAIRS)
def test_version_2(oid, uptime, pairs):
    protocol = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]
    pdu = protocol.TrapPDU()
    protocol.apiTrapPDU.set_defaults(pdu)
    head = [
        ((1, 3, 6, 1, 2, 1, 1, 3, 0), rfc1902.TimeTicks(uptime)),
        ((1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0), rfc1902.ObjectName(oid)),
    ]
    protocol.apiTrapPDU.set_varbinds(pdu, head + [(name, value) for name, (_, value, _) in pairs])
    data = encoder.encode(pdu)
    notification = trap_2(trap_pdu(data, 0, len(data)), 2)
    assert (notification.oid, notification.uptime) == (oid, uptime)
    assert read(notification) == meant(pairs)


@settings(max_examples=150, deadline=None)
@given(NAMES, st.integers(0, 6), st.integers(0, 2**31 - 1), st.ip_addresses(v=4), st.integers(0, 2**32 - 1), PAIRS)
def test_version_1(enterprise, generic, specific, agent, uptime, pairs):
    pairs = [pair for pair in pairs if pair[1][0] != "counter64"]
    protocol = api.PROTOCOL_MODULES[api.SNMP_VERSION_1]
    pdu = protocol.TrapPDU()
    protocol.apiTrapPDU.set_defaults(pdu)
    protocol.apiTrapPDU.set_enterprise(pdu, enterprise)
    protocol.apiTrapPDU.set_agent_address(pdu, str(agent))
    protocol.apiTrapPDU.set_generic_trap(pdu, generic)
    protocol.apiTrapPDU.set_specific_trap(pdu, specific)
    protocol.apiTrapPDU.set_timestamp(pdu, uptime)
    protocol.apiTrapPDU.set_varbinds(pdu, [(name, _version_1(protocol, value)) for name, (_, value, _) in pairs])
    data = encoder.encode(pdu)
    notification = trap_1(data, 0, len(data))
    expected = (1, 3, 6, 1, 6, 3, 1, 1, 5, generic + 1) if generic < 6 else (*enterprise, 0, specific)
    assert (notification.oid, notification.enterprise, notification.uptime) == (expected, enterprise, uptime)
    assert notification.agent == ("" if str(agent) == "0.0.0.0" else str(agent))
    assert read(notification) == meant(pairs)


def _version_1(protocol, value):
    """A value in the types of RFC 1155."""
    kinds = {
        rfc1902.Integer32: protocol.Integer, rfc1902.Counter32: protocol.Counter, rfc1902.Gauge32: protocol.Gauge,
        rfc1902.TimeTicks: protocol.TimeTicks, rfc1902.IpAddress: protocol.IpAddress,
        rfc1902.ObjectName: protocol.ObjectIdentifier, rfc1902.OctetString: protocol.OctetString,
    }  # fmt: skip
    return kinds[type(value)](value)
