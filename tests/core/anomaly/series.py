"""Made-up series: stationary noises that must stay quiet, and operations series with anomalies put in."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

START = 1_780_272_000_000
"""A Monday, 00:00 UTC."""


def poisson(rng: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, number = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        number += 1
    return number


def student(rng: random.Random, freedom: int) -> float:
    return rng.gauss(0, 1) / math.sqrt(rng.gammavariate(freedom / 2, 2) / freedom)


def correlated(rng: random.Random, count: int, phi: float) -> list[float]:
    value, found = rng.gauss(0, 1), []
    innovation = math.sqrt(1 - phi * phi)
    for _ in range(count):
        value = phi * value + innovation * rng.gauss(0, 1)
        found.append(value)
    return found


def daily(index: int, step: int) -> float:
    return math.sin(2 * math.pi * (index * step % 86_400) / 86_400)


def weekly(index: int, step: int) -> float:
    return 0.6 if (index * step // 86_400) % 7 >= 5 else 1.0


def _each(draw: Callable[[random.Random], float]) -> Callable[[random.Random, int, int], list[float]]:
    return lambda rng, count, step: [draw(rng) for _ in range(count)]


NOISES: dict[str, Callable[[random.Random, int, int], list[float]]] = {
    "gaussian": _each(lambda rng: rng.gauss(50, 3)),
    "uniform": _each(lambda rng: rng.uniform(0, 100)),
    "exponential": _each(lambda rng: rng.expovariate(0.1)),
    "gamma": _each(lambda rng: rng.gammavariate(2, 10)),
    "lognormal": _each(lambda rng: rng.lognormvariate(3, 1)),
    "student": _each(lambda rng: 10 + student(rng, 3)),
    "laplace": _each(lambda rng: rng.expovariate(1) * rng.choice((-1, 1))),
    "poisson-0.05": _each(lambda rng: poisson(rng, 0.05)),
    "poisson-0.5": _each(lambda rng: poisson(rng, 0.5)),
    "poisson-3": _each(lambda rng: poisson(rng, 3)),
    "poisson-200": _each(lambda rng: poisson(rng, 200)),
    "binomial": _each(lambda rng: sum(rng.random() < 0.1 for _ in range(20))),
    "bernoulli-0.01": _each(lambda rng: int(rng.random() < 0.01)),
    "bernoulli-0.3": _each(lambda rng: int(rng.random() < 0.3)),
    "bimodal": _each(lambda rng: rng.gauss(10, 1) if rng.random() < 0.6 else rng.gauss(30, 2)),
    "percent": _each(lambda rng: min(100.0, max(0.0, rng.gauss(97, 4)))),
    "constant": lambda rng, count, step: [42.0] * count,
    "ar-0.9": lambda rng, count, step: correlated(rng, count, 0.9),
    "ar-0.99": lambda rng, count, step: correlated(rng, count, 0.99),
    "daily": lambda rng, count, step: [20 + 8 * daily(i, step) + rng.gauss(0, 1) for i in range(count)],
    "daily-poisson": lambda rng, count, step: [poisson(rng, 20 + 15 * daily(i, step)) for i in range(count)],
    "daily-lognormal": lambda rng, count, step: [
        math.exp(3 + daily(i, step) + rng.gauss(0, 0.4)) for i in range(count)
    ],
    "weekly": lambda rng, count, step: [
        weekly(i, step) * (60 + 30 * daily(i, step)) + rng.gauss(0, 3) for i in range(count)
    ],
}
"""Name → (chance, number of values, seconds between them) → values of a stationary (or only seasonal) noise."""


@dataclass
class Series:
    """`windows`: (first, last) time of what people would mark, in milliseconds."""

    name: str
    times: list[int]
    values: list[float]
    windows: list[tuple[int, int]] = field(default_factory=list)


Shape = Callable[[int, float], float]
"""(values since the anomaly began, the value as it would be) → the value as it is."""


def _cpu(rng: random.Random, count: int, step: int) -> list[float]:
    base, found, burst = rng.uniform(5, 50), [], 0.0
    noise = rng.uniform(0.02, 0.15) * base
    cron = rng.choice((0, 0, 3600, 21_600))
    for i in range(count):
        burst = burst * 0.6 + (rng.expovariate(1 / (3 * noise)) if rng.random() < 0.01 else 0)
        job = 6 * noise if cron and (i * step) % cron < step else 0
        found.append(min(100.0, max(0.0, base + rng.gauss(0, noise) + burst + job)))
    return found


def _network(rng: random.Random, count: int, step: int) -> list[float]:
    scale, sigma = rng.uniform(8, 16), rng.uniform(0.2, 0.9)
    calm = correlated(rng, count, 0.8)
    depth = rng.choice((0, 0.5))
    return [math.exp(scale + sigma * calm[i] + depth * daily(i, step)) for i in range(count)]


def _temperature(rng: random.Random, count: int, step: int) -> list[float]:
    slow = correlated(rng, count, 1 - step / 86_400)
    return [
        rng.choice((70, 70.0)) + 4 * slow[i] + rng.uniform(0, 1) * 0.3 + 1.5 * daily(i, step) + rng.gauss(0, 0.4)
        for i in range(count)
    ]


def _demand(rng: random.Random, count: int, step: int) -> list[float]:
    size = 10 ** rng.uniform(2, 4)
    slow = correlated(rng, count, 0.97)
    return [
        max(0.0, round(size * weekly(i, step) * (1.1 + 0.8 * daily(i, step) + 0.25 * daily(2 * i, step)) * (1 + 0.04 * slow[i]) + rng.gauss(0, 0.02 * size)))
        for i in range(count)
    ]  # fmt: skip


def _latency(rng: random.Random, count: int, step: int) -> list[float]:
    base, sigma = rng.uniform(1, 5), rng.uniform(0.1, 0.5)
    mood = correlated(rng, count, 0.98)
    return [math.exp(base + 0.15 * mood[i] + sigma * rng.gauss(0, 1)) for i in range(count)]


def _clicks(rng: random.Random, count: int, step: int) -> list[float]:
    base = 10 ** rng.uniform(-1, 1)
    return [base * abs(1 + 0.2 * daily(i, step) + 0.15 * student(rng, 4)) for i in range(count)]


def _tweets(rng: random.Random, count: int, step: int) -> list[float]:
    base, heat, found = 10 ** rng.uniform(0.7, 2), 0.0, []
    for i in range(count):
        heat = heat * 0.9 + (rng.paretovariate(2.2) if rng.random() < 0.003 else 0)
        mean = base * (1 + 0.6 * daily(i, step) + 0.3 * heat) * rng.gammavariate(8, 1 / 8)
        found.append(float(poisson(rng, mean)))
    return found


def _traffic(rng: random.Random, count: int, step: int) -> list[float]:
    found = []
    for i in range(count):
        hour = i * step % 86_400 / 3600
        rush = 20 * weekly(i, step) * math.exp(-((hour - 8.5) ** 2) / 2) + 15 * math.exp(-((hour - 18) ** 2) / 2)
        found.append(float(round(min(75, 66 - rush + rng.gauss(0, 4)))))
    return found


def _square(rng: random.Random, count: int, step: int) -> list[float]:
    low, high, noise = 20.0, rng.uniform(40, 90), rng.choice((0.0, 1.0, 4.0))
    return [(high if 9 <= i * step % 86_400 / 3600 < 18 else low) + rng.uniform(-noise, noise) for i in range(count)]


def _counts(rng: random.Random, count: int, step: int) -> list[float]:
    base = rng.uniform(20, 150)
    return [
        float(poisson(rng, base * (1.1 + daily(i, step)) * rng.gammavariate(20, 1 / 20)) + (rng.random() < 0.002) * base * 2)
        for i in range(count)
    ]  # fmt: skip


BASES = {
    "cpu": _cpu,
    "network": _network,
    "temperature": _temperature,
    "demand": _demand,
    "latency": _latency,
    "clicks": _clicks,
    "tweets": _tweets,
    "traffic": _traffic,
    "square": _square,
    "counts": _counts,
}


def _shape(rng: random.Random, kind: str, size: float, middle: float) -> tuple[int, Shape]:
    """How long (in values) and what an anomaly does. `size`: the spread of the series."""
    up = rng.choice((-1, 1, 1))
    strength = rng.uniform(4, 10) * size
    few, many = rng.randint(1, 4), rng.randint(30, 150)
    if kind == "spike":
        return few, lambda age, value: value + strength * (1 + rng.random())
    if kind == "dip":
        return few + 2, lambda age, value: min(value, middle) - strength
    if kind == "burst":
        return many, lambda age, value: value + 1.5 * strength * math.exp(-age / 15)
    if kind == "shift":
        return 10**9, lambda age, value: value + up * strength * 0.7
    if kind == "noisy":
        return many, lambda age, value: value + rng.gauss(0, 0.6 * strength)
    if kind == "trend":
        return many, lambda age, value: value + up * strength * age / many
    if kind == "flat":
        held: list[float] = []

        def flat(age: int, value: float) -> float:
            held.append(value)
            return held[0]

        return many, flat
    if kind == "zero":
        return many, lambda age, value: 0.0
    assert kind == "half"
    return many * 2, lambda age, value: middle + (value - middle) * 0.3


KINDS = ("spike", "dip", "burst", "shift", "noisy", "trend", "flat", "zero", "half", "spike", "shift")
BOUNDED = {"cpu": (0.0, 100.0), "traffic": (0.0, 80.0)}
POSITIVE = {"network", "demand", "latency", "clicks", "tweets", "counts"}


def with_anomalies(base: str, seed: int, count: int = 4_000) -> Series:
    """A series of an operation's kind with one to three anomalies after its first quarter."""
    rng = random.Random(f"{base}/{seed}")
    step = 1800 if base == "demand" else 3600 if base == "clicks" else rng.choice((60, 300, 300, 600))
    if base == "clicks":
        count //= 2
    values = BASES[base](rng, count, step)
    ordered = sorted(values)
    middle = ordered[count // 2]
    size = max((ordered[int(count * 0.9)] - ordered[int(count * 0.1)]) / 2.5, abs(middle) * 0.02, 1e-3)
    number = rng.randint(1, 3)
    windows: list[tuple[int, int]] = []
    width = count // 10 // number
    begin = START + rng.randrange(7) * 86_400_000
    for part in range(number):
        first = count // 4 + int((part + rng.uniform(0.15, 0.7)) * (count * 0.75 / number))
        length, shape = _shape(rng, rng.choice(KINDS), size, middle)
        for i in range(first, min(count, first + length)):
            values[i] = _fit(base, shape(i - first, values[i]), values[i])
        before = width // 4
        windows.append((begin + (first - before) * step * 1000, begin + min(count - 1, first - before + width) * step * 1000))  # fmt: skip
    return Series(f"{base}-{seed}", [begin + i * step * 1000 for i in range(count)], values, windows)


def _fit(base: str, value: float, like: float) -> float:
    if base in BOUNDED:
        low, high = BOUNDED[base]
        value = min(high, max(low, value))
    if base in POSITIVE:
        value = max(0.0, value)
    return float(round(value)) if like == round(like) else value
