"""What a native `where` means, modifier by modifier, and what is said of a wrong one."""

from __future__ import annotations

import datetime as dt

import pytest

from fenghuo.rules.detection import View, WhereError, compile_detection, read_where
from fenghuo.rules.detection.checks import Affix, Equals, Glob
from fenghuo.rules.detection.tree import Some, Test
from fenghuo.rules.detection.where import MODIFIERS

EVENT = {
    "@timestamp": "2026-03-02T22:15:30.123Z",
    "event": {"category": ["network", "Session"], "created": 1_772_489_730_123, "empty": "", "nothing": None},
    "source": {"ip": "10.20.1.7", "port": "51515", "ip6": "fe80::1%eth0", "mapped": "::ffff:10.20.1.7"},
    "destination": {"ip": ["8.8.8.8", "10.0.0.9"], "port": 443},
    "dns": {"question": {"name": "WWW.Example.Top"}, "answers": [{"data": "a.cn"}, {"data": "b.cn"}]},
    "user": {"name": "Zhang", "id": 7.0, "admin": True, "email": "zhang@x.cn", "domain": "X.cn"},
    "path": "C:\\Windows\\Temp\\a*b.exe",
}


def meets(where, **options):
    return compile_detection(read_where(where, **options))(View(EVENT))


class Names:
    def contains(self, value):
        return value.lower() in ("zhang", "10.20.1.7", "7")


class Lists:
    def get(self, name):
        return Names() if name == "staff" else None


@pytest.mark.parametrize(
    ("where", "met"),
    [
        ({}, True),
        ({"user.name": "zhang"}, True),
        ({"user.name": "ZHANG", "destination.port": 443}, True),
        ({"user.name": "zhang", "destination.port": 80}, False),
        ({"user.name": ["li", "zhang"]}, True),
        ({"user.name|cased": "zhang"}, False),
        ({"user.name|cased": "Zhang"}, True),
        ({"user.name|neq": "li"}, True),
        ({"user.name|neq": ["li", "zhang"]}, False),
        ({"user.nick|neq": "li"}, True),
        ({"user.nick": "li"}, False),
        ({"event.category": "session"}, True),
        ({"event.category|neq": "session"}, False),
        ({"event.category|all": ["network", "session"]}, True),
        ({"event.category|all": ["network", "web"]}, False),
        ({"dns.answers.data": "b.cn"}, True),
        # numbers and truth values, as such and as text
        ({"destination.port": "443"}, True),
        ({"destination.port": 443.0}, True),
        ({"source.port": 51515}, True),
        ({"user.id": 7}, True),
        ({"user.id": "7"}, True),
        ({"user.admin": True}, True),
        ({"user.admin": "true"}, True),
        ({"user.admin": 1}, False),
        # wildcards
        ({"dns.question.name": "*.top"}, True),
        ({"dns.question.name": "www.*.top"}, True),
        ({"dns.question.name": "ww?.example.top"}, True),
        ({"dns.question.name": "?.top"}, False),
        ({"dns.question.name": "*"}, True),
        ({"user.nick": "*"}, False),
        ({"path": r"*\a\*b.exe"}, True),
        ({"path": r"C:\Windows\\*"}, True),
        ({"destination.port": "4?3"}, True),
        # parts of texts
        ({"dns.question.name|startswith": "www."}, True),
        ({"dns.question.name|startswith|cased": "www."}, False),
        ({"dns.question.name|endswith": [".cn", ".top"]}, True),
        ({"dns.question.name|contains": "exam"}, True),
        ({"dns.question.name|contains": "ex*le"}, True),
        ({"dns.question.name|contains|all": ["exam", "top"]}, True),
        ({"dns.question.name|contains|all": ["exam", "cn"]}, False),
        ({"dns.question.name|startswith": "w*e"}, True),
        ({"dns.question.name|endswith": "example"}, False),
        ({"destination.port|startswith": "44"}, True),
        # null, empty, exists
        ({"event.nothing": None}, True),
        ({"event.absent": None}, True),
        ({"event.empty": None}, False),
        ({"event.empty": ""}, True),
        ({"event.nothing": ""}, False),
        ({"event.nothing": [None, "x"]}, True),
        ({"event.nothing|neq": None}, False),
        ({"event.nothing|exists": True}, True),
        ({"event.absent|exists": True}, False),
        ({"event.absent|exists": False}, True),
        ({"user.name|exists": "true"}, True),
        # addresses
        ({"source.ip|cidr": "10.0.0.0/8"}, True),
        ({"source.ip|cidr": ["192.168.0.0/16", "10.20.0.0/22"]}, True),
        ({"source.ip|cidr": "10.20.1.7"}, True),
        ({"source.ip|cidr|neq": "10.0.0.0/8"}, False),
        ({"source.ip|cidr": "10.20.0.0/24"}, False),
        ({"source.ip6|cidr": "fe80::/10"}, True),
        ({"source.mapped|cidr": "10.0.0.0/8"}, True),
        ({"source.ip|cidr": "::/0"}, False),
        ({"source.ip|cidr": "::ffff:10.20.0.0/112"}, True),
        ({"source.mapped|cidr": "::ffff:0:0/96"}, True),
        ({"source.ip6|cidr": "::ffff:0:0/96"}, False),
        ({"destination.ip|cidr": "10.0.0.0/8"}, True),
        ({"user.name|cidr": "0.0.0.0/0"}, False),
        ({"destination.port|cidr": "0.0.0.0/0"}, False),
        # order
        ({"destination.port|gte": 443, "destination.port|lte": 443}, True),
        ({"destination.port|gt": 443}, False),
        ({"destination.port|lt": 443.5}, True),
        ({"source.port|gte": 1024}, True),
        ({"source.port|gte": "1024"}, True),
        ({"user.name|gte": 0}, False),
        ({"user.admin|gte": 0}, False),
        # times
        ({"@timestamp|hour": 22}, True),
        ({"@timestamp|hour": [21, 22]}, True),
        ({"@timestamp|hour|gte": 22}, True),
        ({"@timestamp|hour|lt": 22}, False),
        ({"@timestamp|minute": 15, "@timestamp|day": 2, "@timestamp|month": 3, "@timestamp|year": 2026}, True),
        ({"@timestamp|week": 10}, True),
        ({"event.created|year": 2026, "event.created|hour": 22}, True),
        ({"user.name|hour": 0}, False),
        # other fields, lists, expressions
        ({"user.email|fieldref|endswith": "user.domain"}, True),
        ({"user.email|fieldref|endswith|cased": "user.domain"}, False),
        ({"user.email|fieldref": "user.email"}, True),
        ({"user.email|fieldref|neq": "user.domain"}, True),
        ({"user.email|fieldref": "user.nick"}, False),
        ({"user.email|fieldref|startswith": "user.name"}, True),
        ({"user.email|fieldref|contains": ["user.nick", "user.name"]}, True),
        ({"user.name|list": "staff"}, True),
        ({"user.id|list": "staff"}, True),
        ({"user.email|list|neq": "staff"}, True),
        ({"dns.question.name|re": "^WWW"}, True),
        ({"dns.question.name|re": "^www"}, False),
        ({"dns.question.name|re|i": "^www"}, True),
        ({"dns.question.name|re": ["x{3}", "Top$"]}, True),
        ({"dns.question.name|re|i|neq": "^www"}, False),
    ],
)
def test_a_where_means_what_sigma_means(where, met):
    assert meets(where, lists=Lists()) is met


