"""Accounting of sequence numbers against a model that remembers everything."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from fenghuo.wire import Stream
from fenghuo_collector.ingest.accounting import Sight, SkewMeter, StreamAccount

from .support import AGENT, header


def account(**options) -> StreamAccount:
    return StreamAccount(AGENT, "s1", Stream.EVENTS, **options)


def see(target: StreamAccount, sequence: int, **changes):
    return target.see(header(sequence, **changes))


def test_when_batches_come_in_order_nothing_is_missing():
    target = account()
    assert [see(target, number)[0] for number in (1, 2, 3)] == [Sight.NEW] * 3
    assert (target.missing, target.lost) == (0, 0)


def test_when_a_batch_comes_again_before_it_is_committed_it_is_held():
    target = account()
    see(target, 1)
    assert see(target, 1)[0] is Sight.HELD
    target.commit(1)
    assert see(target, 1)[0] is Sight.COMMITTED
    assert target.duplicates == 2


def test_when_numbers_are_skipped_they_are_missing_until_they_come():
    target = account()
    see(target, 1)
    see(target, 5)
    assert target.missing == 3
    see(target, 3)
    assert target.missing == 2


def test_when_the_agent_no_longer_holds_what_is_missing_it_is_lost_once():
    target = account()
    see(target, 1)
    _, losses = see(target, 5, oldest=4, dropped=70)
    assert (losses.batches, losses.dropped, target.missing) == (2, 70, 1)
    _, losses = see(target, 6, oldest=4, dropped=70)
    assert (losses.batches, losses.dropped) == (0, 0)
    assert (target.lost, target.dropped) == (2, 70)


def test_when_a_lost_batch_comes_after_all_it_is_taken_and_lost_no_more():
    target = account()
    see(target, 1)
    see(target, 3, oldest=3)
    assert target.lost == 1
    assert see(target, 2, oldest=2)[0] is Sight.NEW
    assert target.lost == 0


def test_when_a_batch_below_the_floor_was_held_before_a_restart_it_does_not_pass_for_a_lost_one():
    target = account()
    see(target, 1)
    see(target, 3, oldest=3)  # 2 is lost; 1 is held, but not committed
    target = StreamAccount.restore(target.state())
    assert see(target, 1)[0] is Sight.NEW
    assert target.lost == 1


def test_when_an_agent_is_met_in_the_middle_the_past_is_not_lost():
    target = account()
    see(target, 500, oldest=490)
    assert (target.lost, target.missing) == (0, 10)
    assert see(target, 490, oldest=490)[0] is Sight.NEW


def test_when_a_batch_was_refused_it_is_refused_again_and_never_committed():
    target = account()
    see(target, 1)
    target.refuse(1, "magic")
    assert see(target, 1)[0] is Sight.REFUSED
    assert 1 not in target.committed
    assert target.missing == 0


def test_when_a_stream_is_shared_gaps_are_no_losses():
    target = account(shared=True)
    see(target, 1)
    _, losses = see(target, 100, oldest=90, dropped=3)
    assert (losses.batches, losses.dropped, target.missing) == (0, 3, 0)


def test_when_a_stream_is_all_gaps_more_are_put_off_until_the_old_ones_close():
    target = account(limit=20)
    for number in range(1, 41, 2):
        assert see(target, number)[0] is Sight.NEW
    assert see(target, 43)[0] is Sight.SCATTERED
    assert see(target, 2)[0] is Sight.NEW  # fills a gap
    for number in range(100, 400, 2):
        see(target, number, oldest=number)
        target.commit(number)
    assert len(target.held) <= 20
    assert see(target, 401, oldest=400)[0] is Sight.NEW


@dataclass
class Model:
    """The same, remembering every number for ever."""

    begun: bool = False
    before: int = 0
    held: set[int] = field(default_factory=set)
    committed: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    floor: int = 0
    highest: int = 0

    def see(self, number: int, oldest: int) -> Sight:
        if not self.begun:
            self.begun = True
            self.before = self.floor = min(oldest, number) - 1
        if number <= self.before or number in self.committed:
            sight = Sight.COMMITTED
        elif number in self.held:
            sight = Sight.HELD
        else:
            sight = Sight.NEW
            self.held.add(number)
            self.lost.discard(number)
        self.highest = max(self.highest, number)
        if oldest - 1 > self.floor:
            self.lost |= {n for n in range(self.floor + 1, oldest) if n not in self.held}
            self.floor = oldest - 1
        return sight

    @property
    def missing(self) -> int:
        return sum(1 for n in range(self.floor + 1, self.highest + 1) if n not in self.held)


NUMBER = st.integers(1, 60)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("see"), NUMBER, st.integers(0, 20)),
        st.tuples(st.just("commit"), NUMBER, st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@given(STEPS)
def test_accounting_says_what_a_perfect_memory_would(steps):
    target, model = account(), Model()
    for step, number, back in steps:
        if step == "see":
            oldest = max(1, number - back)
            sight, _ = target.see(header(number, oldest=oldest))
            assert sight is model.see(number, oldest)
        elif step == "commit" and number in model.held - model.committed:
            target.commit(number)
            model.committed.add(number)
        elif step == "restart" and target.begun:
            target = StreamAccount.restore(target.state())
            model.held &= model.committed
            model.highest = max(model.committed, default=model.before)
        assert target.lost == len(model.lost)
        assert target.missing == model.missing
        assert target.held.highest == max(model.held, default=model.before)


def test_skew_is_measured_by_the_fastest_message():
    meter = SkewMeter()
    assert meter.skew is None
    for index, delay in enumerate([900, 40, 30_000, 15, 700]):
        received = 1_000_000 + index * 1000
        meter.note(received - delay + 5000, received)  # the agent's clock is five seconds ahead
    assert meter.skew == 5000 - 15


def test_skew_follows_a_clock_that_is_set_right():
    meter = SkewMeter()
    for second in range(1200):
        received = 1_000_000 + second * 1000
        meter.note(received - 20 + (60_000 if second < 300 else 0), received)
    assert abs(meter.skew) < 3000
