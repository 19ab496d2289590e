"""What an admin may type as a place to look, and what is made of it."""

from __future__ import annotations

import itertools
import random

import pytest

from fenghuo_agent.discovery.subnets import Scope, parse_ports, parse_span, parse_spans
from fenghuo_agent.snmp.access import Target


def swept(*texts: str, exclude: tuple[str, ...] = (), ports: tuple[int, ...] = (161,)) -> list[Target]:
    scope = Scope(parse_spans(texts), parse_spans(exclude), ports)
    return list(scope.sweep(random.Random(5)))


@pytest.mark.parametrize(
    ("text", "first", "last", "count"),
    [
        ("10.20.0.0/22", "10.20.0.1", "10.20.3.254", 1022),
        ("10.20.1.7/22", "10.20.0.1", "10.20.3.254", 1022),
        ("10.20.0.0/31", "10.20.0.0", "10.20.0.1", 2),
        ("10.20.0.4/32", "10.20.0.4", "10.20.0.4", 1),
        ("10.20.0.10-10.20.1.9", "10.20.0.10", "10.20.1.9", 256),
        ("10.20.0.10-19", "10.20.0.10", "10.20.0.19", 10),
        (" udp://10.20.0.5 ", "10.20.0.5", "10.20.0.5", 1),
        ("2001:db8::5", "2001:db8::5", "2001:db8::5", 1),
        ("2001:db8::10-2001:db8::1f", "2001:db8::10", "2001:db8::1f", 16),
        ("127.0.0.0/28", "127.0.0.1", "127.0.0.14", 14),
    ],
)
def test_a_subnet_range_or_address_is_swept_from_first_to_last(text: str, first: str, last: str, count: int):
    span = parse_span(text)
    assert (span.address(span.first), span.address(span.last), span.size) == (first, last, count)
    assert len(swept(text)) == count


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10.20.0.0/33", "expected a subnet"),
        ("10.20.0", "expected a subnet"),
        ("school", "expected a subnet"),
        ("", "expected a subnet"),
        ("10.20.0.9-10.20.0.1", "from a lower to a higher"),
        ("10.20.0.1-2001:db8::1", "one family"),
        ("10.0.0.0/8", "at most 65536 addresses"),
        ("224.0.0.0/24", "no device"),
        ("255.255.255.255", "no device"),
        ("0.0.0.0", "no device"),
        ("2001:db8::-2001:db8::1000", "at most 256"),
        ("10.20.0.1:99999", "expected a port"),
        ("10.20.0.1:20-10", "expected a port"),
        ("10.20.0.1:1-1000", "at most 64 ports"),
    ],
)
def test_what_is_none_is_refused_with_a_reason(text: str, said: str):
    with pytest.raises(ValueError, match=said):
        parse_span(text)


def test_every_address_is_asked_once_in_no_order():
    order = [int(target.host.rpartition(".")[2]) for target in swept("10.20.0.0/24")]
    assert sorted(order) == list(range(1, 255))
    steps = [abs(a - b) for a, b in itertools.pairwise(order)]
    assert sum(step == 1 for step in steps) < 10


def test_overlapping_subnets_are_asked_once():
    hosts = [target.host for target in swept("10.20.0.0/24", "10.20.0.128/25", "10.20.0.7")]
    assert len(hosts) == len(set(hosts)) == 254


def test_what_is_excluded_is_not_asked():
    found = {target.host for target in swept("10.20.0.0/29", exclude=("10.20.0.2-3", "10.20.0.6"))}
    assert found == {"10.20.0.1", "10.20.0.4", "10.20.0.5"}
    scope = Scope(parse_spans(["10.20.0.0/29"]), parse_spans(["10.20.0.6"]))
    assert scope.admits("10.20.0.6") is None
    assert scope.admits("10.20.0.5") is not None
    assert scope.admits("10.20.1.5") is None
    assert scope.admits("no address") is None


def test_an_ipv6_subnet_is_never_swept_but_admits_its_neighbours():
    scope = Scope(parse_spans(["2001:db8:20::/64", "fe80::/10"]))
    assert scope.size == 0
    assert list(scope.sweep(random.Random(1))) == []
    assert scope.targets_at("2001:db8:20::abcd") == [Target("2001:db8:20::abcd", 161)]
    assert scope.targets_at("fe80::1%eth0") == [Target("fe80::1%eth0", 161)]
    assert scope.targets_at("2001:db8:21::1") == []


def test_ports_stand_behind_an_address_or_hold_for_all():
    assert set(swept("127.0.0.1:16100-16102")) == {Target("127.0.0.1", port) for port in (16100, 16101, 16102)}
    assert swept("[2001:db8::1]:1161") == [Target("2001:db8::1", 1161)]
    assert set(swept("10.0.0.1", "10.0.0.2:99", ports=(161, 1161))) == {
        Target("10.0.0.1", 161), Target("10.0.0.1", 1161), Target("10.0.0.2", 99),
    }  # fmt: skip
    assert parse_ports("16100-16110") == tuple(range(16100, 16111))


def test_all_together_must_not_be_too_many():
    with pytest.raises(ValueError, match="at most 65536"):
        Scope(parse_spans(["10.0.0.0/16", "10.1.0.0/16"]))
    with pytest.raises(ValueError, match="at most 65536"):
        Scope(parse_spans(["10.0.0.0/18"]), ports=tuple(range(161, 171)))