def test_cased_may_be_meant_for_all_keys():
    assert not meets({"user.name": "zhang"}, cased=True)
    assert meets({"user.name": "Zhang"}, cased=True)


def test_dates_are_compared_as_they_are_written():
    assert read_where({"a": dt.date(2026, 3, 2)}) == Test("a", Equals(frozenset({"2026-03-02"})))


def test_a_long_list_is_one_check_of_each_sort():
    node = read_where({"a": ["x", "y", "*.top", "*.cn", "*z*", "q?", "p*", "?r"]})
    assert [part.check for part in node.parts] == [
        Equals(frozenset({"x", "y"})),
        Affix("endswith", (".top", ".cn")),
        Affix("contains", ("z",)),
        Affix("startswith", ("p",)),
        node.parts[4].check,
    ]
    assert isinstance(node, Some)
    assert isinstance(node.parts[4].check, Glob)


@pytest.mark.parametrize(
    ("where", "message", "hint"),
    [
        ({"a|endwith": "x"}, "unknown modifier 'endwith'", "did you mean 'endswith'?"),
        ({"a|Contains": "x"}, "unknown modifier 'Contains'", "did you mean 'contains'?"),
        ({"a|": "x"}, "unknown modifier ''", "allowed: "),
        ({"|re": "x"}, "field's name is missing", ""),
        ({"a": []}, "an empty list", ""),
        ({"a": {"b": 1}}, "expected a text, a number", ""),
        ({"a": [["b"]]}, "expected a text, a number", ""),
        ({"a|all": "x"}, "'all' needs a list", ""),
        ({"a|i": "x"}, "'i' belongs behind 're'", "a|re|i"),
        ({"a|re|contains": "x"}, "'contains' does not go with 're'", ""),
        ({"a|re|cidr": "x"}, "'re' and 'cidr' exclude each other", ""),
        ({"a|startswith|endswith": "x"}, "'startswith' and 'endswith' exclude each other", ""),
        ({"a|gte": "x"}, "expected a number, not 'x'", ""),
        ({"a|gte": True}, "expected a number, not 'True'", ""),
        ({"a|gte": None}, "expected a number, not 'None'", ""),
        ({"a|gte": 10**400}, "too large", ""),
        ({"a|hour": 1.5}, "whole numbers", ""),
        ({"a|hour|contains": 1}, "'contains' does not go with 'hour'", ""),
        ({"a|cidr": "10.0.0.0/33"}, "10.0.0.0/33", ""),
        ({"a|cidr": "x"}, "'x'", ""),
        ({"a|exists": 1}, "true or false", ""),
        ({"a|exists": [True, False]}, "true or false", ""),
        ({"a|fieldref": 1}, "name of another field", ""),
        ({"a|contains": None}, "null has no place", ""),
        ({"a|list": "stuff"}, "no list 'stuff'", ""),
        ({"a|re": "(?=x)"}, "linear time", "RE2"),
    ],
)
def test_a_mistake_names_its_key_and_what_was_meant(where, message, hint):
    with pytest.raises(WhereError) as caught:
        read_where(where, lists=Lists())
    assert message in str(caught.value)
    assert hint in caught.value.hint
    assert caught.value.key == next(iter(where))


def test_every_modifier_is_told():
    assert set(MODIFIERS) >= {
        *("all", "startswith", "endswith", "contains", "exists", "cased", "neq", "re", "i", "m", "s", "cidr"),
        *("lt", "lte", "gt", "gte", "list", "fieldref", "minute", "hour", "day", "week", "month", "year"),
    }
