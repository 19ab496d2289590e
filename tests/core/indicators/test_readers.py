"""Files as feeds write them: what is used, what is refused and why, and never more memory than one entry needs."""

from __future__ import annotations

import json
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fenghuo.rules.indicators import ListSource
from fenghuo.rules.indicators.entry import MAX_EXAMPLES, MAX_REASONS, Refused, Unfit, Unreadable
from fenghuo.rules.indicators.readers import read_entries
from fenghuo.rules.indicators.readers.stix_pattern import NotAList, read_pattern

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def test_a_plain_list_holds_every_type_with_comments_and_defanged(read):
    found = read(f"# a feed\n\nhxxp://bad[.]example/x\n 203.0.113[.]4 # seen today\n198.51.100.0/24 ; SBL1\n{MD5}\n*.wild.example\n2001:db8::/32\n203.0.113.9:4444\n")  # fmt: skip
    assert found.values == [
        ("url", "http://bad.example/x"),
        ("ip", "203.0.113.4"),
        ("ip", "198.51.100.0/24"),
        ("hash", MD5),
        ("domain", "wild.example"),
        ("ip", "2001:db8::/32"),
        ("ip", "203.0.113.9:4444"),
    ]
    assert [entry.text for entry in found.entries[1:3]] == ["seen today", "SBL1"]
    assert not found.refused.total


def test_a_hosts_file_gives_its_names_but_not_those_of_the_machine_itself(read):
    found = read("127.0.0.1 localhost\n0.0.0.0 ads.example tracker.example # both\n::1 ip6-localhost\n:: bad.example\n")
    assert [value for _, value in found.values] == ["ads.example", "tracker.example", "bad.example"]


def test_an_ad_blockers_list_gives_its_domain_rules_only(read):
    found = read("[Adblock Plus 2.0]\n! title\n||ads.example^\n||tracker.example^$third-party\n@@||good.example^\n||cdn.example/ads/*\nnews.example##.banner\n||shop.example^$domain=other.example\n")  # fmt: skip
    assert [value for _, value in found.values] == ["ads.example", "tracker.example"]
    assert found.refused.total == 4


