"""No device may lock a v3 user out because of us: wrong attempts are counted exactly, and bounded."""

from __future__ import annotations

import itertools

import pytest

from fenghuo.clock import VirtualClock
from fenghuo_agent.discovery.attempts import MOST_ENGINES, Attempts

from .conftest import community, device, user

ENGINE = bytes.fromhex("80001f8804") + b"one"
SALT = b"salt"


def in_name_of(network, target, name: str) -> int:
    """How many requests were sent to a target in a user's name."""
    return sum(name.encode() in datagram for datagram in network.to(target))


def counting(clock, name: str = "monitor", password: str = "correct horse"):
    """A v3 device, and how many requests it refused so far."""
    answer = device(user=(name, password, ENGINE), clock=clock)
    known = answer.__self__._user
    return answer, lambda: sum(number for counter, number in known._refused.items() if counter != 4)


async def test_a_wrong_password_is_tried_once_and_not_again_within_the_day(network, knocking):
    answer, refused = counting(network.clock)
    target = network.at("10.0.0.1", answer)
    made = knocking([user(password="wrong horse")])
    for _ in range(5):
        await made.at("10.0.0.1")
    assert refused() == in_name_of(network, target, "monitor") == 1
    assert made.attempts.withheld == 4
    network.clock.advance(86_400)
    await made.at("10.0.0.1")
    assert refused() == 2


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_a_user_with_many_passwords_is_tried_as_often_as_allowed(network, knocking, most: int):
    answer, refused = counting(network.clock)
    target = network.at("10.0.0.1", answer)
    made = knocking([user(password=f"wrong horse {number}") for number in range(6)], most=most)
    for _ in range(3):
        await made.at("10.0.0.1")
    assert refused() == in_name_of(network, target, "monitor") == most
    assert "limit" in made.knocker.locked[0].refused.values()


async def test_each_user_has_a_count_of_its_own(network, knocking):
    answer, refused = counting(network.clock)
    network.at("10.0.0.1", answer)
    made = knocking([user("a"), user("b"), user("c"), user()], most=1)
    assert [each.label for each in await made.at("10.0.0.1")] == ["user monitor"]
    assert refused() == 3


async def test_one_device_at_many_addresses_has_one_count(network, knocking):
    answer, refused = counting(network.clock)
    hosts = [f"10.0.0.{number}" for number in range(1, 31)]
    for host in hosts:
        network.at(host, answer)
    made = knocking([user(password="wrong horse"), user(password="worse horse")], most=2)
    await made.at(*hosts)
    assert refused() == 2


async def test_a_device_at_many_addresses_gets_each_password_tried_though_few_attempts_are_allowed(network, knocking):
    answer, refused = counting(network.clock)
    hosts = [f"10.0.0.{number}" for number in range(1, 31)]
    for host in hosts:
        network.at(host, answer, delay=0.4)
    made = knocking([user(password="wrong horse"), user()], most=2)
    assert len(await made.at(*hosts)) == 30
    assert refused() == 1
    assert not made.knocker._turns._trying
    assert not made.knocker._turns._parked


async def test_silence_counts_as_wrong_and_ends_at_the_limit(network, knocking):
    """A request that cannot be decrypted is dropped by some devices without a word."""
    whole, _ = counting(network.clock)
    target = network.at("10.0.0.1", lambda datagram: None if b"monitor" in datagram else whole(datagram))
    made = knocking([user()], most=2)
    for _ in range(3):
        await made.at("10.0.0.1")
    assert in_name_of(network, target, "monitor") == 2
    assert made.knocker.locked[0].refused == {"user monitor": "silence"}


async def test_a_silent_user_is_given_up_after_one_repetition_however_many_attempts_are_allowed(network, knocking):
    whole, _ = counting(network.clock)
    target = network.at("10.0.0.1", lambda datagram: None if b"silent" in datagram else whole(datagram))
    opened = await knocking([user("silent"), user()], most=9).at("10.0.0.1")
    assert [each.label for each in opened] == ["user monitor"]
    assert in_name_of(network, target, "silent") == 2


async def test_an_answer_that_comes_while_the_next_question_waits_for_its_turn_is_followed_up_once(network, knocking):
    answer, _ = counting(network.clock)
    target = network.at("10.0.0.1", answer, delay=4.5)
    others = [f"10.0.0.{number}" for number in range(2, 6)]
    made = knocking([user()], rate=1)
    assert len(await made.at("10.0.0.1", *others)) == 1
    assert in_name_of(network, target, "monitor") == 1
    times = [time for time, each, _ in network.sent if each == target]
    assert min(after - before for before, after in itertools.pairwise(times)) >= 1.999


