"""Answers that are no answers: each is an error or a timeout that is counted, never a stop and never a wrong value.

What a value is, once its octets changed on the way, is judged by pysnmp's decoder: where ours gives a value, so does it,
and the same.
"""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder
from pyasn1.error import PyAsn1Error
from pysnmp.proto import api

from fenghuo_agent.inputs.snmp import mibs
from fenghuo_agent.inputs.snmp.input import DevicesFailed
from fenghuo_agent.inputs.snmp.plan import Guess, Plans, Shape
from fenghuo_agent.inputs.snmp.poll import TooMuch, take
from fenghuo_agent.inputs.snmp.tally import Tally
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.errors import Faulty, SnmpError
from fenghuo_agent.snmp.message import Community, Malformed
from servers.snmpd import COMMUNITY

from .conftest import FakeDevice, integer, unsigned

REQUEST = 123_456_789
SHAPE = Shape(
    (mibs.SYS_UPTIME,), (mibs.IF_OPER_STATUS, *mibs.IF_HIGH_CAPACITY[:2], mibs.IF_ERRORS[0]), (1, 700), frozenset()
)
PLAN = Plans().get(SHAPE, 20)
CHUNK = PLAN.chunks[0]
VALUES = [4711, 1, 2**40, 2**63, 5, 2, 0, 255, 2**31]


def whole() -> bytes:
    pairs = []
    for entry, value in zip(SHAPE.objects(), VALUES, strict=True):
        item, index = entry
        pairs.append(((*item.oid, *index), integer(value) if item.tag == ber.INTEGER else unsigned(item.tag, value)))
    return FakeDevice.encode(1, REQUEST, (0, 0), pairs)


VALID = whole()


@st.composite
def mutations(draw) -> bytes:
    """A valid answer with octets changed, cut out, put in, doubled, or its lengths and tags exchanged."""
    data = bytearray(VALID)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        how = draw(st.sampled_from(("flip", "set", "cut", "insert", "double", "end", "tag")))
        if not data:
            break
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
                st.sampled_from((2, 4, 5, 6, 0x30, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46, 0x80, 0x81, 0xA2, 0xA8))
            )
    return bytes(data)


def judged(datagram: bytes) -> dict[tuple[int, ...], int] | None:
    """The numbers in a datagram by pysnmp's decoder; None where it finds it malformed."""
    protocol = api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]
    try:
        message, _ = decoder.decode(datagram, asn1Spec=protocol.Message())
        pairs = protocol.apiPDU.get_varbinds(protocol.apiMessage.get_pdu(message))
        return {tuple(name): int(value) for name, value in pairs if hasattr(value, "__int__")}
    except (PyAsn1Error, ValueError, IndexError, TypeError, AttributeError, OverflowError):
        return None


def read(datagram: bytes, *, practised: bool) -> list | None:
    """What our decoder makes of a datagram; None where it finds it malformed."""
    guess, tally = Guess(len(CHUNK.names)), Tally()
    envelope = Community(COMMUNITY, version=2)
    if practised:
        take(CHUNK, guess, envelope.unwrap(VALID, REQUEST).varbinds, tally)
    try:
        pdu = envelope.unwrap(datagram, REQUEST)
        if pdu.status:
            return None
        return take(CHUNK, guess, pdu.varbinds, tally)
    except (Malformed, Faulty, TooMuch):
        return None


def test_the_valid_answer_is_read() -> None:
    assert read(VALID, practised=False) == read(VALID, practised=True) == VALUES
    assert list(judged(VALID).values()) == VALUES


@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutations(), st.booleans())
@example(VALID[:-1], True)
@example(VALID + b"\0", True)
@example(b"", False)
@example(b"\x30", False)
@example(b"\x30\x80\x00\x00", False)
@example(b"\x30\x84\xff\xff\xff\xff" + VALID[2:], False)
def test_a_malformed_answer_gives_an_error_or_the_values_that_another_decoder_finds(
    datagram: bytes, practised: bool
) -> None:
    values = read(datagram, practised=practised)
    if values is None:
        return
    expected = judged(datagram)
    for entry, value in zip(SHAPE.objects(), values, strict=True):
        item, index = entry
        if value is None:
            continue
        if expected is None:
            # pysnmp refuses the whole message for one bad value, ours leaves that value out; and it takes a counter of
            # four octets with the highest bit set for a negative one. What is left must then be octets of the datagram.
            assert ber.oid((*item.oid, *index)) in datagram
            continue
        assert expected[(*item.oid, *index)] == value


