"""What the input's page says is what the input does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from fenghuo_agent.inputs.probe import dns, http, icmp, ntp, onvif, rtsp, tcp
from fenghuo_agent.inputs.probe import input as source
from fenghuo_agent.inputs.probe.options import KINDS
from fenghuo_agent.inputs.probe.stream import _REASONS
from fenghuo_agent.inputs.probe.tables import COMMON, LEFT
from fenghuo_agent.inputs.probe.tally import PREFIX

PACKAGE = Path(source.__file__).parent
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "probe.md").read_text()
CODE = "".join(path.read_text() for path in sorted(PACKAGE.glob("*.py")))


def test_the_sample_is_shown():
    assert (PACKAGE / "sample.yaml").read_text().strip() in PAGE


def test_every_value_is_named():
    fields = {name for module in (dns, http, icmp, ntp, onvif, rtsp, tcp) for name in module.FIELDS}
    infos = set(re.findall(r'infos\["(\w+)"\]', CODE))
    assert len(infos) == 3
    for name in fields | set(COMMON) | {LEFT}:
        assert f"`{name}`" in PAGE, name
    for name in infos:
        assert f"`{name}{{" in PAGE, name


def test_every_kind_is_named():
    for kind in KINDS:
        assert f"`{kind.key}`" in PAGE


def test_every_reason_is_named():
    reasons = set(re.findall(r'(?:ProbeFailed|CannotProbe)\(\s*"(\w+)"', CODE)) | set(_REASONS.values()) | {"network"}
    assert len(reasons) > 15
    for reason in reasons:
        assert f"`{reason}`" in PAGE, reason


def test_every_metric_of_the_agent_is_named(make, registry):
    make("10.20.0.1")
    for family in registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert name.startswith(PREFIX)
        assert f"`{name}" in PAGE, name


def test_the_rules_speak_of_values_that_there_are():
    rules = list(yaml.safe_load_all((ROOT / "rules" / "availability" / "probe.yaml").read_text()))
    assert len(rules) == 12
    for rule in rules:
        for name in re.findall(r"\w*probe_\w+", f"{rule['data']} {rule['condition']}"):
            assert re.search(rf"`{name}\b", PAGE), name
