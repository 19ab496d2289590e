"""The detector of one series: what is expected, how far off a value is in several respects, and whether that is news.

Per value: a baseline (a slow level and, where the data show one, the season of day and week), an autoregressive
prediction on top of it, five deviations from what is usual (each with two learnt tails, `tails.py`) and the run of equal
values. The most improbable of them is the value's surprise. It is news only where it exceeds by a third what was told
before, fading over days: so one event is told once, early, and the series is quiet until something new happens.
How this was chosen is told in docs/explanation/anomaly.md.
"""

from __future__ import annotations

import itertools
import math
import statistics
from typing import Any

from fenghuo.rules.anomaly.options import Options
from fenghuo.rules.anomaly.score import FULL, Score
from fenghuo.rules.anomaly.season import DAY, HOUR, Season
from fenghuo.rules.anomaly.tails import Tails

_MONTH = 30 * DAY
_BINS_FULL = round(0.99 * DAY)
_LARGEST = 1e100
_OUTLIER = 20.0
_MOST = 20.0
"""The greatest surprise: what is told after it must not be drowned by it."""
_STILL = 14.0
_CONSTANT = 2.2
"""Surprise of the first move, for each tenfold of values that stood still before."""
_MOVING = 10
"""Changes that a series must have made before standing still is news."""
_FLOOR = 0.25
"""Of a usual change: the least size of a deviation. It keeps series that hardly ever move from a size of nothing."""
_BOUND = 10.0
_FIRST_WORDS = 20
_WARM_UP = 100
"""Values before the first word."""
_SPREAD_RATE, _BURST_RATE = 1 / 400, 1 / 20
_SHORT_RATE, _LONG_RATE = 0.25, 1 / 60
_LEVEL_DAYS = 3.0
_DAY_KNOWN, _WEEK_KNOWN = round(1.3 * DAY), round(7.5 * DAY)
_CLEARLY = 0.75
"""A season is used where it misses so much less than the baseline used so far."""
_RESPECTS = 0.25
"""Taken off the surprise, because the most improbable of several respects is told."""
_NEWS = 1.3
_LASTS = 0.5
"""While the surprise is so much of what was told, the same thing lasts, and what was told does not fade."""
_DEPTHS = (2.0, 6.0)
"""No series is long enough, and no noise fine enough, to tell rarer things apart."""
_CALM = 5
_PACE, _WHILE_ABNORMAL = 0.06, 0.25
"""How far an exceeded threshold moves: less while an anomaly lasts, which must not become what is usual too soon."""
_UNUSUAL = 2.0
_SHIFTED, _FAR = 60, 3.0
"""After so many values in a row that are so many usual sizes off on one side, the series has a new level."""
_FIRST_WEEK = 3.0
_VERSION = 1
_DEFAULT = Options()
_STEP, _LEVEL, _SHORT, _LONG, _SPREAD, _STUCK, _MOVED = range(1, 8)
_NUMBERS = (
    *("count", "first", "time", "step", "value", "negative", "level", "mode", "lag", "lag_square", "lag_product"),
    *("spread", "burst", "size", "short", "short_size", "long", "long_size", "jump", "jumps", "run", "longest"),
    *("hot", "told", "calm", "plain", "daily", "weekly", "depth", "depth_step"),
)
_TAILS = 5
_OF_BASELINE = (1, 2, 3)


