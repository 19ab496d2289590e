from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.alerts import alert_to_event, event_to_alert, iso, parse_iso
from fenghuo.model import LEVELS, Alert, AlertState, Event

ALERT = Alert(
    fingerprint="0123456789abcdef",
    rule_id="1f0b6f62-0000-4000-8000-000000000001",
    rule_name="environment.server-room-hot",
    title="Server room too hot",
    title_zh="机房温度过高",
    state=AlertState.RESOLVED,
    level="critical",
    labels={"device": "t1", "location": "server-room"},
    time=1_767_225_900_123,
    starts_at=1_767_225_600_000,
    ends_at=1_767_225_900_123,
    value=38.5,
    message="t1 at 38.5 °C",
    message_zh="t1 38.5 °C",
    evidence={"fields": {"sensor_temperature_celsius": 38.5}},
    culprit={"ip": "10.0.0.1", "name": "t1"},
    victim={"mac": "00:00:5e:00:53:01"},
    tags=("mlps.8.1.1.8", "attack.t1557.002"),
    runbook={"en": "Open the door.", "zh": "开门。"},
)


def test_an_alert_survives_the_way_through_its_document():
    event = alert_to_event(ALERT, "id-1")
    assert event_to_alert(event) == ALERT
    assert event.time == ALERT.time
    assert event.dataset == "alert"
    assert event.document["event"]["kind"] == "alert"
    assert event.document["fenghuo"]["alert"]["starts_at"] == "2026-01-01T00:00:00.000Z"
    assert event.document["threat"]["technique"] == {"id": ["T1557"], "subtechnique": {"id": ["T1557.002"]}}


@given(st.integers(0, 253_402_300_799_999))
def test_times_keep_their_millisecond(moment):
    assert parse_iso(iso(moment)) == moment


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(JSONISH)
def test_anything_that_is_no_alert_is_a_value_error(document):
    with pytest.raises(ValueError):
        event_to_alert(Event("x", 0, document))


def paths(document, prefix=()):
    for key, value in document.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from paths(value, (*prefix, key))


@given(st.sampled_from(list(paths(alert_to_event(ALERT, "x").document))), JSONISH)
def test_an_alert_with_one_part_exchanged_is_an_alert_or_a_value_error(path, value):
    document = copy.deepcopy(alert_to_event(ALERT, "x").document)
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    try:
        alert = event_to_alert(Event("x", 0, document))
    except ValueError as error:
        assert str(error).startswith("no alert")
    else:
        assert alert.level in LEVELS
        alert_to_event(alert, "y")


@pytest.mark.parametrize(
    "evidence", [{"a": [[[[[[[[[1]]]]]]]]]}, {"a": list(range(3000))}], ids=["too deep", "too large"]
)
def test_evidence_without_bound_is_refused(evidence):
    document = alert_to_event(ALERT, "x").document
    document["fenghuo"]["alert"]["evidence"] = evidence
    with pytest.raises(ValueError, match="evidence"):
        event_to_alert(Event("x", 0, document))


def test_a_value_that_is_no_number_is_left_out():
    alert = copy.copy(ALERT)
    alert.value = float("nan")
    assert event_to_alert(alert_to_event(alert, "x")).value is None
