"""Answers gathered into spans."""

from __future__ import annotations

from fenghuo.wire import Span, Stream
from fenghuo.wire.ack import Refusal
from fenghuo_collector.ingest.accounting import StreamAccount
from fenghuo_collector.ingest.acks import REACH, AckBook

from .support import AGENT, header


def account(*numbers: int) -> StreamAccount:
    found = StreamAccount(AGENT, "s1", Stream.EVENTS)
    for number in numbers:
        found.see(header(number))
    return found


def test_what_is_committed_is_not_said_to_be_received_too():
    book, stream = AckBook("c1"), account(1, 2, 3, 4)
    for number in (1, 2, 3, 4):
        book.received(stream, number)
    for number in (2, 3):
        stream.commit(number)
        book.committed(stream, number)
    (answer,) = book.take()
    assert answer.topic == f"fenghuo/1/{AGENT}/ack"
    assert (answer.ack.received, answer.ack.committed) == ([Span(1, 1), Span(4, 4)], [Span(2, 3)])
    assert not book


def test_what_could_not_be_sent_is_said_again_with_what_came_since():
    book, stream = AckBook("c1"), account(1, 2, 3, 4)
    book.received(stream, 1)
    book.refused(stream, 3, "layout")
    book.put_back(book.take())
    book.received(stream, 2)
    stream.commit(4)
    book.committed(stream, 4)
    (answer,) = book.take()
    assert answer.ack.received == [Span(1, 2)]
    assert answer.ack.committed == [Span(4, 4)]
    assert answer.ack.refused == [Refusal(3, "layout")]


def test_a_span_repeats_what_was_committed_before_it_but_no_gap_and_not_for_ever():
    book, stream = AckBook("c1"), account(*range(1, REACH * 2))
    for number in range(1, REACH * 2):
        if number != 5:
            stream.commit(number)
    book.committed(stream, 8)
    book.committed(stream, REACH * 2 - 1)
    (answer,) = book.take()
    assert answer.ack.committed == [Span(6, 8), Span(REACH - 1, REACH * 2 - 1)]


def test_a_greeting_says_who_is_here_and_nothing_of_what_was_before_its_time():
    book, stream = AckBook("c1"), StreamAccount(AGENT, "s1", Stream.EVENTS)
    book.greet(stream)
    (answer,) = book.take()
    assert (answer.ack.collector, answer.ack.received, answer.ack.committed) == ("c1", [], [])
    stream.see(header(50, oldest=50))
    book.greet(stream)
    (answer,) = book.take()
    assert answer.ack.committed == []
