"""What the detector sees, what it lets pass, and what it says."""

from __future__ import annotations

import math
import random
import time
import tracemalloc

import msgspec
import pytest

from fenghuo.rules.anomaly import Cause, CounterRate, Detector, Options

STEP = 300_000
START = 1_780_272_000_000
DAY = 288


def gaussian(seed, count, middle=50.0, spread=3.0):
    rng = random.Random(seed)
    return [rng.gauss(middle, spread) for _ in range(count)]


def seasonal(seed, count, spread=1.0):
    rng = random.Random(seed)
    return [20 + 8 * math.sin(2 * math.pi * i / DAY) + rng.gauss(0, spread) for i in range(count)]


def run(values, options=None, *, step=STEP, detector=None):
    detector = detector or Detector(options)
    return [detector.see(START + i * step, value) for i, value in enumerate(values)]


def alerts(scores):
    return [i for i, score in enumerate(scores) if score.alert]


@pytest.mark.parametrize("step", [1_000, 60_000, 300_000, 3_600_000])
def test_a_spike_is_told_at_once_and_explained(step):
    values = gaussian(1, 1_500)
    values[1_200] = 110.0
    scores = run(values, step=step)
    assert alerts(scores) == [1_200]
    score = scores[1_200]
    assert score.high < 109
    assert score.low >= 0
    assert 45 < score.expected < 55
    assert score.probability < 1e-4
    assert "110" in score.reason
    assert "is usual" in score.reason
    assert "通常" in score.reason_zh


def test_a_dip_is_told_too():
    values = gaussian(2, 1_500)
    values[1_000:1_004] = [0.0] * 4
    assert alerts(run(values)) == [1_000]


def test_a_level_shift_is_one_alert_and_then_the_new_level_is_usual():
    values = gaussian(3, 1_500) + gaussian(4, 2_000, middle=95.0)
    scores = run(values)
    assert alerts(scores) == [1_500]
    assert not scores[-1].abnormal
    assert 88 < scores[-1].expected < 102
    values[2_800] = 50.0
    assert alerts(run(values)) == [1_500, 2_800]


def test_a_large_shift_is_learnt_within_a_hundred_values():
    values = gaussian(3, 1_500) + gaussian(4, 120, middle=400.0)
    scores = run(values)
    assert alerts(scores) == [1_500]
    assert 350 < scores[1_600].expected < 450
    assert scores[1_610].mean < scores[1_610].high


def test_after_the_first_alert_the_score_comes_down_though_the_anomaly_lasts():
    values = gaussian(5, 1_500) + gaussian(6, 40, middle=95.0)
    scores = [score.score for score in run(values)]
    assert scores[1_500] > 0.5
    assert max(scores[1_502:]) < 0.1


def test_the_series_is_abnormal_until_it_returns():
    values = gaussian(7, 1_500) + gaussian(8, 20, middle=95.0) + gaussian(9, 100)
    abnormal = [i for i, score in enumerate(run(values)) if score.abnormal]
    assert abnormal[0] == 1_500
    assert 1_519 in abnormal
    assert abnormal[-1] < 1_535


def test_slow_drift_is_no_flood():
    values = [value + i * 0.02 for i, value in enumerate(gaussian(10, 8_640))]
    assert len(alerts(run(values))) <= 2


def test_a_flat_line_is_told_once():
    values = gaussian(11, 1_500) + [51.3] * 300
    scores = run(values)
    assert len(alerts(scores)) == 1
    told = alerts(scores)[0]
    assert 1_500 <= told < 1_560
    assert scores[told].cause == Cause.STUCK
    assert "stands still" in scores[told].reason


def test_a_constant_that_moves_is_told():
    scores = run([42.0] * 1_000 + [43.0] + [42.0] * 100)
    assert alerts(scores) == [1_000]
    assert "never moved before" in scores[1_000].reason


def test_more_noise_than_usual_is_told():
    values = gaussian(12, 2_000) + gaussian(13, 200, spread=18.0)
    assert 2_000 <= alerts(run(values, Options(sensitivity=0.5)))[0] < 2_020


