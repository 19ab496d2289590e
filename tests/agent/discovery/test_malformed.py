"""Whatever arrives on a scan's socket, nothing breaks by it."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo_agent.discovery.knock import request_id_of
from fenghuo_agent.snmp.access import parse_address
from fenghuo_agent.snmp.ber import Malformed

from .conftest import Network, community, device, user

ENGINE = bytes.fromhex("80001f8804") + b"one"


@given(st.binary(max_size=200))
def test_a_request_id_is_read_or_the_datagram_is_malformed(datagram: bytes):
    with contextlib.suppress(Malformed):
        assert isinstance(request_id_of(datagram), int)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1 << 30))
async def test_answers_with_flipped_octets_break_nothing(knocking, seed: int):
    chance = random.Random(seed)
    network = Network()
    whole = device("right", user=("monitor", "correct horse", ENGINE), clock=network.clock)
    plain = device("right")

    def bent(datagram: bytes) -> list[bytes]:
        answers = [found for each in (whole, plain) if (found := each(datagram))]
        result = []
        for answer in answers:
            octets = bytearray(answer)
            for _ in range(chance.randint(1, 4)):
                octets[chance.randrange(len(octets))] ^= 1 << chance.randrange(8)
            if chance.random() < 0.3:
                del octets[chance.randrange(len(octets)) :]
            result.append(bytes(octets))
        return result

    network.at("10.0.0.1", bent)
    private = user("private", priv={"aes128": "correct horse"})
    made = knocking([community("right", version="2c"), private, user()], most=9)
    made.knocker._pacer._clock = made.knocker._clock = network.clock
    made.knocker._pacer._sleep = made.knocker._sleep = network.sleep
    network.knocker = made.knocker
    targets = iter([(parse_address("10.0.0.1"), "sweep")])
    await made.knocker.run(network, targets)
    assert made.knocker.idle


@pytest.mark.parametrize("priv", ["aes128", "aes256", "des"])
async def test_an_encrypted_answer_that_is_noise_is_malformed(network, knocking, priv: str):
    """The engine is real; what it answers to the user has a salt and a content of any length."""
    whole = device("right", user=("monitor", "correct horse", ENGINE), clock=network.clock)
    chance = random.Random(5)

    def noisy(datagram: bytes):
        found = whole(datagram)
        if b"monitor" not in datagram or found is None:
            return found
        cut = bytearray(datagram)
        return [bytes(cut), *(bytes(cut[: -chance.randrange(1, 40)]) for _ in range(5)), bytes(cut) + b"\x00"]

    network.at("10.0.0.1", noisy)
    made = knocking([user(priv={priv: "correct horse"})])
    assert await made.at("10.0.0.1") == []
    assert made.knocker.counts.malformed + made.knocker.counts.foreign > 0