def test_bad_lines_are_counted_by_reason_located_and_the_rest_is_used(read):
    lines = ["good.example", "not a domain", "word", b"\xff\xfe", "x" * 20_000, "also.good.example"]
    found = read(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    assert [value for _, value in found.values] == ["good.example", "also.good.example"]
    assert found.reasons == {"more than one word": 1, "no domain": 1, "no UTF-8": 1, "line too long": 1}
    assert {example.line for kept in found.refused.examples.values() for example in kept} == {2, 3, 4, 5}


def test_what_is_remembered_of_refusals_is_bounded():
    refused = Refused()
    for number in range(1000):
        refused.add(f"reason {number}", number, "x" * 10_000 + "\n")
        refused.add("the same", number)
    assert refused.total == 2000
    assert len(refused.counts) <= MAX_REASONS + 1
    assert all(len(kept) <= MAX_EXAMPLES for kept in refused.examples.values())
    assert all(len(each.text) <= 100 for kept in refused.examples.values() for each in kept)


def test_a_range_of_addresses_is_the_networks_that_make_it_up(read):
    found = read(
        "203.0.113.5-203.0.113.8 # a range\n203.0.113.9 - 203.0.113.9\n203.0.113.9-203.0.113.1\n1.2.3-4\n0.0.0.0-255.255.255.255\n"
    )
    assert [value for _, value in found.values] == ["203.0.113.5", "203.0.113.6/31", "203.0.113.8", "203.0.113.9"]
    assert found.entries[0].text == "a range"
    assert found.reasons == {"no range of addresses": 2, "a network of everything": 1}


def test_a_list_of_one_type_refuses_what_other_lines_mean(read):
    assert read("0.0.0.0 ads.example\n||ads.example^\n", type="ip").reasons == {"of another type than the list": 2}


def test_a_list_of_one_type_refuses_the_others(read):
    found = read("bad.example\n203.0.113.4\n", type="ip")
    assert (found.values, found.reasons) == ([("ip", "203.0.113.4")], {"no address": 1})


def test_a_table_is_read_by_the_names_of_its_columns(read):
    found = read(
        "type,indicator,confidence,valid_from,valid_until,description\n"
        'domain,bad.example,80,2026-01-01,2026-02-01,"a, b"\n'
        "email,x@bad.example,80,,,\n"
        "ip,not-an-ip,,,,\n"
        "sha256,short,,,,\n"
        "url,http://bad.example/,900,,,\n",
        "feed.csv",
    )
    (entry,) = found.entries
    assert (entry.key, entry.confidence, entry.since, entry.until, entry.text) == (
        "bad.example", 80, 1_767_225_600, 1_769_904_000, "a, b",
    )  # fmt: skip
    assert found.reasons == {"a type that is not looked up": 1, "no address": 1, "no hash": 1, "no confidence": 1}


def test_a_table_may_have_other_names_other_signs_and_its_header_in_a_comment(read):
    found = read('# made by somebody\n#\n# "first_seen";"ioc";"sort"\n"2026";"bad.example:80";"x"\n"2026";"1.2.3.4:80";"ip:port"\n', "feed.csv", columns={"type": "sort"})  # fmt: skip
    assert (found.values, found.reasons) == ([("ip", "1.2.3.4:80")], {"a type that is not looked up": 1})
    found = read("HOST\tweight\nbad.example\t3\n", "feed.tsv", columns={"value": "host", "confidence": "weight"})
    assert found.values == [("domain", "bad.example")]
    assert found.entries[0].confidence == 3


def test_a_table_without_a_column_of_indicators_says_so(read):
    assert read("a,b\nc,d\n", "feed.csv").reasons == {"no column of indicators": 1}
    assert read("", "feed.csv").values == []


def indicator(pattern, **more):
    return {"type": "indicator", "pattern_type": "stix", "pattern": pattern, **more}


def bundle(*objects):
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": list(objects)})


def test_a_bundle_gives_the_values_of_its_indicators(read):
    found = read(
        bundle(
            {"type": "malware", "name": "x"},
            indicator(
                "[domain-name:value = 'bad.example' OR ipv4-addr:value IN ('203.0.113.1', '203.0.113.2')]",
                name="a botnet",
                indicator_types=["malicious-activity"],
                confidence=70,
                valid_from="2026-01-01T00:00:00Z",
                valid_until="2026-02-01T00:00:00Z",
            ),
            indicator(f"[file:hashes.MD5 = '{MD5}' OR file:hashes.'SHA-256' = '{'ab' * 32}']"),
            indicator("[ipv6-addr:value ISSUBSET '2001:db8::/32'] OR [url:value = 'http://bad.example/it\\'s']"),
        ),
        "feed.json",
    )
    assert [value for _, value in found.values] == [
        "bad.example", "203.0.113.1", "203.0.113.2", MD5, "ab" * 32, "2001:db8::/32", "http://bad.example/it's",
    ]  # fmt: skip
    first = found.entries[0]
    assert (first.confidence, first.since, first.until) == (70, 1_767_225_600, 1_769_904_000)
    assert first.text == "a botnet, malicious-activity"


def test_what_a_bundle_says_beyond_lists_of_values_is_counted_with_its_reason(read):
    found = read(
        bundle(
            indicator("[domain-name:value = 'a.example' AND ipv4-addr:value = '203.0.113.1']"),
            indicator("[domain-name:value = 'a.example'] FOLLOWEDBY [domain-name:value = 'b.example']"),
            indicator("[url:value LIKE 'http://%']"),
            indicator("[url:value MATCHES '^x']"),
            indicator("[domain-name:value != 'a.example']"),
            indicator("[domain-name:value = 'a.example'] WITHIN 5 SECONDS"),
            indicator("[email-addr:value = 'x@bad.example']"),
            indicator("nonsense"),
            indicator("[domain-name:value = 'a.example']", revoked=True),
            {**indicator("rule x {}"), "pattern_type": "yara"},
            indicator("[domain-name:value = 'good.example' OR email-addr:value = 'x']"),
        ),
        "feed.json",
    )
    assert found.values == [("domain", "good.example")]
    assert found.reasons == {
        "pattern with AND": 1,
        "pattern with FOLLOWEDBY": 1,
        "pattern with LIKE": 1,
        "pattern with MATCHES": 1,
        "pattern with an order": 1,
        "pattern with a qualifier of time": 1,
        "pattern about email-addr:value": 2,
        "pattern not readable": 1,
        "revoked": 1,
        "pattern of type yara": 1,
    }


@pytest.mark.parametrize(
    "pattern",
    [
        "", "[", "[]", "[domain-name:value]", "[domain-name:value =]", "[domain-name:value = 'x'", "domain-name:value = 'x'",
        "[domain-name:value = 'x']]", "[domain-name:value = 'x' OR]", "[domain-name:value = 'x'] [url:value = 'y']",
        "[[domain-name:value = 'x']]", "[domain-name:value IN ('x' 'y'", "[domain-name:value IN ]", "[domain-name:value = 'x]",
        "[" * 5000, "(" * 5000, "[a:b = 'x' OR " * 2000, "[domain-name:value = 'x' ' ']", "([a:b = 'x'] OR",
    ],
)  # fmt: skip
def test_a_pattern_that_is_none_is_refused(pattern):
    with pytest.raises(NotAList):
        read_pattern(pattern)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="[]()='a:b OR,\\N", max_size=40))
def test_no_pattern_breaks_its_reader(pattern):
    try:
        found = read_pattern(pattern)
    except NotAList:
        return
    assert found


def attribute(type_, value, **more):
    return {"type": type_, "value": value, "to_ids": True, **more}