def test_outliers_in_training_do_not_widen_the_bounds_for_long():
    values = gaussian(14, 2_000)
    clean = run(values)[-1]
    for i in (100, 500, 900):
        values[i] = 5e6
    soiled = run(values)[-1]
    assert soiled.high - soiled.low < 3 * (clean.high - clean.low)
    values[1_900] = 110.0
    assert run(values)[1_900].surprise > 3


def test_the_season_of_the_day_is_learnt():
    values = seasonal(15, 10 * DAY)
    at_peak, at_low = 9 * DAY + DAY // 4, 9 * DAY + 3 * DAY // 4
    values[at_low : at_low + 6] = [28.0] * 6
    detector = Detector()
    scores = run(values, detector=detector)
    assert detector.mode == 1
    assert not any(score.alert for score in scores[at_peak - 5 : at_peak + 5])
    assert at_low in alerts(scores)
    assert "time of day" in next(score.reason for score in scores if score.season == 1 and score.alert)


def test_the_season_of_the_week_is_learnt():
    rng = random.Random(16)
    values = [(20 if (i // 24) % 7 >= 5 else 100) + 20 * math.sin(2 * math.pi * i / 24) + rng.gauss(0, 2) for i in range(24 * 70)]  # fmt: skip
    holiday = 24 * (7 * 9 + 2)
    values[holiday + 8 : holiday + 20] = [value - 80 for value in values[holiday + 8 : holiday + 20]]
    detector = Detector()
    scores = run(values, step=3_600_000, detector=detector)
    assert detector.mode == 2
    assert [i for i in alerts(scores) if i > 24 * 28] == [holiday + 8]


def test_noise_has_no_season():
    detector = Detector()
    run(gaussian(17, 9 * DAY), detector=detector)
    assert detector.mode == 0


def test_season_none_keeps_no_profile():
    detector = Detector(Options(season="none"))
    run(seasonal(18, 3 * DAY), detector=detector)
    assert detector.season is None


def test_a_gap_is_not_an_anomaly_by_itself():
    detector = Detector()
    values = seasonal(19, 8 * DAY)
    found = []
    for i, value in enumerate(values):
        if not 5 * DAY < i < 6 * DAY + 70:
            found.append(detector.see(START + i * STEP, value))
    assert not alerts(found)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_changes_nothing(value):
    one, other = Detector(), Detector()
    for i, number in enumerate(gaussian(20, 500)):
        one.see(START + i * STEP, number)
        other.see(START + i * STEP, number)
        assert other.see(START + i * STEP + 1_000, value).score == 0.0
    assert one.save() == other.save()


def test_values_not_newer_than_the_last_change_nothing():
    one, other = Detector(), Detector()
    for i, number in enumerate(gaussian(21, 300)):
        one.see(START + i * STEP, number)
        other.see(START + i * STEP, number)
        assert other.see(START + i * STEP, 9e9).score == 0.0
        assert other.see(START + i * STEP - 7, 9e9).score == 0.0
    assert one.save() == other.save()


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300, 5e-324, 0.0])
def test_extreme_numbers_break_nothing(value):
    values = gaussian(22, 400)
    values[200:210] = [value] * 10
    values[300:600:7] = [-value] * len(values[300:600:7])
    for score in run(values):
        assert 0.0 <= score.score <= 1.0
        assert math.isfinite(score.score)


@pytest.mark.parametrize("value", [1e99, -1e99, 1e300, 1e-320])
def test_after_extreme_numbers_it_goes_on(value):
    values = gaussian(22, 3_000)
    values[3] = values[7] = values[500] = value
    values[2_900] = 130.0
    scores = run(values)
    assert all(math.isfinite(score.score) and 0.0 <= score.score <= 1.0 for score in scores)
    assert scores[2_900].surprise > 2


def test_a_percentage_at_its_top_is_quiet_and_its_fall_is_told():
    rng = random.Random(23)
    values = [min(100.0, rng.gauss(99.5, 0.7)) for _ in range(2_000)]
    values[1_800:1_806] = [80.0] * 6
    assert alerts(run(values)) == [1_800]


def test_small_counts_are_quiet_and_many_at_once_are_told():
    rng = random.Random(24)
    values = [float(rng.random() < 0.05) + (rng.random() < 0.02) for _ in range(3_000)]
    values[2_500] = 25.0
    assert alerts(run(values)) == [2_500]


def test_only_the_wanted_direction_is_told():
    values = gaussian(25, 3_000)
    values[1_500], values[2_500] = 110.0, -10.0
    assert alerts(run(values, Options(direction="up"))) == [1_500]
    assert alerts(run(values, Options(direction="down"))) == [2_500]


def test_a_change_too_small_to_matter_is_not_told():
    values = gaussian(26, 2_000, middle=1_000, spread=0.1)
    values[1_500] = 1_004.0
    assert alerts(run(values)) == [1_500]
    assert alerts(run(values, Options(min_absolute=5.0))) == []
    assert alerts(run(values, Options(min_relative=0.01))) == []
    assert alerts(run(values, Options(min_relative=0.003))) == [1_500]


def test_nothing_is_told_while_learning():
    values = gaussian(27, 1_000)
    values[500] = 200.0
    assert alerts(run(values, Options(learn=600 * STEP))) == []
    assert alerts(run(values, Options(learn=400 * STEP))) == [500]


def test_more_sensitive_tells_more():
    values = gaussian(28, 20_000)
    for i in range(1_000, 20_000, 1_000):
        values[i] += 14.0
    few, many = (len(alerts(run(values, Options(sensitivity=each)))) for each in (0.001, 50.0))
    assert few < many


def test_a_counter_is_read_as_a_rate_and_its_reset_says_nothing():
    rng = random.Random(29)
    counter, detector, rate = 0, Detector(), CounterRate()
    found = []
    for i in range(1_500):
        counter += rng.randrange(900, 1_100) * 300
        if i == 1_200:
            counter = 17
        found.append(detector.see(START + i * STEP, rate.see(START + i * STEP, counter)))
    assert alerts(found) == []
    assert 900 < detector.level < 1_100


@pytest.mark.parametrize(
    "values", [seasonal(30, 2_600), gaussian(31, 1_200), [7.0] * 900], ids=["day", "noise", "still"]
)
def test_a_restart_forgets_nothing_bit_for_bit(values):
    rng = random.Random(32)
    values = [*values, 500.0, *values[:300], *[3.0] * 90]
    one, other = Detector(), Detector()
    for i, value in enumerate(values):
        first, second = (detector.see(START + i * STEP, value) for detector in (one, other))
        assert all(getattr(first, name) == getattr(second, name) for name in first.__slots__)
        if rng.random() < 0.03:
            saved = msgspec.msgpack.encode(other.save())
            assert len(saved) <= 4_096
            other = Detector.load(msgspec.msgpack.decode(saved))


@pytest.mark.parametrize(
    "saved",
    [None, [], 3, "x", [1, [], [], None], [9, [0.0] * 30, [[]] * 5, None], [1, ["a"] * 30, [[1.0] * 10] * 5, None]],
)
def test_what_is_no_state_is_refused(saved):
    with pytest.raises(ValueError, match=r"."):
        Detector.load(saved)


def test_a_damaged_season_is_refused():
    detector = Detector()
    run(seasonal(33, 400), detector=detector)
    state = detector.save()
    for place, wrong in ((0, b"123"), (1, b""), (2, bytes(8)), (4, [1])):
        season = list(state[3])
        season[place] = wrong
        with pytest.raises(ValueError, match=r"."):
            Detector.load([*state[:3], season, []])


def test_memory_does_not_grow_with_the_number_of_values():
    detector = Detector()
    values = seasonal(34, 6_000)
    run(values[:3_000], detector=detector)
    tracemalloc.start()
    for i, value in enumerate(values[3_000:]):
        detector.see(START + (3_000 + i) * STEP, value)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 4_000


def test_a_value_costs_little():
    values = seasonal(35, 6_000)
    detector = Detector()
    began = time.process_time()
    run(values, detector=detector)
    assert (time.process_time() - began) / len(values) < 60e-6  # 20 µs are the goal, on a machine that is not shared
