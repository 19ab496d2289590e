"""Version 3: keys by the RFC's examples, and that only what the engine signed is believed."""

from __future__ import annotations

import asyncio
import random

import pytest

from fenghuo_agent.inputs.snmp.input import DevicesFailed
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.usm import User, localise, stretch
from servers.snmpd import PASSWORD, SECRET

ENGINE = bytes.fromhex("000000000000000000000002")
CREDENTIAL = {"user": "sha256aes", "auth": {"sha256": PASSWORD}, "priv": {"aes128": SECRET}}


@pytest.mark.parametrize(
    ("name", "stretched", "localised"),
    [
        ("md5", "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
        ("sha1", "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"),
    ],
)
def test_keys_are_those_of_rfc_3414_appendix_a_3(name, stretched, localised):
    key = stretch(name, b"maplesyrup")
    assert key.hex() == stretched
    assert localise(name, key, ENGINE).hex() == localised


def test_long_privacy_keys_have_the_right_length():
    for priv, size in (("aes128", 16), ("aes192", 24), ("aes256", 32), ("aes192c", 24), ("aes256c", 32), ("des", 16)):
        user = User(
            Credential.model_validate({"user": "a", "auth": {"sha1": "maplesyrup"}, "priv": {priv: "maplesyrup"}})
        )
        assert len(user.keys(ENGINE)[1]) == size


class Relay(asyncio.DatagramProtocol):
    """Stands between the input and snmpd and changes what comes back."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.mangle = lambda answer: [answer]
        self.answers: list[bytes] = []

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.address = "127.0.0.1:{1}".format(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, peer) -> None:
        if peer[1] == self.port:
            self.answers.append(data)
            for answer in self.mangle(data):
                self.transport.sendto(answer, self.client)
        else:
            self.client = peer
            self.transport.sendto(data, ("127.0.0.1", self.port))


@pytest.fixture
async def relay(agent):
    transport, relay = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Relay(agent.port), local_addr=("127.0.0.1", 0)
    )
    yield relay
    transport.close()


async def test_answers_that_were_changed_on_the_way_are_not_believed(relay, make_input, recorder):
    source = make_input(relay.address, credential=CREDENTIAL, timeout=0.02, retries=1)
    await source.once(recorder)
    chance = random.Random(3)

    def flip(answer: bytes) -> list[bytes]:
        data = bytearray(answer)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        return [bytes(data)]

    relay.mangle = flip
    tables = len([table for table in recorder.tables if table.layout.name == "interface"])
    for _ in range(50):
        with pytest.raises(DevicesFailed) as failed:
            await source.once(recorder)
        assert "unexpected" not in str(failed.value)
        source.devices[0].probe_at = 0.0
    assert len([table for table in recorder.tables if table.layout.name == "interface"]) == tables
    assert source.tally.foreign + source.tally.malformed >= 50
    relay.mangle = lambda answer: [answer]
    await source.once(recorder)
    assert recorder.value("system", "snmp_up") == 1


async def test_an_old_answer_sent_again_is_not_believed(relay, make_input, recorder):
    source = make_input(relay.address, credential=CREDENTIAL)
    await source.once(recorder)
    old = relay.answers[-1]
    relay.mangle = lambda answer: [old, answer]
    before = source.tally.foreign
    await source.once(recorder)
    assert source.tally.foreign > before
    assert source.tally.polls == {"ok": 2}


async def test_an_answer_without_signature_is_not_believed(relay, make_input, recorder):
    """A forger who can read and send, but knows no key, gives the right ids and no signature."""
    source = make_input(relay.address, credential={"user": "sha256only", "auth": {"sha256": PASSWORD}}, timeout=0.1)
    await source.once(recorder)

    def strip(answer: bytes) -> list[bytes]:
        flags = answer.index(b"\x04\x01\x01\x02\x01\x03")
        return [answer[: flags + 2] + b"\x00" + answer[flags + 3 :]]

    relay.mangle = strip
    with pytest.raises(DevicesFailed):
        await source.once(recorder)


async def test_the_engine_is_asked_who_it_is_only_once(relay, make_input, recorder):
    source = make_input(relay.address, credential=CREDENTIAL)
    await source.once(recorder)
    first = source.tally.requests
    for _ in range(3):
        await source.once(recorder)
    assert (source.tally.requests - first) % 3 == 0
    assert source.tally.reports == 0
