"""Knocking at doors on a virtual network."""

from __future__ import annotations

import errno
import itertools
from collections import Counter

import pytest

from fenghuo_agent.discovery.knock import MOST_IGNORED, request_id_of
from fenghuo_agent.snmp.access import Target, parse_address

from .conftest import community, device, old_device, response, user

ENGINE = bytes.fromhex("80001f8804") + b"one"


def versions(network, target: Target) -> list[int]:
    """Versions of the questions to a target, as their number on the wire."""
    return [datagram[datagram.index(b"\x02\x01") + 2] for datagram in network.to(target)]


async def test_a_device_opens_to_the_first_community_that_is_right(network, knocking):
    target = network.at("10.0.0.1", device("second"))
    opened = await knocking([community("first"), community("second"), community("third")]).at("10.0.0.1")
    assert [(each.target, each.label, each.credential.protocol) for each in opened] == [(target, "community 2", "2c")]
    assert versions(network, target) == [1, 1]


async def test_a_device_that_speaks_only_v1_is_found_and_asked_once_more_by_v2c(network, knocking):
    target = network.at("10.0.0.1", old_device())
    made = knocking([community()])
    opened = await made.at("10.0.0.1")
    assert [(each.credential.protocol, each.label) for each in opened] == [("1", "community 1")]
    assert versions(network, target) == [1, 0, 1]


async def test_a_device_that_lost_the_first_question_still_opens_by_v2c(network, knocking):
    whole = device()
    old = old_device()
    lost = iter([True])

    def answer(datagram: bytes):
        return None if next(lost, False) else whole(datagram) or old(datagram)

    network.at("10.0.0.1", answer)
    assert [each.credential.protocol for each in await knocking([community()]).at("10.0.0.1")] == ["2c"]


async def test_a_version_that_is_given_is_the_only_one_that_is_spoken(network, knocking):
    target = parse_address("10.0.0.1")
    await knocking([community(version="2c")]).at("10.0.0.1")
    assert versions(network, target) == [1, 1]
    network.sent.clear()
    await knocking([community(version="1")]).at("10.0.0.1")
    assert versions(network, target) == [0, 0]


async def test_a_v3_device_is_asked_who_it_is_before_a_user_is_tried(network, knocking):
    target = network.at("10.0.0.1", device(user=("monitor", "correct horse", ENGINE), clock=network.clock))
    made = knocking([user()])
    opened = await made.at("10.0.0.1")
    assert [(each.label, each.engine) for each in opened] == [("user monitor", ENGINE)]
    assert b"monitor" not in network.to(target)[0]
    assert len(network.to(target)) == 2
    assert made.attempts.dump() == {ENGINE.hex(): {}}


async def test_the_order_of_credentials_decides_between_community_and_user(network, knocking):
    by_user = device(user=("monitor", "correct horse", ENGINE), clock=network.clock)
    by_community = device()

    def both(datagram: bytes):
        return by_user(datagram) or by_community(datagram)

    network.at("10.0.0.1", both)
    assert (await knocking([user(), community()]).at("10.0.0.1"))[0].credential.user == "monitor"
    assert (await knocking([community(), user()]).at("10.0.0.1"))[0].credential.user is None


async def test_a_device_of_which_no_user_is_known_goes_on_to_communities(network, knocking):
    by_user = device(user=("other", "correct horse", ENGINE), clock=network.clock)
    by_community = device()
    network.at("10.0.0.1", lambda datagram: by_user(datagram) or by_community(datagram))
    opened = await knocking([user(), community()]).at("10.0.0.1")
    assert opened[0].label == "community 2"
    assert opened[0].engine == ENGINE


async def test_a_locked_device_is_told_with_every_reason(network, knocking):
    network.at("10.0.0.1", device(user=("monitor", "correct horse", ENGINE), clock=network.clock))
    made = knocking([user(password="wrong horse"), user("nobody"), user(priv={"aes128": "correct horse"})], most=9)
    assert await made.at("10.0.0.1") == []
    (locked,) = made.knocker.locked
    assert locked.engine == ENGINE
    assert set(locked.refused.values()) <= {"wrongDigests", "unknownUserNames", "unsupportedSecLevels"}
    assert locked.refused["user nobody"] == "unknownUserNames"
    assert made.knocker.counts.locked == 1


async def test_silent_addresses_get_every_question_once_and_all_but_v1_again(network, knocking):
    made = knocking([community("a"), user(), community("b")])
    await made.at("10.0.0.1")
    assert versions(network, parse_address("10.0.0.1")) == [1, 3, 1, 0, 0, 1, 3, 1]
    assert made.knocker.counts.silent == 1


@pytest.mark.parametrize(
    ("number", "counted"),
    [
        (errno.ECONNREFUSED, "closed"),
        (errno.EHOSTUNREACH, "nobody"),
        (errno.ENETUNREACH, "nobody"),
        (errno.EACCES, "forbidden"),
    ],
)
async def test_an_address_of_which_the_network_says_that_nobody_answers_is_asked_no_more(
    network, knocking, number: int, counted: str
):
    target = parse_address("10.0.0.1")
    network.errors[target] = number, 0.5
    made = knocking([community("a"), community("b"), user()])
    await made.at("10.0.0.1")
    assert len(network.to(target)) == 1
    assert getattr(made.knocker.counts, counted) == 1


async def test_a_scan_ends_with_the_last_address_that_is_settled(network, knocking):
    for number in range(1, 11):
        network.errors[parse_address(f"10.0.0.{number}")] = errno.ECONNREFUSED, 0.001
    await knocking([community()]).at(*(f"10.0.0.{number}" for number in range(1, 11)))
    assert network.clock.monotonic() < 0.2


