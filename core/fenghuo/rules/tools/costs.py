"""What a running agent or collector says that a rule has cost: from its /metrics, or a file of them."""

from __future__ import annotations

import os
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fenghuo.errors import Permanent
from fenghuo.rules.rule import Rule

MAX_BYTES = 64 << 20
TIMEOUT_SECONDS = 10
TOKEN = "FENGHUO_METRICS_TOKEN"  # noqa: S105 — the name of the variable, not the token
_PREFIX = "fenghuo_rule_"
COSTS = ("evaluations", "matches", "alerts", "groups", "evictions", "late", "cpu")
"""What is told of a rule's cost, by the words in `fenghuo_rule_<word>`."""


@dataclass(frozen=True)
class Cost:
    """What a running engine said of the rule. `source`: who was asked."""

    source: str
    values: Mapping[str, float]


def read_cost(source: str, rule: Rule) -> Cost:
    """The sums over all agents that `source`, an address or a file, tells of. `Permanent` where it cannot be read."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, labels, value in _samples(_text(source), source):
        if name.startswith(_PREFIX) and labels.get("rule") == rule.name:
            word = name.removeprefix(_PREFIX).partition("_")[0]
            if word in COSTS:
                found[word] += value
    return Cost(source, dict(found))


def _text(source: str) -> str:
    """What stands at an address, or in a file; a token in the environment goes along."""
    try:
        if not source.startswith(("http://", "https://")):
            return Path(source).read_text(encoding="utf-8", errors="replace")[:MAX_BYTES]
        request = urllib.request.Request(source)  # noqa: S310 — http and https only, see above
        token = os.environ.get(TOKEN)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 — the same
            return answer.read(MAX_BYTES).decode(errors="replace")
    except (OSError, ValueError) as error:
        raise Permanent(f"cannot read the metrics at {source}: {error}") from None


def _samples(text: str, source: str) -> Iterator[tuple[str, dict[str, str], float]]:
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415 — only where somebody asks

    lines = [line for line in text.splitlines() if line.startswith(_PREFIX)]
    try:
        for family in text_string_to_metric_families("\n".join(lines) + "\n"):
            for sample in family.samples:
                yield sample.name, dict(sample.labels), float(sample.value)
    except (ValueError, KeyError, IndexError) as error:
        raise Permanent(f"these are no metrics, at {source}: {error}") from None
