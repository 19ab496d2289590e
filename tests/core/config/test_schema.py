from __future__ import annotations

import jsonschema
import pytest
import yaml
from school import School

from fenghuo.config import schema
from fenghuo.config.schema import _sections

SCHEMA = schema(School)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def valid(text: str) -> bool:
    return VALIDATOR.is_valid(yaml.safe_load(text))


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize(
    "text",
    [
        "site: x",
        "{site: x, token: y}",
        "{site: x, token_file: y}",
        "{site: x, port: '${PORT}', enabled: '${E}', cap: '${C}', inputs: {snmp: {interval: '${I}', version: '${V}'}}}",
        "{site: x, cap: 64MiB, inputs: {snmp: {interval: 1h30m, timeout: 5, credentials: [{community_file: c}]}}}",
        "{site: x, inputs: {sensors: [{kind: replay, file: f}]}}",
    ],
)
def test_the_schema_takes_what_the_loader_takes(text):
    assert valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "name: x",
        "{site: x, sitee: y}",
        "{site: x, token: y, token_file: z}",
        "{site: x, port: 70000}",
        "{site: x, cap: 64M}",
        "{site: x, inputs: {snmp: {interval: '1:30'}}}",
        "{site: x, inputs: {snmp: {version: 4}}}",
        "{site: x, inputs: {snmp: {credentials: [{}]}}}",
        "{site: x, inputs: {snmp: {credentials: [{community: a, community_file: b}]}}}",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text):
    assert not valid(text)


def test_every_option_of_the_schema_is_described():
    sections = list(_sections(SCHEMA))
    assert len(sections) > 5
    for section in sections:
        for name, option in section["properties"].items():
            assert option.get("description") or "const" in option, name
