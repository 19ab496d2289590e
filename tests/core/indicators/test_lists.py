"""Lists of values from files, as `where` asks them."""

from __future__ import annotations

import ipaddress
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenghuo.errors import Located
from fenghuo.rules import load_rules
from fenghuo.rules.files.lists import Lists
from fenghuo.rules.files.value_list import MAX_WILDCARDS, ListError


@pytest.fixture
def write(tmp_path):
    written = [0]

    def write_(name, content):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        written[0] += 1
        os.utime(file, ns=(written[0] * 10**9, written[0] * 10**9))
        return file

    return write_


@pytest.fixture
def lists(tmp_path):
    return Lists().at(tmp_path)


def test_entries_mean_what_they_look_like(write, lists):
    write(
        "mixed.txt",
        "Printer-1 # in room 3\n10.0.0.0/8\n2001:DB8::1\n.below.example\n*.star.example\nlab-?.example\n#not this\n\n",
    )
    held = lists.get("mixed.txt").contains
    for value in (
        "printer-1",
        "10.1.2.3",
        "2001:db8:0::1",
        "below.example",
        "a.below.example",
        "b.star.example",
        "LAB-3.example",
        "10.0.0.0/8",
    ):
        assert held(value) is (value != "10.0.0.0/8"), value
    for value in ("printer-2", "11.0.0.1", "notbelow.example", "lab-33.example", "not this", ""):
        assert not held(value)


def test_a_declared_type_holds_for_all_entries(write, lists):
    write("domains.txt", "# type: domain\nbad.example\n*.worse.example\n")
    write("values.txt", "# type: value\n*.example\n10.0.0.0/8\n")
    write("addresses.txt", "# Type: IP\n10.0.0.0/8\n")
    domains, values, addresses = (lists.get(f"{name}.txt").contains for name in ("domains", "values", "addresses"))
    assert [domains(name) for name in ("bad.example", "www.bad.example", "a.worse.example", "example")] == [
        True,
        True,
        True,
        False,
    ]
    assert [values(name) for name in ("*.example", "a.example", "10.0.0.0/8", "10.0.0.1")] == [True, False, True, False]
    assert [addresses(name) for name in ("10.0.0.1", "::ffff:10.0.0.1", "11.0.0.1", "x")] == [True, True, False, False]


def test_a_list_is_found_beside_the_rule_or_in_the_common_folder_with_or_without_its_ending(write, tmp_path):
    write("rules/beside.txt", "one\n")
    write("rules/lists/below.txt", "two\n")
    write("common/common.list", "three\n")
    lists = Lists(folder=tmp_path / "common").at(tmp_path / "rules")
    for name, value in (
        ("beside", "one"),
        ("below.txt", "two"),
        ("common", "three"),
        ("../common/common.list", "three"),
    ):
        assert lists.get(name).contains(value)
    assert lists.get("nowhere") is None


def test_a_list_is_read_once_for_all_rules(write, tmp_path):
    write("a/one.txt", "x\n")
    write("b/other.txt", "y\n")
    lists = Lists()
    assert lists.at(tmp_path / "a").get("one") is lists.at(tmp_path / "b").get("../a/one.txt")


def test_what_is_wrong_with_a_list_is_said_at_its_line_and_column(write, lists, tmp_path):
    write("wrong.txt", "# type: ip\n10.0.0.0/8\n  nonsense\n10.0.0.0/33\n")
    with pytest.raises(ListError) as caught:
        lists.get("wrong.txt")
    assert [str(each) for each in caught.value.problems] == [
        f"{tmp_path}/wrong.txt:3:3: 'nonsense': no address",
        f"{tmp_path}/wrong.txt:4:1: '10.0.0.0/33': no network",
    ]
    write("type.txt", "# type: domians\nx\n")
    with pytest.raises(ListError, match="did you mean 'domain'"):
        lists.get("type.txt")
    write("bytes.txt", b"\xff\xfe\n")
    with pytest.raises(ListError, match="no UTF-8"):
        lists.get("bytes.txt")


def test_the_size_of_a_list_is_bounded(write, lists, monkeypatch):
    write("wild.txt", "".join(f"a*{number}\n" for number in range(MAX_WILDCARDS + 1)))
    with pytest.raises(ListError, match="too large"):
        lists.get("wild.txt")
    monkeypatch.setattr("fenghuo.rules.files.value_list.MAX_ENTRIES", 5)
    write("long.txt", "".join(f"a{number}\n" for number in range(10)))
    with pytest.raises(ListError, match="too large") as caught:
        lists.get("long.txt")
    assert len(caught.value.problems) == 1
    monkeypatch.setattr("fenghuo.rules.files.value_list.MAX_TOTAL", 7)
    write("four.txt", "a\nb\nc\nd\n")
    write("three.txt", "a\nb\nc\nd\ne\n")
    first = lists.get("four.txt")
    with pytest.raises(ListError, match="more than 7 entries in all lists"):
        lists.get("three.txt")
    del first
    assert len(lists.get("three.txt")) == 5
    monkeypatch.setattr("fenghuo.rules.files.value_list.MAX_BYTES", 100)
    write("one-line.txt", "x" * 1000)
    with pytest.raises(ListError, match=r"too l(arge|ong)"):
        lists.get("one-line.txt")


