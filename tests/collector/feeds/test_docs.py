"""What the documentation shows is what is sent."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from fenghuo.model import AgentId, Alert, AlertState
from fenghuo_collector.feeds.base import Step
from fenghuo_collector.feeds.config import FeedsConfig
from fenghuo_collector.feeds.webhook.encode import document

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "feeds.md"


def test_the_documented_example_is_what_a_webhook_receives():
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    shown = json.loads(example)
    alert = shown["alert"]
    made = Alert(
        fingerprint=alert["fingerprint"],
        rule_id=alert["rule"]["id"],
        rule_name=alert["rule"]["name"],
        title=alert["title"],
        title_zh=alert["title_zh"],
        state=AlertState(alert["state"]),
        level=alert["level"],
        labels=alert["labels"],
        time=1_767_255_600_000,
        starts_at=1_767_254_700_000,
        ends_at=1_767_255_600_000,
        value=alert["value"],
        message=alert["message"],
        message_zh=alert["message_zh"],
        evidence=alert["evidence"],
        culprit=alert["culprit"],
        victim=alert["victim"],
        tags=tuple(alert["tags"]),
        runbook=alert["runbook"],
    )
    step = Step(shown["number"], shown["id"], AgentId.parse(f"{shown['site']}/{shown['agent']}"), made)
    assert document(step, "https://soc.haidian.example.cn") == shown


@pytest.mark.parametrize("kind", ["alertmanager", "webhook"])
def test_each_sample_is_a_valid_configuration(kind, tmp_path):
    sample = yaml.safe_load(files(f"fenghuo_collector.feeds.{kind}").joinpath("sample.yaml").read_text())
    (tmp_path / "webhook-secret").write_text("s")
    config = FeedsConfig.model_validate(sample, context={"folder": tmp_path})
    assert len(getattr(config, kind)) == 1
