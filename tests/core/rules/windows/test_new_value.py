from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.rules.kinds.windows.known import Known
from fenghuo.rules.kinds.windows.texts import is_random_mac, number_of, text_of

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def logins(make_rule):
    return make_rule(
        kind="new_value",
        dataset="test",
        field="source.ip",
        group_by=["user.name"],
        learn="1h",
        forget="1d",
        lasts="10m",
        message="{user.name} from {new}",
    )


def told(one):
    return [(alert.labels["user_name"], alert.labels["new"]) for alert in one.alerts if alert.state == "firing"]


def test_each_new_value_is_an_alert_of_its_own_once_its_group_is_learnt(logins, play):
    events = [
        (0, {"user__name": "li", "source__ip": "10.0.0.1"}),
        (3599, {"user__name": "li", "source__ip": "10.0.0.2"}),
        (3600, {"user__name": "li", "source__ip": "10.0.0.2"}),
        (3601, {"user__name": "li", "source__ip": "10.0.0.3"}),
        (3602, {"user__name": "li", "source__ip": "10.0.0.4"}),
        (3603, {"user__name": "li", "source__ip": "10.0.0.4"}),
        (3604, {"user__name": "wang", "source__ip": "10.0.0.9"}),
    ]
    one = play(logins, events, end=5_000)
    assert told(one) == [("li", "10.0.0.3"), ("li", "10.0.0.4")]
    assert [alert.message for alert in one.alerts[:2]] == ["li from 10.0.0.3", "li from 10.0.0.4"]
    assert one.alerts[0].event_ids == ("e00003",)
    assert len({alert.fingerprint for alert in one.alerts}) == 2
    assert one.steps == [(3601, "firing"), (3602, "firing"), (4201, "resolved"), (4202, "resolved")]


def test_a_restart_forgets_nothing(logins, play):
    events = [
        (0, {"user__name": "li", "source__ip": "10.0.0.1"}),
        (4000, {"user__name": "li", "source__ip": "10.0.0.1"}),
        (4001, {"user__name": "li", "source__ip": "10.0.0.2"}),
    ]
    one = play(logins, events, restart_after=(0, 1, 2), end=6_000)
    assert told(one) == [("li", "10.0.0.2")]
    assert one.steps == [(4001, "firing"), (4601, "resolved")]


def test_what_was_not_seen_for_long_is_new_again(logins, play):
    day = 86_400
    events = [
        (0, {"user__name": "li", "source__ip": "10.0.0.1"}),
        (1, {"user__name": "li", "source__ip": "10.0.0.2"}),
        (day - 1, {"user__name": "li", "source__ip": "10.0.0.1"}),
        (day + 1, {"user__name": "li", "source__ip": "10.0.0.1"}),
        (day + 2, {"user__name": "li", "source__ip": "10.0.0.2"}),
    ]
    assert told(play(logins, events, end=2 * day)) == [("li", "10.0.0.2")]


def test_a_group_that_was_not_seen_for_long_learns_anew(logins, play):
    events = [
        (0, {"user__name": "li", "source__ip": "10.0.0.1"}),
        (200_000, {"user__name": "li", "source__ip": "10.0.0.2"}),
        (203_600, {"user__name": "li", "source__ip": "10.0.0.3"}),
    ]
    one = play(logins, events, tell=(150_000, 200_000), end=210_000)
    assert told(one) == [("li", "10.0.0.3")]
    one.advance(500_000)
    assert not one.engine.states[0].cells


def test_addresses_that_phones_make_up_are_no_news(make_rule, play):
    macs = ["00:11:22:33:44:55", "da:a1:19:00:00:01", "DE-AD-BE-EF-00-01", "3c52.8200.1234", "02aabbccddee"]
    events = [(t, {"client__mac": mac}) for t, mac in enumerate(macs)]
    for ignore, expected in ((True, [macs[0], macs[3]]), (False, macs)):
        rule = make_rule(
            kind="new_value", dataset="test", field="client.mac", learn="0s", ignore_random_mac=ignore, flap=False
        )
        one = play(rule, events, end=10)
        assert [alert.labels["new"] for alert in one.alerts] == expected


def test_the_values_of_a_group_are_bounded_and_those_given_up_counted(make_rule, play):
    rule = make_rule(kind="new_value", dataset="test", field="x", learn="0s", limits={"values": 32}, lasts="1s")
    one = play(rule, [(t, {"x": t % 100}) for t in range(200)], end=1_000)
    assert one.engine.states[0].given_up > 150
    place = None
    one = play(rule, [(t, {"x": t}) for t in range(200)], end=200)
    (place,) = one.engine.states[0].cells.values()
    assert len(place.cell.known) <= 32


@SETTINGS
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abcdefghij")), max_size=80), st.integers(1, 20))
def test_what_is_known_is_what_was_met_within_the_span(items, span):
    known, met, now = Known(), {}, 0
    for gap, text in items:
        now += gap
        since = now - span
        expected = text not in met or met[text] <= since
        assert known.meet(text, now, since) is expected
        met[text] = now
    again = Known.load(known.save())
    again.forget(now - span)
    assert len(again) == sum(1 for second in met.values() if second > now - span)


@SETTINGS
@given(st.lists(st.integers(0, 20), min_size=1, max_size=100), st.integers(1, 40))
def test_the_bound_keeps_what_was_met_last(seconds, most):
    known = Known()
    for number, second in enumerate(seconds):
        known.meet(str(number), second, -1)
    given_up = known.crop(most)
    assert len(known) == len(seconds) - given_up <= max(most, 1)
    assert sorted(known.met) == sorted(seconds)[given_up:]


@pytest.mark.parametrize("saved", [None, [b"12", b""], [b"\1" * 16, b"\0" * 8], [b"\1" * 8, b""]])
def test_what_is_no_saved_memory_is_refused(saved):
    with pytest.raises((ValueError, TypeError)):
        Known.load(saved)


@pytest.mark.parametrize("text", ["da:a1:19:00:00:01", "02-00-00-00-00-00", "F6AABBCCDDEE", "0aaa.bbbb.cccc"])
def test_a_made_up_mac_is_known_by_its_second_digit(text):
    assert is_random_mac(text)
    assert not is_random_mac(text[0] + "0" + text[2:])
    assert not is_random_mac(text + "0")


@pytest.mark.parametrize(
    ("value", "number"),
    [("7", 7), (" -1.5e3 ", -1500), ([3, 4], 3), (True, None), ("0x10", None), ("1_000", None), ("nan", None), ("", None),
     ("1e999", None), (1e200, None), (float("inf"), None), ({}, None), ("٣", None), (10**400, None)],
)  # fmt: skip
def test_a_text_that_looks_like_a_number_is_one(value, number):
    assert number_of(value) == number


def test_long_texts_are_told_apart_by_a_hash():
    assert text_of("x" * 500) != text_of("x" * 501)
    assert len(text_of("x" * 500)) <= 120
