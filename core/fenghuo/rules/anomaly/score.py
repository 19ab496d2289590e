"""What the detector says of one value, and how it says so to people."""

from __future__ import annotations

from enum import IntEnum

FULL = 10.0
"""The surprise, as the power of ten of an improbability, that has score 1."""


class Cause(IntEnum):
    """What is unusual: the value after the ones before, the value, a short or long mean, the spread, or standing still."""

    NONE = 0
    STEP = 1
    LEVEL = 2
    SHORT_MEAN = 3
    LONG_MEAN = 4
    SPREAD = 5
    STUCK = 6
    MOVED = 7


_SUBJECTS = {
    Cause.STEP: ("it changed to {value}", "突变为 {value}"),
    Cause.LEVEL: ("it is {value}", "当前值 {value}"),
    Cause.SHORT_MEAN: ("the mean of the last few values is {mean}", "近期均值 {mean}"),
    Cause.LONG_MEAN: ("the mean of some sixty values is {mean}", "近六十个值的均值 {mean}"),
    Cause.SPREAD: ("it varies {mean} times as much as usual", "波动为平时的 {mean} 倍"),
    Cause.STUCK: ("it stands still at {value}", "停在 {value} 不变"),
    Cause.MOVED: ("it moved to {value}; it never moved before", "变为 {value}，此前从未变化"),
}
_USUAL = {Cause.STEP, Cause.LEVEL, Cause.SHORT_MEAN, Cause.LONG_MEAN}
_SEASONS = (("", ""), (" at this time of day", "（每日此时）"), (" at this time of the week", "（每周此时）"))


class Score:
    """The detector's word on one value.

    `score`       0…1: a tenth of -log10 of how improbable this was, for news; what was told shortly before, and was no
                  less improbable then, is no news and has score 0
    `alert`       this value is news that the wanted number of false alerts allows to tell
    `abnormal`    an alert was told and the series did not return to what is usual since
    `surprise`    -log10 of how improbable the value is, news or not; `probability` of it
    `expected`, `low`, `high`  what was expected in that respect (`cause`), and the bounds outside of which it is an alert
    `mean`        what was compared with them, where it is not the value
    `season`      0: compared with what it usually is, 1: at this time of day, 2: at this time of the week
    """

    __slots__ = (
        "abnormal",
        "alert",
        "cause",
        "expected",
        "high",
        "low",
        "mean",
        "score",
        "season",
        "surprise",
        "value",
    )

    def __init__(
        self,
        value: float,
        score: float = 0.0,
        surprise: float = 0.0,
        alert: bool = False,
        abnormal: bool = False,
        cause: int = 0,
        expected: float = 0.0,
        low: float = 0.0,
        high: float = 0.0,
        mean: float = 0.0,
        season: int = 0,
    ) -> None:
        self.value = value
        self.score = score
        self.surprise = surprise
        self.alert = alert
        self.abnormal = abnormal
        self.cause = cause
        self.expected = expected
        self.low = low
        self.high = high
        self.mean = mean
        self.season = season

    @property
    def probability(self) -> float:
        """How probable a value at least so unusual was, by the series' own past."""
        return float(10.0**-self.surprise)

    @property
    def reason(self) -> str:
        """In English, e.g. `it is 93.1, where 60…72 is usual at this time of day; one in 250,000 values is so far off`."""
        return self._say(0, ", where {low}…{high} is usual{season}", "; one in {odds} values is so far off")

    @property
    def reason_zh(self) -> str:
        """The same in Chinese."""
        return self._say(1, "，通常为 {low}…{high}{season}", "；约 {odds} 个值中仅一个如此偏离")

    def _say(self, language: int, usual: str, rare: str) -> str:
        if not self.cause:
            return ""
        text = _SUBJECTS[Cause(self.cause)][language]
        if self.cause in _USUAL:
            text += usual
        return (text + rare).format(
            value=brief(self.value),
            mean=brief(self.mean),
            low=brief(self.low),
            high=brief(self.high),
            season=_SEASONS[self.season][language],
            odds=_odds(self.surprise),
        )


def brief(number: float) -> str:
    """Four digits are enough for people."""
    return f"{number:,.0f}" if abs(number) >= 10_000 else f"{number:.4g}"


def _odds(surprise: float) -> str:
    if surprise > 9:
        return "a thousand million"
    odds = 10.0**surprise
    digits = 10 ** max(0, int(surprise) - 1)
    return f"{round(odds / digits) * digits:,}"