async def test_an_unrelated_error_changes_nothing(network, knocking):
    target = parse_address("10.0.0.1")
    network.errors[target] = errno.EMSGSIZE, 0.1
    made = knocking([community()])
    await made.at("10.0.0.1")
    assert len(network.to(target)) == 3
    made.knocker.failed(parse_address("10.9.9.9"), errno.EHOSTUNREACH)
    assert made.knocker.counts.nobody == 0


async def test_a_slow_device_is_found_by_its_late_answer(network, knocking):
    network.at("10.0.0.1", device(), delay=5.5)
    assert len(await knocking([community("a"), community()]).at("10.0.0.1")) == 1


async def test_no_address_has_two_unanswered_questions_at_once(network, knocking):
    hosts = [f"10.0.{number // 200}.{1 + number % 200}" for number in range(400)]
    for place, host in enumerate(hosts):
        if place % 7 == 0:
            network.at(host, device("b"), delay=0.3)
    made = knocking([community("a"), user(), community("b")], rate=300)
    await made.at(*hosts)
    assert len(made.opened) == 58
    last: dict[str, float] = {}
    for time, target, _ in network.sent:
        if target not in network.devices:
            assert time - last.get(target.host, -9.0) >= 1.999
        last[target.host] = time


async def test_ports_of_one_address_are_asked_one_after_the_other(network, knocking):
    targets = [f"10.0.0.1:{port}" for port in range(1001, 1006)]
    network.at("10.0.0.1:1003", device(), delay=0.2)
    made = knocking([community()])
    assert [each.target.port for each in await made.at(*targets)] == [1003]
    times = [time for time, _, _ in network.sent]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert all(
        pause >= 1.999 or target.port == 1003 for pause, (_, target, _) in zip(pauses, network.sent, strict=False)
    )
    assert Counter(target.port for _, target, _ in network.sent)[1005] == 3


async def test_the_rate_is_never_exceeded_and_a_22_takes_less_than_a_minute(network, knocking):
    hosts = [f"10.20.{number // 256}.{number % 256}" for number in range(1, 1023)]
    for place, host in enumerate(hosts):
        if place % 17 == 0:
            network.at(host, device(user=("monitor", "correct horse", ENGINE), clock=network.clock), delay=0.02)
    made = knocking([community(), user()])
    await made.at(*hosts)
    times = [time for time, _, _ in network.sent]
    start = 0
    for end, time in enumerate(times):
        while time - times[start] > 0.9999:
            start += 1
        assert end - start < 100
    assert len(made.opened) == 61
    assert network.clock.monotonic() < 60


async def test_an_answer_from_another_address_opens_nothing_and_is_told(network, knocking):
    target = network.at("10.0.0.1", device())
    network.sources[target] = parse_address("10.9.9.9")
    made = knocking([community()])
    assert await made.at("10.0.0.1") == []
    assert made.knocker.counts.astray == 2
    assert made.knocker.strays == {target: parse_address("10.9.9.9")}


async def test_foreign_and_malformed_answers_are_counted_and_open_nothing(network, knocking):
    def bad(datagram: bytes) -> list[bytes]:
        number = request_id_of(datagram)
        return [
            response(1, "right", number ^ 1),  # another question's
            response(1, "wrong", number),  # another community's
            response(0, "right", number),  # another version's
            b"\x30\x03\x02\x01",  # cut
            b"hello",
            b"",
            response(1, "right", number)[:-1],
        ]

    network.at("10.0.0.1", bad)
    made = knocking([community(version="2c")], retries=0)
    assert await made.at("10.0.0.1") == []
    counts = made.knocker.counts
    assert (counts.foreign, counts.malformed) == (3, 4)
    made.knocker.heard(b"\x30", parse_address("10.7.7.7"))
    made.knocker.heard(response(1, "right", 12345), parse_address("10.7.7.7"))
    assert (counts.foreign, counts.malformed) == (4, 5)


async def test_who_floods_is_left_alone(network, knocking):
    network.at("10.0.0.1", lambda _: [b"noise"] * (MOST_IGNORED + 1))
    made = knocking([community()])
    await made.at("10.0.0.1")
    assert made.knocker.counts.flooding == 1
    assert len(network.sent) == 1


async def test_a_forged_v3_report_with_another_message_id_is_no_engine(network, knocking):
    real = device(user=("monitor", "correct horse", ENGINE), clock=network.clock)
    other: list[bytes] = []

    def late(datagram: bytes):
        other.append(real(datagram))
        return other[0] if len(other) > 1 else None  # always the answer to the first question

    network.at("10.0.0.1", late)
    made = knocking([user()], retries=0)
    made.knocker.add(parse_address("10.0.0.1"), "sweep")
    assert await made.at("10.0.0.1") == []


async def test_credentials_may_differ_by_address(network, knocking):
    network.at("10.0.0.1", device("a"))
    network.at("10.0.0.2", device("a"))
    made = knocking([], plans=lambda target: [community("a" if target.host == "10.0.0.1" else "b")])
    assert [each.target.host for each in await made.at("10.0.0.1", "10.0.0.2")] == ["10.0.0.1"]


async def test_memory_of_a_large_scan_is_that_of_its_window(network, knocking):
    most = 0
    made = knocking([community(version="2c")], retries=0, rate=10_000)

    def watched():
        nonlocal most
        for number in range(1, 6000):
            most = max(most, len(made.knocker._doors))
            yield parse_address(f"10.1.{number // 250}.{1 + number % 250}"), "sweep"

    await made.knocker.run(network, watched())
    assert made.knocker.counts.silent == 5999
    assert most <= 2048
    assert not made.knocker._doors
    assert not made.knocker._ids
    assert not made.knocker._turns._busy