def test_misp_events_searches_and_objects_give_their_attributes(read):
    event = {
        "info": "a campaign",
        "Attribute": [
            attribute("domain", "bad.example", comment="c2", Tag=[{"name": "tlp:clear"}], first_seen="2026-01-01T00:00:00Z"),
            attribute("ip-dst|port", "203.0.113.1|443"),
            attribute("ip-dst|port", "2001:db8::1|443"),
            attribute("domain|ip", "two.example|203.0.113.2"),
            attribute("filename|md5", f"a.exe|{MD5}"),
            attribute("hostname|port", "host.example|80"),
        ],
        "Object": [{"name": "url", "Attribute": [attribute("url", "http://bad.example/x")]}],
        "ShadowAttribute": [attribute("domain", "proposed.example")],
    }  # fmt: skip
    expected = ["bad.example", "203.0.113.1:443", "2001:db8::1:443", "two.example", "203.0.113.2", MD5, "host.example", "http://bad.example/x"]  # fmt: skip
    for document in ({"Event": event}, {"response": [{"Event": event}]}, [{"Event": event}]):
        found = read(json.dumps(document), "feed.json")
        assert [value for _, value in found.values] == expected
    assert found.entries[0].text == "c2, tlp:clear"
    assert found.entries[0].since == 1_767_225_600
    assert read(json.dumps({"response": {"Attribute": [attribute("domain", "x.example")]}}), "a.json").values


def test_misp_attributes_that_are_not_for_detection_are_counted(read):
    attributes = [
        attribute("domain", "context.example", to_ids=False),
        attribute("comment", "text"),
        attribute("ip-src", "nonsense"),
        attribute("domain", "gone.example", deleted=True),
    ]
    found = read(json.dumps({"Event": {"Attribute": attributes}}), "feed.json")
    assert found.values == []
    assert found.reasons == {
        "not meant for detection (to_ids)": 1,
        "a type that is not looked up": 1,
        "no address": 1,
        "deleted": 1,
    }


@pytest.mark.parametrize(
    "content",
    ['{"objects": [{"type": "indicator"', '{"objects": [nonsense', "\x00", '{"objects": [' + "[" * 100_000, '{"objects": [{"a": 1' + "0" * 5000 + "e999999}]}"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["stix", "misp"])
def test_broken_json_is_told_as_such(content, form):
    import io

    refused = Refused()
    try:
        list(read_entries(io.BytesIO(content.encode()), ListSource(file="x.json", format=form), refused))
    except Unreadable as error:
        assert "JSON" in str(error)


def test_an_object_larger_than_a_bound_is_refused_before_it_fills_the_memory():
    class Endless:
        def __init__(self):
            self.first = b'{"objects": [{"type": "'

        def read(self, size):
            first, self.first = self.first, b""
            return first or b"x" * size

    tracemalloc.start()
    with pytest.raises(Unreadable, match="more than 8 MiB"):
        list(read_entries(Endless(), ListSource(file="x.json", format="stix"), Refused()))
    assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("form", ["stix", "misp"])
def test_the_bound_is_for_one_object_not_for_all(read, form, monkeypatch):
    monkeypatch.setattr("fenghuo.rules.indicators.readers.json.MAX_OBJECT", 100_000)
    names = [f"n{number}.example" for number in range(5000)]
    content = {
        "stix": bundle(*(indicator(f"[domain-name:value = '{name}']") for name in names)),
        "misp": json.dumps({"Event": {"Attribute": [attribute("domain", name) for name in names]}}),
    }[form]
    assert len(content) > 200_000
    assert len(read(content, "feed.json").values) == 5000


@pytest.mark.parametrize("form", ["plain", "csv", "stix", "misp"])
def test_a_large_file_is_read_in_little_memory(form, tmp_path):
    chance = random.Random(1)
    names = [f"{chance.randbytes(6).hex()}.example" for _ in range(20_000)]
    contents = {
        "plain": "\n".join(names),
        "csv": "value\n" + "\n".join(names),
        "stix": bundle(*(indicator(f"[domain-name:value = '{name}']") for name in names)),
        "misp": json.dumps({"Event": {"Attribute": [attribute("domain", name) for name in names]}}),
    }
    file = tmp_path / "feed"
    file.write_text(contents[form])
    source = ListSource(file=str(file), format=form)
    with file.open("rb") as stream:
        next(read_entries(stream, source, Refused()))
    with file.open("rb") as stream:
        tracemalloc.start()
        count = sum(1 for _ in read_entries(stream, source, Refused()))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert count == len(names)
    assert peak < 500_000


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["auto", "plain", "csv", "stix", "misp"]))
def test_no_content_breaks_a_reader(content, form):
    import io

    try:
        list(read_entries(io.BytesIO(content), ListSource(file="x", format=form), Refused()))
    except (Unreadable, Unfit) as error:
        assert not isinstance(error, Unfit)
