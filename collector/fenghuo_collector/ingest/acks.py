"""Answers to the agents, gathered for a moment and sent as spans: one message per stream, not one per batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from fenghuo.wire import Ack, Span, Stream, Topic
from fenghuo.wire.ack import Refusal, spans
from fenghuo_collector.ingest.accounting import StreamAccount

REACH = 1024
"""How far below its news a `committed` span repeats what was said before, so that a lost answer mends itself."""
_MAX_REASON = 200


@dataclass(slots=True)
class News:
    """Numbers of which there is something to say."""

    received: set[int] = field(default_factory=set[int])
    committed: set[int] = field(default_factory=set[int])
    refused: dict[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True, slots=True)
class Answer:
    """One message to an agent, and the news it was made of."""

    account: StreamAccount
    ack: Ack
    news: News

    @property
    def topic(self) -> str:
        return str(Topic(self.account.agent, Stream.ACK))


class AckBook:
    """What is to be said, by account. `collector` is the id of this run."""

    def __init__(self, collector: str) -> None:
        self._collector = collector
        self._news: dict[StreamAccount, News] = {}

    def __bool__(self) -> bool:
        return bool(self._news)

    def __len__(self) -> int:
        """How many streams there is something to be said of."""
        return len(self._news)

    def _of(self, account: StreamAccount) -> News:
        return self._news.setdefault(account, News())

    def received(self, account: StreamAccount, number: int) -> None:
        self._of(account).received.add(number)

    def committed(self, account: StreamAccount, number: int) -> None:
        self._of(account).committed.add(number)

    def refused(self, account: StreamAccount, number: int, reason: str) -> None:
        self._of(account).refused[number] = reason[:_MAX_REASON]

    def greet(self, account: StreamAccount) -> None:
        """Say who this collector is, and what it last committed, though there is no news."""
        news = self._of(account)
        if account.committed.highest > account.floor:
            news.committed.add(account.committed.highest)

    def take(self) -> list[Answer]:
        """Everything there is to say; it is then no news any more."""
        taken, self._news = self._news, {}
        return [Answer(account, self._ack(account, news), news) for account, news in taken.items()]

    def put_back(self, answers: Iterable[Answer]) -> None:
        """These could not be sent; they are news again."""
        for answer in answers:
            news = self._of(answer.account)
            news.received |= answer.news.received
            news.committed |= answer.news.committed
            news.refused |= answer.news.refused

    def _ack(self, account: StreamAccount, news: News) -> Ack:
        # What is committed needs no `received`, and a span repeats what was committed just before it.
        received = spans(list(news.received - news.committed))
        committed = [
            Span(account.committed.reach(span.first, REACH), span.last) for span in spans(list(news.committed))
        ]
        refused = [Refusal(number, reason) for number, reason in sorted(news.refused.items())]
        return Ack(self._collector, account.spool, account.stream, received, committed, refused)
