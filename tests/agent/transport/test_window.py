"""The window by itself, on times that the test gives."""

from __future__ import annotations

import pytest

from fenghuo.wire import Span
from fenghuo_agent.transport.bucket import Bucket
from fenghuo_agent.transport.collectors import Collectors
from fenghuo_agent.transport.window import MAX_HELD, Waits, Window


@pytest.fixture
def window():
    window = Window(8, Waits(ack=10, ack_longest=30, commit=100))
    window.start(1)
    for sequence in range(1, 6):
        window.sent(sequence, 100, now=0)
    return window


def test_while_all_is_silent_only_the_oldest_is_sent_again_later_each_time(window):
    assert window.check(9.9) == 0
    sent_again = []
    for now in range(10, 121, 2):
        if window.check(now):
            assert window.next_again(9) == [1]
            window.sent(1, 100, now)
            sent_again.append(now)
    assert sent_again == [10, 30, 60, 90, 120]


def test_once_anything_is_answered_all_that_is_overdue_follows_at_once(window):
    window.check(10)
    window.sent(1, 100, 10)
    window.received([Span(1, 1)], "c", 11)
    assert window.next_again(9) == [2, 3, 4, 5]


def test_an_answer_in_time_makes_nothing_overdue(window):
    window.received([Span(1, 1), Span(4, 5)], "c", 9)
    assert window.next_again(9) == []
    assert (window.flying, window.held, window.bytes) == (2, 3, 200)


def test_after_a_reconnection_what_was_flying_goes_first_and_what_is_held_stays(window):
    window.received([Span(2, 2)], "c", 1)
    window.reconnected()
    assert window.next_again(9) == [1, 3, 4, 5]
    assert (window.flying, window.bytes, window.held) == (0, 0, 1)


def test_what_an_ended_collector_held_is_sent_again(window):
    window.received([Span(1, 2)], "a", 1)
    window.received([Span(3, 3)], "b", 1)
    assert window.left(["a"]) == 2
    assert window.next_again(9) == [1, 2]


def test_what_is_held_for_long_is_asked_for_by_its_oldest_and_then_by_all(window):
    window.received([Span(1, 5)], "c", 1)
    assert window.check(101) == 1
    window.sent(1, 100, 101)
    window.committed([Span(1, 1)], 102)
    assert window.next_again(9) == [2, 3, 4, 5]


def test_what_the_spool_gave_up_is_forgotten(window):
    window.received([Span(1, 1)], "c", 1)
    window.gone_below(4)
    assert (window.flying, window.held, window.bytes) == (2, 0, 200)


def test_a_stalled_store_stops_the_stream_before_it_fills_memory(window):
    sequence = 5
    while window.room > 0:
        sequence += 1
        window.sent(sequence, 1, 0)
        window.received([Span(1, sequence)], "c", 0)
    assert window.held == MAX_HELD


def test_a_silent_run_of_the_collector_counts_as_ended_only_after_a_new_one_and_a_grace():
    collectors = Collectors(grace=3)
    assert collectors.heard("a", 0)
    assert collectors.ended(100) == []
    assert collectors.heard("b", 100)
    assert collectors.ended(102) == []
    assert collectors.ended(103) == ["a"]
    assert collectors.ended(200) == []
    assert not collectors.heard("a", 201)


def test_a_run_that_speaks_up_beside_the_new_one_has_not_ended():
    collectors = Collectors(grace=3)
    collectors.heard("a", 0)
    collectors.heard("b", 100)
    collectors.heard("a", 102)
    assert collectors.ended(103) == []


def test_a_bucket_lets_large_messages_pass_and_keeps_the_rate():
    bucket = Bucket(rate=100, burst=100, now=0)
    sent, now = 0, 0.0
    while now < 10:
        wait = bucket.wait(now)
        now += wait
        if not wait:
            bucket.take(250)
            sent += 250
    assert 1000 <= sent <= 1400
