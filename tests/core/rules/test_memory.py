from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.model import Layout, Table
from fenghuo.rules.runtime.memory import Memory

GAP = 900_000


def layout(*names, bits=0):
    return Layout("interface", {"device": "sw1"}, {"ifName": list(names)}, ("x",), {"x": bits} if bits else {})


class Counter:
    def __init__(self, *names, bits=64):
        self.layout = layout(*names, bits=bits)
        self.memory = Memory(self.layout, bits)
        self.bits = bits

    def poll(self, second, column, epochs=None):
        """Rates at this poll, which is remembered."""
        self.memory.adopt(self.layout, self.bits)
        table = Table(self.layout, second * 1000, [column], epochs)
        rates = list(self.memory.rates(table, column, GAP))
        self.memory.take(column, table.time, epochs)
        return rates


def test_the_first_poll_has_no_rate_and_the_second_has():
    port = Counter("a", "b")
    assert port.poll(60, [0, 100]) == [None, None]
    assert port.poll(120, [600, 100]) == [10, 0]
    assert port.poll(180, [600, 100]) == [0, 0]


def test_a_missed_poll_is_bridged_by_the_real_time():
    port = Counter("a")
    port.poll(60, [0])
    assert port.poll(300, [2400]) == [10]


def test_a_row_that_was_not_read_is_bridged_by_its_own_time():
    port = Counter("a", "b")
    port.poll(60, [0, 0])
    assert port.poll(120, [None, 600]) == [None, 10]
    assert port.poll(180, [1200, 1200]) == [10, 10]
    assert port.poll(240, [1800, 1800]) == [10, 10]


def test_over_a_silence_too_long_no_rate_is_taken():
    port = Counter("a")
    port.poll(60, [0])
    assert port.poll(60 + 901, [9010]) == [None]
    assert port.poll(60 + 901 + 900, [9010 + 9000]) == [10]


def test_32_bits_wrap():
    port = Counter("a", bits=32)
    port.poll(60, [2**32 - 300])
    assert port.poll(120, [300]) == [10]


def test_a_64_bit_counter_that_falls_far_from_its_top_was_reset():
    port = Counter("a", "b")
    port.poll(60, [10**12, 2**64 - 300])
    assert port.poll(120, [5, 300]) == [None, 10]


def test_another_epoch_is_a_reset_for_its_row_alone():
    port = Counter("a", "b", bits=32)
    port.poll(60, [1000, 1000], [1, 1])
    assert port.poll(120, [400, 1600], [2, 1]) == [None, 10]
    assert port.poll(180, [1000, 2200], [2, 1]) == [10, 10]


def test_a_gauge_may_fall():
    port = Counter("a", bits=0)
    port.poll(60, [100])
    assert port.poll(120, [40]) == [-1]


def test_an_older_or_repeated_poll_changes_nothing():
    port = Counter("a")
    port.poll(60, [0])
    port.poll(120, [600])
    assert port.poll(60, [0]) == [None]
    assert port.poll(120, [600]) == [None]
    assert port.poll(180, [1200]) == [10]


def test_a_new_layout_keeps_what_is_known_of_its_rows():
    port = Counter("a", "b")
    port.poll(60, [0, 1000])
    port.layout = layout("b", "c")
    assert port.poll(120, [1600, 7]) == [10, None]
    port.layout = layout("a", "b")
    assert port.poll(180, [1200, 2200]) == [10, 10]


def test_a_new_layout_where_counters_have_epochs_makes_no_rate_across():
    port = Counter("a", bits=32)
    port.poll(60, [10**9], [1])
    port.layout = layout("a", "b")
    assert port.poll(120, [5, 5], [1, 1]) == [None, None]
    assert port.poll(180, [605, 5], [1, 1]) == [10, 0]


@given(
    st.sampled_from([32, 64]),
    st.lists(st.tuples(st.integers(1, 600), st.integers(0, 2**31)), min_size=1, max_size=20),
    st.data(),
)
def test_rates_times_their_spans_sum_up_to_what_was_counted(bits, polls, data):
    """However often it wraps and whichever polls are missed (less than one whole wrap between two that are not)."""
    port = Counter("a", "b", bits=bits)
    total = start = data.draw(st.integers(0, 2**bits - 1))
    second, counted, last = 0, 0.0, 0
    port.poll(0 + 1, [start, start])
    second = last = 1
    pending = 0
    for span, wanted in polls:
        second += span
        missed = pending > 0 or data.draw(st.booleans())
        growth = min(wanted, 2**31 - 1 - pending)
        total += growth
        pending += growth
        missed = missed and second - last < 200
        value = total % 2**bits
        rates = port.poll(second, [None if missed else value, value])
        if missed:
            assert rates[0] is None
            continue
        if second - last <= GAP // 1000:
            counted += rates[0] * (second - last)
        else:
            counted += pending
            assert rates[0] is None
        last, pending = second, 0
    assert counted == pytest.approx(total - start - pending)
