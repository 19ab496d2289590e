"""What the configuration may say, what it means, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fenghuo.config import parse
from fenghuo.errors import Located
from fenghuo_agent.config import AgentConfig
from fenghuo_agent.inputs.probe import input as source
from fenghuo_agent.inputs.probe.config import ProbeConfig
from fenghuo_agent.inputs.probe.prober import targets

HEAD = "site: bj/haidian/zgc-no1\ncollector: mqtt://127.0.0.1\ninputs:\n"


def agent(text: str) -> AgentConfig:
    body = "".join(f"  {line}\n" for line in text.strip().splitlines())
    return parse((HEAD + body).encode(), AgentConfig, env={}, file="agent.yaml", folder=Path())


def probes(text: str) -> list[tuple[str, str, str]]:
    config = agent(text).inputs.probe
    return [(target.kind, target.instance, target.device) for target in targets(config)]


def wrong(text: str) -> list[str]:
    with pytest.raises(Located) as caught:
        agent(text)
    return [str(problem) for problem in caught.value.problems]


def test_bare_texts_say_what_they_mean():
    assert probes(
        """
        probe:
          - 10.20.0.1
          - gw.school.example
          - fd00::1
          - https://www.school.example
          - http://10.20.0.9:8080/status
          - tcp://10.20.0.5:22
          - dns://10.20.0.53
          - ntp://10.20.0.1
          - rtsp://10.20.8.31/live
          - onvif://10.20.8.31
        """
    ) == [
        ("icmp", "10.20.0.1", "10.20.0.1"),
        ("icmp", "gw.school.example", "gw.school.example"),
        ("icmp", "fd00::1", "fd00::1"),
        ("http", "https://www.school.example/", "www.school.example"),
        ("http", "http://10.20.0.9:8080/status", "10.20.0.9"),
        ("tcp", "10.20.0.5:22", "10.20.0.5"),
        ("dns", "dns://10.20.0.53/?type=NS", "10.20.0.53"),
        ("ntp", "10.20.0.1", "10.20.0.1"),
        ("rtsp", "rtsp://10.20.8.31/live", "10.20.8.31"),
        ("onvif", "http://10.20.8.31/onvif/device_service", "10.20.8.31"),
    ]


def test_addresses_are_one_a_list_or_named_by_device():
    assert probes(
        """
        probe:
          interval: 1m
          targets:
            - icmp: [10.20.0.1, 10.20.0.2]
            - icmp: {core-sw: 10.20.0.3, "lab-sw": "10.20.0.4"}
            - icmp: 10.20.0.5
              device: gw
            - https: [www.a.example, "https://b.example:8443/x"]
            - dns: 10.20.0.53
              query: www.School.example
        """
    ) == [
        ("icmp", "10.20.0.1", "10.20.0.1"),
        ("icmp", "10.20.0.2", "10.20.0.2"),
        ("icmp", "10.20.0.3", "core-sw"),
        ("icmp", "10.20.0.4", "lab-sw"),
        ("icmp", "10.20.0.5", "gw"),
        ("http", "https://www.a.example/", "www.a.example"),
        ("http", "https://b.example:8443/x", "b.example"),
        ("dns", "dns://10.20.0.53/www.school.example?type=A", "10.20.0.53"),
    ]


def test_one_target_alone_needs_no_list():
    assert probes("probe: 10.20.0.1") == [("icmp", "10.20.0.1", "10.20.0.1")]


def test_intervals_and_timeouts_are_the_target_s_or_else_the_section_s():
    config = agent(
        """
        probe:
          interval: 2m
          timeout: 4s
          targets:
            - 10.20.0.1
            - {icmp: 10.20.0.2, interval: 2s}
            - {icmp: 10.20.0.3, timeout: 9s}
        """
    ).inputs.probe
    assert [(target.interval, target.timeout) for target in targets(config)] == [(120, 4), (2, 2), (120, 9)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("probe: [{pign: 10.20.0.1}]", "inputs.probe[0]: expected a target with one of the keys icmp"),
        ("probe: [{icmp: 10.20.0.1, tcp: 10.20.0.1:1}]", "expected a target with one of the keys"),
        (
            "probe: [{icmp: 10.20.0.1, cuont: 3}]",
            "agent.yaml:4:29: inputs.probe[0]: unknown key 'cuont' (did you mean 'count'?",
        ),
        ("probe: [{icmp: 10.20.0.1, count: 0}]", "inputs.probe[0].count: must be at least 1"),
        ("probe: [{icmp: 10.20.0.999}]", "10.20.0.999"),
        ("probe: [{icmp: 10.20.0.1:80}]", "no port belongs here"),
        ("probe: [{icmp: 224.0.0.1}]", "no address of a single host"),
        ("probe: [{icmp: 0.0.0.0}]", "no address of a single host"),
        ("probe: [{tcp: 10.20.0.1}]", "names no port"),
        ("probe: [{tcp: 10.20.0.1:99999}]", "a port is 1 to 65535"),
        ("probe: [{tcp: '10.20.0.1:22', banner: '(a+)+'}]", "a repetition of nothing but a repetition"),
        ("probe: [{https: 'http://a.example'}]", "expected a URL of https://"),
        ("probe: [{http: 'http://u:geheim@a.example/'}]", "leave it out"),
        ("probe: [{http: 'http://a.example/ü'}]", "printable ASCII"),
        (f"probe: [{{http: a.example/{'x' * 500}}}]", "at most 500"),
        ("probe: [{http: a.example, method: HEAD, body: x}]", "HEAD has no body"),
        ("probe: [{http: a.example, username: x}]", "give both or neither"),
        ("probe: [{http: a.example, headers: {Host: x}}]", "set by the probe itself"),
        ('probe: [{http: a.example, headers: {"X": "a\\r\\nB: c"}}]', "no header of HTTP"),
        ("probe: [{dns: 10.20.0.53, type: AXFR}]", "unknown type 'AXFR'"),
        ("probe: [{dns: 10.20.0.53, rcode: [NOPE]}]", "unknown response code 'NOPE'"),
        ("probe: [{dns: 10.20.0.53, answers: [10.20.0.1/8]}]", "has host bits set"),
        ("probe: [{dns: 10.20.0.53, query: a..b}]", "is no name"),
        ("probe: ['ftp://a.example']", "expected an address, or a URL of"),
        ("probe: [{icmp: 10.20.0.1, labels: {job: x}}]", "set by Fenghuo itself"),
        ("probe: [{icmp: 10.20.0.1, labels: {__x: y}}]", "no label name"),
        ("probe: [10.20.0.1, {icmp: 10.20.0.1}]", "icmp target 10.20.0.1 is given twice"),
        ("probe: [{icmp: {a: 10.20.0.1}, device: b}]", "leave out `device`"),
        ("probe: [{icmp: 10.20.0.1, timeout: 50s}]", "`timeout` is longer than its `interval`"),
        ("probe: [{icmp: 10.20.0.1, count: 60}]", "take longer than the timeout"),
        ("probe: [{icmp: 10.20.0.1, interval: 0.5s}]", "must be at least 1s"),
        ("probe: [{icmp: []}]", "must have at least 1 entr"),
        ("probe: 3", "inputs.probe"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text, message):
    found = wrong(text)
    assert len(found) == 1, found
    assert message in found[0]
    assert found[0].startswith("agent.yaml:4:")
    assert "geheim" not in found[0]


def test_a_mistake_deep_in_a_list_is_told_at_its_line():
    found = wrong("probe:\n  targets:\n    - 10.20.0.1\n    - icmp: 10.20.0.2\n      gap: soon\n")
    assert found == [
        "agent.yaml:8:14: inputs.probe.targets[1].gap: expected a duration such as 500ms, 30s, 5m, 1h30m or 7d"
    ]


def test_a_password_never_prints():
    config = ProbeConfig.model_validate({"targets": [{"http": "a.example", "username": "u", "password": "geheim"}]})
    assert "geheim" not in repr(config)
    assert "geheim" not in str(config.model_dump_json())


def test_the_sample_is_valid():
    sample = Path(source.__file__).with_name("sample.yaml").read_text()
    config = agent(sample)
    assert {target.kind for target in targets(config.inputs.probe)} == {
        "icmp",
        "tcp",
        "http",
        "dns",
        "ntp",
        "rtsp",
        "onvif",
    }
    assert len(yaml.safe_load(sample)["probe"]["targets"]) == 9
