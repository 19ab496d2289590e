"""sysUpTime: restarts and the wrap after 497 days."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo_agent.inputs.snmp.uptime import WRAP, Uptime


def restarted(before: int, after: int, seconds: float) -> bool:
    uptime = Uptime()
    assert not uptime.restarted(before, 1000.0)
    return uptime.restarted(after, 1000.0 + seconds)


@pytest.mark.parametrize(
    ("before", "after", "seconds", "expected"),
    [
        (100_000, 106_000, 60, False),
        (100_000, 2_000, 60, True),
        (100_000, 100_000, 10, False),
        (WRAP - 3_000, 3_000, 60, False),
        (WRAP - 3_000, 4_500, 60, False),
        (WRAP - 3_000, 90_000, 60, True),
        (WRAP - 100_000_000, 3_000, 60, True),
        (6_000, 50_000, 3600, True),
        (100_000, 460_000, 3600, False),
        (100_000, 103_000, 60, False),
    ],
)
def test_a_restart_is_told_from_a_wrap(before, after, seconds, expected):
    assert restarted(before, after, seconds) is expected


@given(st.integers(0, WRAP - 1), st.floats(0.01, 86400))
def test_a_device_that_runs_on_never_restarted(before, seconds):
    assert not restarted(before, (before + round(seconds * 100)) % WRAP, seconds)
