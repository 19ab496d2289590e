"""What is usual at a time of day and of the week: two profiles of bins, learnt robustly.

A bin is learnt from its mean only when it is over: while it lasts, what it says comes from other days, so that the error
of a profile tells honestly whether there is a season at all.
"""

from __future__ import annotations

from array import array
from typing import Any

DAY = 86_400_000
HOUR = 3_600_000
_DAY_BINS = 96
_WEEK_BINS = 168
_CLIP = 5.0


class Season:
    """Two profiles of deviations from the level: of the day (up to 96 bins) and, beside it, of the week (168).

    They are kept in single precision, so that what is saved is what is used.
    """

    __slots__ = (
        "_bin",
        "_bin_count",
        "_bin_sum",
        "_hour",
        "_hour_count",
        "_hour_sum",
        "bins",
        "day",
        "days",
        "week",
        "weeks",
    )

    def __init__(self, step: int) -> None:
        """`step`: milliseconds between values."""
        self.bins = max(1, min(_DAY_BINS, round(DAY / step)))
        self.day = array("f", bytes(4 * self.bins))
        self.days = bytearray(self.bins)
        self.week = array("f", bytes(4 * _WEEK_BINS))
        self.weeks = bytearray(_WEEK_BINS)
        self._bin = self._hour = -1
        self._bin_sum = self._hour_sum = 0.0
        self._bin_count = self._hour_count = 0

    def expect(self, time: int, coarse: bool, fine: bool) -> tuple[float, float]:
        """The usual deviation from the level at a time, by the day and by the week; `coarse`: bins of the day
        hold several values, `fine`: hours do.
        """
        place = time % DAY / DAY * self.bins
        number = int(place)
        day = self.day[number]
        if coarse:
            part = place - number
            day += (
                (0.5 - part) * (self.day[number - 1] - day)
                if part < 0.5
                else (part - 0.5) * (self.day[number + 1 - self.bins] - day)
            )
        place = time / HOUR % _WEEK_BINS
        number = int(place)
        week = self.week[number]
        if fine:
            part = place - number
            week += (
                (0.5 - part) * (self.week[number - 1] - week)
                if part < 0.5
                else (part - 0.5) * (self.week[number + 1 - _WEEK_BINS] - week)
            )
        return day, day + week

    def learn(self, time: int, by_day: float, by_week: float, usual: float, *, weekly: bool) -> None:
        """Take what the profiles of the day and of the week missed; `usual` is how much they miss."""
        number = time % DAY * self.bins // DAY
        if number != self._bin:
            if self._bin_count:
                self._close_bin(usual * _CLIP)
            self._bin, self._bin_count, self._bin_sum = number, 0, 0.0
        self._bin_count += 1
        self._bin_sum += by_day
        hour = time // HOUR % _WEEK_BINS
        if hour != self._hour:
            if weekly and self._hour_count:
                self._close_hour(usual * _CLIP)
            self._hour, self._hour_count, self._hour_sum = hour, 0, 0.0
        self._hour_count += 1
        self._hour_sum += by_week

    def _close_bin(self, bound: float) -> None:
        mean = self._bin_sum / self._bin_count
        seen = self.days[self._bin]
        if seen > 2:
            mean = min(max(mean, -bound), bound)
        self.day[self._bin] += mean * (1.0 / (seen + 1) if seen < 10 else 0.1)
        self.days[self._bin] = min(seen + 1, 255)

    def _close_hour(self, bound: float) -> None:
        mean = self._hour_sum / self._hour_count
        seen = self.weeks[self._hour]
        if seen > 1:
            mean = min(max(mean, -bound), bound)
        self.week[self._hour] += mean * (0.7 if seen < 1 else 0.35)
        self.weeks[self._hour] = min(seen + 1, 255)

    def save(self) -> list[Any]:
        return [
            self.day.tobytes(),
            bytes(self.days),
            self.week.tobytes(),
            bytes(self.weeks),
            [self._bin, self._bin_count, self._bin_sum, self._hour, self._hour_count, self._hour_sum],
        ]

    @classmethod
    def load(cls, saved: Any) -> Season:
        """ValueError, TypeError or KeyError where it is not what `save` gave."""
        day, days, week, weeks, open_ = saved
        if not 1 <= len(days) <= _DAY_BINS:
            raise ValueError("the profile of the day has another size")
        season = cls(DAY // len(days))
        season.bins = len(days)
        season.day, season.week = array("f", day), array("f", week)
        season.days, season.weeks = bytearray(days), bytearray(weeks)
        if len(season.day) != season.bins or len(season.week) != _WEEK_BINS or len(weeks) != _WEEK_BINS:
            raise ValueError("the season's profiles have other sizes")
        season._bin, season._bin_count, season._bin_sum = int(open_[0]), int(open_[1]), float(open_[2])
        season._hour, season._hour_count, season._hour_sum = int(open_[3]), int(open_[4]), float(open_[5])
        if not -1 <= season._bin < season.bins or not -1 <= season._hour < _WEEK_BINS:
            raise ValueError("the season's open bins do not exist")
        return season