class Detector:
    """Streaming and unsupervised; constant memory. Give values in order of time, each with its time in milliseconds.

    `count`  values taken; `level`  the slow level; `mode`  0: no season, 1: of the day, 2: of the week
    `spread`, `burst`  usual and recent size of what the prediction misses; `size`, `short_size`, `long_size`  usual size
    of what the baseline misses, of its short and of its long mean; `jump`  the usual size of a change
    `told`  the surprise told last, fading; `depth`  that of an alert; `plain`, `daily`, `weekly`  how far off each baseline is
    """

    __slots__ = (*_NUMBERS, "opening", "options", "season", "tails")

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or _DEFAULT
        self.season: Season | None = None
        self.opening: list[float] = []
        self.tails = tuple(Tails() for _ in range(_TAILS))
        self.count = self.first = self.time = self.step = self.mode = self.jumps = self.run = self.hot = self.calm = 0
        self.negative = 0
        self.value = self.level = self.lag = self.lag_square = self.lag_product = self.spread = self.burst = 0.0
        self.size = self.short = self.short_size = self.long = self.long_size = self.jump = self.longest = self.told = (
            0.0
        )
        self.plain = self.daily = self.weekly = 0.0
        self.depth, self.depth_step = 0.0, 0

    def see(self, time: int, value: float | None) -> Score:
        """Take the next value. None, not a number, beyond 1e100, or not newer than the last: nothing is learnt, score 0."""
        if value is None or not -_LARGEST < value < _LARGEST:
            return Score(math.nan)
        count = self.count
        if not count:
            self.first = self.time = time
            self.value = self.level = value
            self.opening = [value]
            self.count = 1
            return Score(value, expected=value, low=value, high=value)
        elapsed = time - self.time
        if elapsed <= 0:
            return Score(value)
        self.time = time
        self.count = count + 1
        step = self._pace(elapsed)
        gap = elapsed > 3 * step

        # The baseline, and the prediction on top of it.
        offset = value - self.level
        usual = by_day = by_week = 0.0
        season = self.season
        if season is not None:
            by_day, by_week = season.expect(time, season.bins * step < _BINS_FULL, step < HOUR)
            usual = self._choose(offset, by_day, by_week, time)
        base = self.level + usual
        away = offset - usual
        square = self.lag_square
        keeps = self.lag_product / square if square > 0 else 0.0
        keeps = 0.0 if gap or keeps < 0 else min(keeps, 0.999)
        missed = away - keeps * self.lag

        was_still = not self.jumps
        moved = self._move(value)
        scale = self.spread + 0.5 * max(0.0, self.burst - self.spread)
        scale = max(scale, _FLOOR * self.jump)
        kept = self._bound(away)
        surprise, cause = 0.0, 0
        if was_still or count <= _FIRST_WORDS:
            self._average(kept)
            if moved and count > _FIRST_WORDS:
                surprise, cause = _CONSTANT * math.log10(count), _MOVED
        else:
            surprise, cause = self._surprise(missed / scale, away, kept, scale)
        score = self._judge(value, base, missed, scale, surprise, cause)
        self._learn(missed, away, kept, gap=gap)
        if count < _FIRST_WORDS:
            self._begin(value)
        if season is not None:
            season.learn(time, offset - by_day, offset - by_week, self.daily, weekly=time - self.first > DAY)
        elif count == _FIRST_WORDS and step <= DAY // 8 and self.options.season != "none":
            self.season = Season(step)
        return score

    def _bound(self, away: float) -> float:
        """What is far off counts no more than what is just unusual."""
        bound = _BOUND * self.size
        return min(max(away, -bound), bound) if bound > 0 and self.count > _FIRST_WORDS + 1 else away

    def _average(self, kept: float) -> None:
        self.short += _SHORT_RATE * (kept - self.short)
        self.long += _LONG_RATE * (kept - self.long)

    def _surprise(self, missed: float, away: float, kept: float, scale: float) -> tuple[float, int]:
        """How improbable the most improbable respect is, and which it is.

        Half of it is what was learnt, half what a distribution with heavy tails (as Student's t with three degrees of
        freedom) makes of the value: rare things were seen too seldom to be sure of their probability.
        """
        count = self.count
        pace = _PACE if count > 301 else 0.3 - 0.0008 * (count - 1)
        if self.calm:
            pace *= _WHILE_ABNORMAL
        tails = self.tails
        surprise, cause = tails[0].see(missed, pace), _STEP
        away /= max(self.size, _FLOOR * self.jump)
        other = tails[1].see(away, pace)
        if other > surprise:
            surprise, cause = other, _LEVEL
        self._average(kept)
        if count > 61 and self.short_size > 0:
            other = tails[2].see(self.short / self.short_size, pace)
            if other > surprise:
                surprise, cause = other, _SHORT
            if count > 151 and self.long_size > 0:
                other = tails[3].see(self.long / self.long_size, pace)
                if other > surprise:
                    surprise, cause = other, _LONG
                ratio = 3.0 * math.log((self.burst + 1e-3 * scale) / scale)
                other = tails[4].see(ratio, pace)
                if ratio > 0 and other > surprise:
                    surprise, cause = other, _SPREAD
        if self.run and self.jumps > _MOVING:
            other = min(_STILL, 5.0 * self.run / (3.0 * self.longest + 12.0))
            if other > surprise:
                surprise, cause = other, _STUCK
        heavy = math.log2((1.0 + abs(missed)) * (1.0 + abs(away)))
        return min(0.5 * surprise + 0.25 * heavy, _MOST), cause

    def _begin(self, value: float) -> None:
        """Where an outlier is among the first values, learn them by their medians: nothing was there to tell it by."""
        first = self.opening
        first.append(value)
        if len(first) < _FIRST_WORDS:
            return
        middle = statistics.median(first)
        offs = [abs(each - middle) for each in first]
        size = 1.2 * statistics.median(offs)
        changes = [abs(after - before) for before, after in itertools.pairwise(first) if after != before]
        self.opening = []
        if max(offs) > _OUTLIER * size > 0:
            self.level = middle
            self.spread = self.burst = self.size = self.plain = self.daily = self.weekly = size
            self.short_size = self.long_size = 0.5 * size
            self.jump = statistics.median(changes)
            self.lag = self.lag_square = self.lag_product = self.short = self.long = 0.0

    def _pace(self, elapsed: int) -> int:
        """Milliseconds between values: a running median."""
        step = self.step or elapsed
        if elapsed != step:
            change = step >> 5 or 1
            step += change if elapsed > step else -change
        self.step = step
        return step

    def _move(self, value: float) -> bool:
        """Whether the value moved; learns how large a change usually is, and how long the series stands still."""
        change = abs(value - self.value)
        if value < 0:
            self.negative = 1
        if not change:
            self.run += 1
            return False
        self.value = value
        if self.run > self.longest:
            self.longest = float(self.run)
        elif self.longest:
            self.longest *= 0.9999
        self.run = 0
        jumps = self.jumps
        if jumps > 20:
            change = min(change, 5.0 * self.jump)
        self.jumps = jumps + 1
        self.jump += (change - self.jump) / min(jumps + 1, 200)
        return True

    def _choose(self, offset: float, by_day: float, by_week: float, time: int) -> float:
        """The season's part of the baseline: of the profile that misses clearly less than the others, if any does."""
        count = self.count
        share = 1.0 / min(count, max(300, DAY // self.step))
        bound = 4.0 * self.plain or math.inf
        self.plain += share * (min(abs(offset), bound) - self.plain)
        self.daily += share * (min(abs(offset - by_day), bound) - self.daily)
        self.weekly += share * (min(abs(offset - by_week), bound) - self.weekly)
        known = time - self.first
        if known < _DAY_KNOWN:
            return 0.0
        mode = self.mode
        best = self._best(known >= _WEEK_KNOWN)
        usual = (0.0, by_day, by_week)
        if best != mode:
            self.lag += usual[mode] - usual[best]
            self._turn(best)
        return usual[best]

    def _turn(self, mode: int) -> None:
        """Go over to another baseline: what was learnt of how far off the old one is no longer holds."""
        errors = (self.plain, self.daily, self.weekly)
        part = errors[mode] / errors[self.mode] if errors[self.mode] > 0 else 1.0
        self.mode = mode
        self.size *= part
        self.short_size *= part
        self.long_size *= part
        for place in _OF_BASELINE:
            self.tails[place].forget()

    def _best(self, week_known: bool) -> int:
        season = self.options.season
        if season == "day" or (season == "week" and not week_known):
            return 1
        if season == "week":
            return 2
        errors = (self.plain, self.daily, self.weekly)
        mode = self.mode
        best = 1 if errors[1] < errors[0] else 0
        if week_known and errors[2] < errors[best]:
            best = 2
        return best if errors[best] < _CLEARLY * errors[mode] else mode

    def _judge(self, value: float, base: float, missed: float, scale: float, surprise: float, cause: int) -> Score:
        """Whether it is news, and an alert; with the bounds in the respect that is told."""
        count, options = self.count, self.options
        surprise = max(0.0, surprise - _RESPECTS)
        if count <= _WARM_UP:
            surprise *= 0.3
        centre, unit, place, mean = value - missed, scale, 0, value
        if cause == _LEVEL:
            centre, unit, place = base, max(self.size, _FLOOR * self.jump), 1
        elif cause == _SHORT:
            centre, unit, place, mean = base, self.short_size, 2, base + self.short
        elif cause == _LONG:
            centre, unit, place, mean = base, self.long_size, 3, base + self.long
        elif cause == _SPREAD:
            mean = self.burst / scale
        elif cause == _MOVED:
            centre = base
        if surprise > 0 and options is not _DEFAULT and not self._matters(mean - centre, centre, cause):
            surprise = 0.0
        span = self.step
        fade = min(max(0.2 * count, 200.0), max(1000.0, 3 * DAY / span if span else 1000.0))
        told = self.told if surprise > _LASTS * self.told else self.told * (1.0 - 1.0 / fade)
        news = 0.0
        if surprise > _NEWS * told:
            news = told = surprise
        self.told = told
        if self.depth_step != span:
            self._aim(span)
        alert = news >= self.depth and not self.calm and self._may_tell()
        if alert:
            self.calm = _CALM
        elif self.calm:
            self.calm = _CALM if surprise > _UNUSUAL else self.calm - 1
        low, high = self.tails[place].bounds(centre, unit)
        if low < 0 and not self.negative:
            low = 0.0
        return Score(
            value,
            min(1.0, news / FULL),
            surprise,
            alert,
            self.calm > 0,
            cause,
            centre,
            low,
            high,
            mean,
            self.mode,
        )

    def _matters(self, deviation: float, expected: float, cause: int) -> bool:
        """Whether a deviation is of the direction and size that the options ask for."""
        options = self.options
        if cause in {_SPREAD, _STUCK}:
            return options.direction != "down" or cause == _STUCK
        if (options.direction == "up" and deviation < 0) or (options.direction == "down" and deviation > 0):
            return False
        return abs(deviation) >= max(options.min_absolute, options.min_relative * abs(expected))

    def _may_tell(self) -> bool:
        """Not while learning; and the first weekend is no alert where the days are alike."""
        known = self.time - self.first
        if self.count <= _WARM_UP or known < self.options.learn:
            return False
        return not (self.mode == 1 and known < _WEEK_KNOWN and self.told < self.depth + _FIRST_WEEK)

    def _aim(self, step: int) -> None:
        """Find how improbable an alert has to be, so that noise makes no more alerts a month than wanted."""
        self.depth_step = step
        depth = -math.log10(self.options.sensitivity * max(step, 1) / _MONTH)
        depth = min(max(depth, _DEPTHS[0]), _DEPTHS[1])
        if abs(depth - self.depth) > 0.01:
            self.depth = depth
            for tails in self.tails:
                tails.aim(depth + _RESPECTS)

    def _learn(self, missed: float, away: float, kept: float, *, gap: bool) -> None:
        """Learn sizes, the prediction and the level; what is far off counts as much as what is just unusual."""
        count = self.count
        share = _SPREAD_RATE if count > 400 else 1 / count
        spread, size = self.spread, self.size
        off = abs(missed)
        settled = count > 20
        self.burst += _BURST_RATE * (min(off, 12.0 * spread or off) - self.burst)
        self.spread += share * ((min(off, 6.0 * spread or off) if settled else off) - spread)
        self.size += share * (abs(kept) - size)
        lag = self.lag
        if not gap:
            self.lag_product += share * (kept * lag - self.lag_product)
            self.lag_square += share * (lag * lag - self.lag_square)
        self.lag = kept
        short, long = self.short, self.long
        before = self.short_size
        off = abs(short)
        self.short_size += share * ((min(off, 6.0 * before) if count > 60 and before > 0 else off) - before)
        before = self.long_size
        off = abs(long)
        self.long_size += share * ((min(off, 6.0 * before) if count > 150 and before > 0 else off) - before)
        if abs(away) > _FAR * size > 0:
            side = 1 if away > 0 else -1
            self.hot = self.hot + side if self.hot * side >= 0 else side
        elif self.hot:
            self.hot = max(0, abs(self.hot) - 3) * (1 if self.hot > 0 else -1)
        if abs(self.hot) >= _SHIFTED:
            self.level += away
            self.short = self.long = self.lag = 0.0
            self.hot = 0
        rate = min(1 / 200, self.step / (_LEVEL_DAYS * DAY) if self.step else 1.0)
        rate = max(rate, 1 / (count + 1)) if count * rate < 1 else rate
        bound = 4.0 * size if count > 50 and size > 0 else math.inf
        self.level += rate * min(max(away, -bound), bound)

    def save(self) -> list[Any]:
        """The whole state as plain values (numbers, bytes, lists), under 4 kB as MessagePack."""
        return [
            _VERSION,
            [getattr(self, name) for name in _NUMBERS],
            [tails.save() for tails in self.tails],
            self.season.save() if self.season is not None else None,
            list(self.opening),
        ]

    @classmethod
    def load(cls, saved: Any, options: Options | None = None) -> Detector:
        """The detector that `save` was asked of: it goes on as if nothing had been. ValueError for anything else."""
        try:
            version, numbers, tails, season, opening = saved
            if version != _VERSION or len(numbers) != len(_NUMBERS) or len(tails) != _TAILS:
                raise ValueError("of another version")
            detector = cls(options)
            for name, number in zip(_NUMBERS, numbers, strict=True):
                if not isinstance(number, int | float) or not math.isfinite(number):
                    raise ValueError(f"{name} is no number")
                setattr(detector, name, int(number) if isinstance(getattr(detector, name), int) else float(number))
            for part, state in zip(detector.tails, tails, strict=True):
                part.load(state, detector.depth + _RESPECTS)
            if season is not None:
                detector.season = Season.load(season)
            detector.opening = [float(number) for number in opening[:_FIRST_WORDS]]
        except (TypeError, KeyError, IndexError) as error:
            raise ValueError(f"no state of a detector: {error}") from None
        return detector
