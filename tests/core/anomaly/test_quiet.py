"""Noise is not news: what the detector makes of stationary (or only seasonal) noise in a month."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

from fenghuo.rules.anomaly import Detector


def _series():
    place = Path(__file__).with_name("series.py")
    spec = importlib.util.spec_from_file_location("anomaly_series", place)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("anomaly_series", module)
    spec.loader.exec_module(module)
    return module


series = _series()
MONTH = 30 * 86_400


def alerts_of(name, step, seed):
    detector = Detector()
    values = series.NOISES[name](random.Random(f"{name}{seed}"), MONTH // step, step)
    return sum(detector.see(series.START + i * step * 1000, value).alert for i, value in enumerate(values))


@pytest.mark.parametrize("name", series.NOISES)
def test_noise_every_five_minutes_makes_less_than_one_alert_a_month(name):
    assert sum(alerts_of(name, 300, seed) for seed in range(2)) / 2 <= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("step", [60, 300])
@pytest.mark.parametrize("name", series.NOISES)
def test_over_many_seeds_noise_makes_less_than_one_alert_a_month(name, step):
    seeds = range(100, 108 if step == 60 else 130)
    assert sum(alerts_of(name, step, seed) for seed in seeds) / len(seeds) < 1


@pytest.mark.parametrize("name", ["gaussian", "exponential", "student", "poisson-3", "ar-0.9", "daily-lognormal"])
def test_the_surprise_is_a_probability_whatever_the_distribution(name):
    detector = Detector()
    values = series.NOISES[name](random.Random(name), 20_000, 300)
    surprises = [detector.see(series.START + i * 300_000, value).surprise for i, value in enumerate(values)][2_000:]
    for power in (1, 2, 3):
        share = sum(surprise >= power for surprise in surprises) / len(surprises)
        assert share < 4 * 10**-power
    assert sum(surprise >= 2 for surprise in surprises) / len(surprises) > 0.003