@pytest.mark.parametrize("practised", [False, True])
@pytest.mark.parametrize("cut", range(1, 40))
def test_a_list_that_breaks_off_gives_no_value(practised, cut):
    """The lengths around it are right, so only the list itself shows that octets are missing."""
    body = Community(COMMUNITY, version=2).unwrap(VALID, REQUEST).varbinds
    guess = Guess(len(CHUNK.names))
    if practised:
        take(CHUNK, guess, body, Tally())
    with pytest.raises((Faulty, TooMuch)):
        take(CHUNK, guess, body[:-cut], Tally())


@pytest.mark.parametrize("practised", [False, True])
def test_an_integer_below_zero_is_no_large_one(practised):
    body = Community(COMMUNITY, version=2).unwrap(VALID, REQUEST).varbinds
    guess = Guess(len(CHUNK.names))
    if practised:
        take(CHUNK, guess, body, Tally())
    name = mibs.IF_OPER_STATUS.instance((1,))
    negative = body.replace(name + b"\x02\x01\x01", name + b"\x02\x01\xff", 1)
    assert negative != body
    assert take(CHUNK, guess, negative, Tally()) == [VALUES[0], -1, *VALUES[2:]]


def test_octets_after_the_list_give_no_value():
    body = Community(COMMUNITY, version=2).unwrap(VALID, REQUEST).varbinds
    with pytest.raises(Faulty):
        take(CHUNK, Guess(len(CHUNK.names)), body + b"\x30", Tally())


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_octets_at_random_are_malformed(datagram: bytes) -> None:
    assert read(datagram, practised=True) is None


@pytest.mark.parametrize("seed", range(3))
async def test_a_device_that_answers_malformed_stops_nothing(make_device, make_input, recorder, seed):
    """Fifty polls, all answers but some mutated on the way, beside a device that is well."""
    chance = random.Random(seed)
    bad, good = await make_device(), await make_device("127.0.0.2")
    for device in (bad, good):
        device.ports(3)
    source = make_input(bad.address, good.address, timeout=0.5, retries=1, deadline=5)
    await source.once(recorder)
    quick = {"timeout": 0.06, "deadline": 1.0, "learn_deadline": 1.0}
    source.reconfigure(source._shared.config.model_copy(update=quick))

    def mangle(answer: bytes, _) -> list[bytes]:
        data = bytearray(answer)
        for _ in range(chance.randint(0, 3)):
            place = chance.randrange(len(data))
            if chance.random() < 0.6:
                data[place] = chance.choice((0, 1, 4, 0x30, 0x41, 0x7F, 0x80, 0x81, 0xFF, chance.randrange(256)))
            elif chance.random() < 0.5:
                del data[place:]
            else:
                data[place:place] = chance.randbytes(3)
            if not data:
                break
        return [bytes(data)]

    bad.mangle = mangle
    sent = 0
    for _ in range(50):
        bad.requests.clear()
        try:
            await source.once(recorder)
        except DevicesFailed as failed:
            assert list(failed.failures) == [bad.address]
            assert all(isinstance(error, SnmpError) for error in failed.failures.values())
            assert "unexpected" not in str(failed)
        sent += len(bad.requests)
        for device in source.devices:
            device.probe_at = 0.0
    assert sent >= 70
    assert source.tally.polls["ok"] >= 51
    assert source.tally.malformed + source.tally.foreign + source.tally.wrong + source.tally.missing > 0
    healthy = [table for table in recorder.tables if table.layout.labels["instance"] == good.address]
    assert len([table for table in healthy if table.layout.name == "interface"]) == 51
    bad.mangle = lambda answer, _: [answer]
    await source.once(recorder)
    assert {table.layout.name for table in recorder.tables[-4:]} == {"system", "interface"}
    assert source.tally.sockets == 0
    assert len(asyncio.all_tasks()) == 1
