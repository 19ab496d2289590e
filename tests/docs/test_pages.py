"""The reference says what the code does."""

from __future__ import annotations

import json
import re

import jsonschema
import metrics
import pages
import pytest
import yaml

from fenghuo.config import parse, schema
from fenghuo.config.reference import undescribed
from fenghuo.errors import Located

SAMPLES = list(pages.samples())
STALE = "is stale: run `make docs`"


def test_the_configuration_reference_is_current():
    path = pages.REFERENCE / "configuration.md"
    assert path.read_text(encoding="utf-8") == pages.configuration(), f"{path.name} {STALE}"


@pytest.mark.parametrize("side", list(pages.SIDES))
def test_the_schema_is_current(side):
    path = pages.REFERENCE / f"{side}.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == schema(pages.model_of(side)), f"{path.name} {STALE}"


def test_the_command_line_reference_is_current():
    path = pages.REFERENCE / "cli.md"
    assert path.read_text(encoding="utf-8") == pages.cli(), f"{path.name} {STALE}"


def test_the_metrics_reference_is_current():
    path = pages.REFERENCE / "metrics.md"
    assert path.read_text(encoding="utf-8") == metrics.page(), f"{path.name} {STALE}"


def test_the_reference_of_rules_is_current():
    path = pages.REFERENCE / "rules.md"
    assert path.read_text(encoding="utf-8") == pages.written("rules.md") + pages.rule_reference(), (
        f"{path.name} {STALE}"
    )


def test_the_reference_of_profiles_is_current():
    path = pages.REFERENCE / "profiles.md"
    assert path.read_text(encoding="utf-8") == pages.written("profiles.md") + pages.profiles(), f"{path.name} {STALE}"
    path = pages.REFERENCE / "profile.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == schema(pages.ProfileBody), f"{path.name} {STALE}"


def test_metrics_that_texts_name_exist():
    text = (pages.REFERENCE / "metrics.md").read_text(encoding="utf-8")
    head, _, table = text.partition("## Agent")
    named = re.findall(r"`(fenghuo_\w+_\w+)`", head)
    assert [
        name for name in named if f"`{name}`" not in table and "_host_" not in name and name != "fenghuo_agent"
    ] == []


@pytest.mark.parametrize("side", list(pages.SIDES))
def test_every_option_is_described(side):
    assert undescribed(pages.model_of(side)) == []


def test_every_input_sink_and_feed_has_a_sample():
    for _, _, folders in pages.SIDES.values():
        for folder in folders:
            packages = {path.parent.name for path in (pages.ROOT / folder).glob("*/config.py")}
            assert packages == {path.parent.name for path in (pages.ROOT / folder).glob("*/sample.yaml")}


@pytest.mark.parametrize(("kind", "path"), SAMPLES, ids=[path.parent.name for _, path in SAMPLES])
def test_a_sample_is_valid_and_names_its_own_kind(kind, path, tmp_path):
    side = "agent" if kind == "inputs" else "collector"
    sample = yaml.safe_load(path.read_text())
    assert list(sample) == [path.parent.name.rstrip("_")]
    whole = {
        "site": "bj/haidian/zgc-no1",
        **({"collector": "mqtt://127.0.0.1"} if side == "agent" else {}),
        kind: sample,
    }
    jsonschema.validate(whole, schema(pages.model_of(side)))
    content = yaml.safe_dump(with_secret_files(whole, tmp_path)).encode()
    parse(content, pages.model_of(side), env=Everything(), file=path.name, folder=tmp_path)


class Everything(dict):
    """An environment in which every variable is set."""

    def __missing__(self, name):
        return f"value of {name}"

    def __contains__(self, name):
        return True

    def get(self, name, _default=None):
        return self[name]


def with_secret_files(value, folder):
    """The configuration with each `…_file` pointing to a file that exists."""
    if isinstance(value, list):
        return [with_secret_files(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    result = {}
    for key, item in value.items():
        result[key] = with_secret_files(item, folder)
        if key.endswith("_file"):
            (folder / key).write_text("secret")
            result[key] = key
    return result


def test_an_option_that_does_not_exist_would_be_noticed(tmp_path):
    content = b"site: bj\ncollector: mqtt://127.0.0.1\ninputs: {snmp: {intervall: 5s}}"
    with pytest.raises(Located, match="did you mean 'interval'"):
        parse(content, pages.model_of("agent"), env={}, file="f", folder=tmp_path)