def test_a_changed_list_is_taken_up_and_a_broken_one_leaves_the_old_and_is_told_once(write, tmp_path):
    write("a.txt", "# type: ip\n10.0.0.1\n")
    lists = Lists()
    held = lists.at(tmp_path).get("a").contains
    write("a.txt", "# type: ip\n10.0.0.2\n")
    assert lists.refresh() == []
    assert (held("10.0.0.1"), held("10.0.0.2")) == (False, True)
    write("a.txt", "# type: ip\nnonsense\n")
    (problem,) = lists.refresh()
    assert problem.place.line == 2
    assert held("10.0.0.2")
    assert lists.refresh() == []
    (tmp_path / "a.txt").unlink()
    (problem,) = lists.refresh()
    assert "cannot read the list" in problem.message
    assert lists.refresh() == []
    assert held("10.0.0.2")
    write("a.txt", "# type: ip\n10.0.0.3\n")
    assert lists.refresh() == []
    assert (held("10.0.0.2"), held("10.0.0.3")) == (False, True)


ADDRESS = st.integers(0, 255).map(lambda number: ipaddress.ip_address(0x0A000000 + number))
NETWORK = st.tuples(ADDRESS, st.integers(24, 32)).map(lambda pair: ipaddress.ip_network(pair, strict=False))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NETWORK, max_size=10), st.lists(ADDRESS, max_size=10))
def test_networks_of_a_list_agree_with_a_search_through_all_of_them(write, tmp_path, networks, asked):
    write("nets.txt", "\n".join(map(str, networks)) + "\n")
    held = Lists().at(tmp_path).get("nets").contains
    for address in asked:
        assert held(str(address)) == any(address in network for network in networks)


RULE = """title: A rule
id: 00000000-0000-4000-8000-000000000001
name: test.rule
kind: {kind}
dataset: flow
{body}
"""


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("match", "where: {source.ip|list: serverz}", "6:25: where.source.ip|list: there is no list 'serverz'"),
        ("match", "where: {source.ip|list: broken}", "broken.txt:2:1: 'nonsense': no address"),
        ("indicator", "lists: [serverz.txt]", "6:9: lists.0: there is no list 'serverz.txt'"),
        ("indicator", "lists: [{file: servers.txt, formt: csv}]", "formt"),
        ("indicator", "lists: []", "lists"),
        ("indicator", "lists: servers.txt\nfields: {domian: dns.question.name}", "domian"),
        ("indicator", "lists: servers.txt\nmin_confidence: 101", "min_confidence"),
        ("allow", "where: {source.ip: 10.0.0.1}\nallow: [{}]", "7:9: allow.0: it says nothing"),
        ("allow", "where: {source.ip: 10.0.0.1}\nallow: []", "allow"),
        (
            "deny",
            "where: {source.ip: 10.0.0.1}\ndeny: [{destination.ip|cidr: nonsense}]",
            "7:30: deny.0.destination.ip|cidr: 'nonsense'",
        ),
        ("deny", "where: {source.ip: 10.0.0.1}\ndeny: [{destination.ip|list: nowhere}]", "there is no list 'nowhere'"),
    ],
)
def test_what_is_wrong_with_a_rule_about_lists_is_said_where_it_stands(write, kind, body, message):
    write("servers.txt", "10.0.0.0/8\n")
    write("broken.txt", "# type: ip\nnonsense\n")
    file = write("rule.yaml", RULE.format(kind=kind, body=body))
    with pytest.raises(Located) as caught:
        load_rules([file])
    assert message in str(caught.value)


def test_a_rule_that_was_refused_for_want_of_a_list_loads_once_it_is_there(write):
    from fenghuo.rules.files.load import Parses

    file = write("rule.yaml", RULE.format(kind="match", body="where: {source.ip|list: servers}"))
    parses = Parses()
    with pytest.raises(Located):
        load_rules([file], parses=parses)
    write("servers.txt", "10.0.0.0/8\n")
    assert len(load_rules([file], parses=parses).rules) == 1


def test_named_lists_of_the_configuration_are_found_by_name(write, tmp_path):
    from fenghuo.rules.indicators import ListSource

    feed = write("elsewhere/feed.bin", "bad.example\n")
    file = write("rule.yaml", RULE.format(kind="indicator", body="lists: [city-feed]"))
    lists = Lists(named={"city-feed": ListSource(file=str(feed), name="the city's")})
    rules = load_rules([file], lists=lists)
    current = lists.indicators.current
    assert rules.lists is lists
    assert [current.lists[hit.list].name for hit in current.domain("bad.example", 0)] == ["the city's"]
