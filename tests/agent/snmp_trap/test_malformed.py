"""Octets that are no notification: each is counted, none ends the input, none becomes an event that it should not."""

from __future__ import annotations

import random
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from fenghuo.clock import VirtualClock
from fenghuo_agent.inputs.snmp_trap import SnmpTrapConfig
from fenghuo_agent.inputs.snmp_trap.input import SnmpTrapInput
from fenghuo_agent.profiles import Library
from fenghuo_agent.profiles.traps import Notices
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.message import GET, INFORM, RESPONSE, TRAP_2, request

from .conftest import COMMUNITY, Basket
from .datagrams import (
    CREDENTIAL,
    TRAP_OID,
    V3Sender,
    bind,
    content,
    envelope,
    if_index,
    inform_2c,
    integer,
    trap_1,
    trap_2c,
)

LIBRARY = Library.load()
NOTICES = Notices.of(LIBRARY)
SENDER = V3Sender()
VALID = [
    trap_2c((1, 3, 6, 1, 6, 3, 1, 1, 5, 3), if_index(3), integer((1, 3, 6, 1, 2, 1, 2, 2, 1, 8, 3), 2)),
    inform_2c((1, 3, 6, 1, 2, 1, 33, 2, 1), integer((1, 3, 6, 1, 2, 1, 33, 1, 2, 3, 0), 12)),
    trap_1((1, 3, 6, 1, 4, 1, 318), 6, 5, bind((1, 3, 6, 1, 4, 1, 318, 2, 3, 3, 0), ber.OCTETS, b"UPS: on battery")),
    SENDER.send(if_index(3)),
    V3Sender({"user": "plain"}).send(if_index(3)),
    SENDER.discovery(),
]


class Deaf:
    """A listener whose answers go nowhere."""

    def reply(self, *_: object) -> bool:
        return True


def source_of(basket: Basket) -> SnmpTrapInput:
    section = {"credentials": [{"community": COMMUNITY}, CREDENTIAL, {"user": "plain"}], "device_burst": 100_000}
    config = SnmpTrapConfig.model_validate({**section, "total_burst": 1_000_000, "strangers_rate": 100_000})
    with mock.patch.object(Notices, "of", return_value=NOTICES):
        return _build(config, basket)


def _build(config: SnmpTrapConfig, basket: Basket) -> SnmpTrapInput:
    source = SnmpTrapInput(
        config,
        credentials=list,
        library=lambda: LIBRARY,
        state=Path("unused"),
        clock=VirtualClock(),
        random=random.Random(1),
        registry=CollectorRegistry(),
    )
    source.hand_to(basket)
    source._engines.id = b"\x80\0\0\0\5us"
    return source


def judge(datagram: bytes) -> tuple[SnmpTrapInput, Basket]:
    """What becomes of one datagram, taken twice."""
    basket = Basket()
    source = source_of(basket)
    for _ in range(2):
        buffer = bytearray(datagram) + bytearray(64)
        source.take(Deaf(), buffer, len(datagram), ("10.0.0.1", 1))
    assert source.tally.received == source.tally.judged == 2
    source.summarise()
    return source, basket


def test_the_valid_ones_are_events():
    for datagram in VALID[:5]:
        source, _ = judge(datagram)
        assert source.tally.accepted >= 1, datagram
    assert judge(VALID[5])[0].tally.handshakes == 2


@st.composite
def mutations(draw) -> bytes:
    """A valid message with octets changed, cut out, put in or doubled."""
    data = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        how = draw(st.sampled_from(("flip", "set", "cut", "insert", "double", "end", "tag")))
        if how == "flip":
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif how == "set":
            data[place] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0x81, 0x84, 0xFF)))
        elif how == "cut":
            del data[place : place + draw(st.integers(1, 12))]
        elif how == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif how == "double":
            data[place:place] = data[place : place + draw(st.integers(1, 30))]
        elif how == "end":
            del data[place:]
        else:
            data[place] = draw(
                st.sampled_from((2, 4, 5, 6, 0x30, 0x40, 0x41, 0x43, 0x46, 0xA0, 0xA2, 0xA4, 0xA6, 0xA7, 0xA8))
            )
    return bytes(data)


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations())
@example(b"")
@example(b"\x30")
@example(b"\x30\x80\x00\x00")
@example(b"\x30\xff" + bytes(200))
@example(b"\x30\x82\xff")
def test_whatever_the_octets_are_each_is_counted_once(datagram):
    judge(datagram)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_octets_at_random_are_malformed(datagram):
    source, basket = judge(datagram)
    assert source.tally.accepted == 0
    assert set(basket.actions) <= {"trap-denied"}


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 7))
def test_no_bit_of_a_signed_trap_can_be_changed(place, bit):
    data = bytearray(VALID[3])
    data[place % len(data)] ^= 1 << bit
    source, _ = judge(bytes(data))
    if source.tally.accepted:
        # What is left: bits that say nothing. The signature covers all of the message, but not how its lengths are written.
        raise AssertionError(f"octet {place % len(data)} bit {bit} was changed and the trap believed")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.lists(st.integers(0, 2**32 - 1), max_size=20), st.sampled_from((2, 4, 5, 6, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x80, 0x99)), st.binary(max_size=40)), max_size=12))  # fmt: skip
def test_any_variable_bindings_are_kept_as_they_can_be(pairs):
    more = [bind((1, 3, 6, *arcs), tag, value) for arcs, tag, value in pairs]
    source, basket = judge(envelope(1, request(TRAP_2, 1, content((1, 3, 6, 1, 4, 1, 9), *more))))
    assert source.tally.accepted == 2
    assert all(isinstance(document["message"], str) for document in basket.documents)


@pytest.mark.parametrize(
    "datagram",
    [
        envelope(1, request(GET, 1, content())),
        envelope(1, request(RESPONSE, 1, content())),
        envelope(0, request(TRAP_2, 1, content())),
        envelope(1, trap_1((1, 3, 6), 0, 0)),
        envelope(2, request(TRAP_2, 1, content())),
        envelope(1, request(TRAP_2, 1, b"")),
        envelope(1, request(INFORM, 1, bind(TRAP_OID, ber.INTEGER, b"\1"))),
        trap_1((1, 3, 6, 1, 4, 1, 9), 7, 0),
        trap_1((1, 3, 6, 1, 4, 1, 9), -1, 0),
        trap_1((1, 3, 6, 1, 4, 1, 9), 6, -1),
        trap_2c() + b"\0",
        trap_2c()[:-1],
    ],
)
def test_what_is_no_notification_is_malformed(datagram):
    source, basket = judge(datagram)
    assert source.tally.malformed == 2
    assert basket.traps == [{"level": "low", "denied": {"count": 2, "seconds": 0.0, "reason": "malformed"}}]


def test_a_wrong_community_is_denied_whatever_follows():
    source, _ = judge(trap_2c(community="public"))
    assert source.tally.denied == {"community": 2}
