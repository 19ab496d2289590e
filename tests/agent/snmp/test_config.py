"""The section of the configuration: what it takes, what it refuses, and that it keeps its secrets."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml
from pydantic import ValidationError

from fenghuo_agent.inputs.snmp import SnmpConfig
from fenghuo_agent.snmp.access import Target, parse_address

ONE = {"community": "public"}


def test_the_sample_is_valid():
    sample = yaml.safe_load(files("fenghuo_agent.inputs.snmp").joinpath("sample.yaml").read_text())
    config = SnmpConfig.model_validate(sample["snmp"])
    assert [device.target.host for device in config.devices] == ["10.20.0.1", "10.20.0.2", "2001:db8::1"]
    assert config.credentials_of(config.devices[1])[0].protocol == "3"


@pytest.mark.parametrize(
    ("text", "target", "instance"),
    [
        ("10.0.0.1", Target("10.0.0.1", 161), "10.0.0.1"),
        ("udp://10.0.0.1:161", Target("10.0.0.1", 161), "10.0.0.1"),
        ("10.0.0.1:1161", Target("10.0.0.1", 1161), "10.0.0.1:1161"),
        ("[2001:DB8::1]", Target("2001:db8::1", 161), "2001:db8::1"),
        ("udp://[::1]:1161", Target("::1", 1161), "[::1]:1161"),
        ("fe80::1%eth0", Target("fe80::1%eth0", 161), "fe80::1%eth0"),
    ],
)
def test_an_address_is_read(text, target, instance):
    assert parse_address(text) == target
    assert parse_address(text).instance == instance


@pytest.mark.parametrize(
    "text", ["", "switch", "10.0.0", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:70000", "tcp://10.0.0.1", "[::1"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r"expected an IP address|a port is"):
        parse_address(text)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"devices": [{"address": "10.0.0.1"}]}, "at least one credential"),
        ({"devices": [{"address": "10.0.0.1"}, {"address": "10.0.0.1:161"}], "credentials": [ONE]}, "given twice"),
        ({"devices": [{"address": "10.0.0.1", "credential": "x"}], "credentials": [ONE]}, "no credential named 'x'"),
        ({"credentials": [{}]}, "either a community or a user"),
        ({"credentials": [{"community": "a", "user": "b"}]}, "either a community or a user"),
        ({"credentials": [{"community": "a", "version": "3"}]}, "goes with a user"),
        ({"credentials": [{"user": "a", "priv": {"des": "long enough"}}]}, "priv needs auth"),
        ({"credentials": [{"user": "a", "auth": {"sha256": "short"}}]}, "at least 8"),
        ({"credentials": [{"user": "a", "auth": {"sha256": "long enough", "md5": "long enough"}}]}, "exactly one"),
        ({"credentials": [{"user": "a", "auth": {"sha3": "long enough"}}]}, "sha3"),
        ({"credentials": [ONE], "devices": [{"address": "10.0.0.1", "labels": {"job": "x"}}]}, "set by Fenghuo itself"),
        ({"credentials": [ONE], "devices": [{"address": "10.0.0.1", "labels": {"a-b": "x"}}]}, "no label name"),
        ({"credentials": [{**ONE, "name": "a"}, {**ONE, "name": "a"}]}, "same name"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(section, message):
    with pytest.raises(ValidationError, match=message):
        SnmpConfig.model_validate(section)


def test_secrets_never_show():
    config = SnmpConfig.model_validate(
        {
            "credentials": [
                {"community": "hush-hush"},
                {"user": "a", "auth": {"sha256": "hush-hush"}, "priv": {"aes128": "hush-hush"}},
            ]
        }
    )
    for text in (repr(config), str(config), config.model_dump_json(), str(config.model_dump())):
        assert "hush" not in text


def test_every_option_is_described():
    def check(schema: dict) -> None:
        for definition in (schema, *schema.get("$defs", {}).values()):
            for name, field in definition.get("properties", {}).items():
                assert field.get("description"), name

    check(SnmpConfig.model_json_schema())