async def test_a_lost_request_is_repeated_and_then_counts_no_more(network, knocking):
    whole, _ = counting(network.clock)
    lost = iter([True])
    network.at("10.0.0.1", lambda datagram: None if b"monitor" in datagram and next(lost, False) else whole(datagram))
    made = knocking([user()])
    assert len(await made.at("10.0.0.1")) == 1
    assert made.attempts.dump()[ENGINE.hex()]["monitor"]["wrong"] == 1


async def test_a_late_report_of_the_time_is_no_wrong_attempt(network, knocking):
    answer, refused = counting(network.clock)
    jumped = False

    def jumping(datagram: bytes):
        nonlocal jumped
        found = answer(datagram)
        if not jumped:
            jumped = True
            network.clock.advance(400)
        return found

    target = network.at("10.0.0.1", jumping)
    made = knocking([user()], most=1)
    assert len(await made.at("10.0.0.1")) == 1
    assert in_name_of(network, target, "monitor") >= 1
    assert made.attempts.dump() in ({}, {ENGINE.hex(): {}})
    assert refused() <= 1


async def test_a_device_without_v3_costs_no_attempt(network, knocking):
    target = network.at("10.0.0.1", device("other"))
    made = knocking([user(), community()])
    await made.at("10.0.0.1")
    assert in_name_of(network, target, "monitor") == 0
    assert made.attempts.dump() == {}


async def test_what_was_tried_in_vain_is_remembered_over_a_restart(network, knocking):
    answer, refused = counting(network.clock)
    network.at("10.0.0.1", answer)
    first = knocking([user(password="wrong horse")])
    await first.at("10.0.0.1")
    second = Attempts(2, network.clock, SALT)
    second.restore(first.attempts.dump())
    await knocking([user(password="wrong horse")], attempts=second).at("10.0.0.1")
    assert refused() == 1
    await knocking([user(password="better horse")], attempts=second).at("10.0.0.1")
    assert refused() == 2
    await knocking([user(password="correct horse")], attempts=second).at("10.0.0.1")
    assert refused() == 2, "the limit holds for the right password too, until the day is over"


def test_two_that_remember_know_together_what_either_knows():
    clock = VirtualClock()
    mine, other = Attempts(3, clock, SALT), Attempts(3, clock, SALT)
    mine.sent(ENGINE, user())
    for _ in range(2):
        other.sent(ENGINE, user())
    other.refused(ENGINE, user(password="wrong horse"), "wrongDigests")
    mine.restore(other.dump())
    assert mine.dump()[ENGINE.hex()]["monitor"]["wrong"] == 2
    assert mine.refusal(ENGINE, user(password="wrong horse")) == "wrongDigests"
    assert mine.refusal(ENGINE, user()) is None


def test_what_is_written_down_does_not_give_passwords_away():
    attempts = Attempts(3, VirtualClock(), SALT)
    attempts.sent(ENGINE, user(password="wrong horse"))
    attempts.refused(ENGINE, user(password="wrong horse"), "wrongDigests")
    assert "wrong horse" not in str(attempts.dump())


def test_memory_of_attempts_is_bounded():
    attempts = Attempts(3, VirtualClock(), SALT)
    for number in range(MOST_ENGINES + 10):
        attempts.sent(number.to_bytes(8), user())
    assert len(attempts.dump()) == MOST_ENGINES
    assert (0).to_bytes(8).hex() not in attempts.dump()


@pytest.mark.parametrize(
    "spoilt",
    [[], {"aa": []}, {"aa": {"u": []}}, {"aa": {"u": {"since": "x", "wrong": 1}}}, {"aa": {"u": {"since": 1}}}],
)
def test_a_spoilt_memory_is_refused(spoilt):
    with pytest.raises(ValueError):
        Attempts(3, VirtualClock(), SALT).restore(spoilt)


def test_engines_are_not_mixed_up():
    attempts = Attempts(1, VirtualClock(), SALT)
    attempts.sent(ENGINE, user())
    assert attempts.refusal(ENGINE, user()) == "limit"
    assert attempts.refusal(ENGINE + b"x", user()) is None
