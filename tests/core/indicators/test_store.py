"""Look-ups against references that are slow and plain."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fenghuo.rules.indicators import Bounds, ListInfo, Type, set_of
from fenghuo.rules.indicators.entry import Entry, read_value
from fenghuo.rules.indicators.store import Full, IndicatorSetBuilder
from fenghuo.rules.indicators.values import address_key, domain_key

SETTINGS = settings(max_examples=150, deadline=None)
LABEL = st.sampled_from(["a", "b", "bad", "xn--x", "a-b", "ab"])
NAME = st.lists(LABEL, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))


@SETTINGS
@given(st.lists(st.tuples(NAME, st.integers(0, 2)), max_size=30), st.lists(NAME, min_size=1, max_size=10))
def test_domains_agree_with_a_search_through_all_of_them(listed, asked):
    lists = [ListInfo(str(number), number + 1, subdomains=number != 1) for number in range(3)]
    content = [[Entry(Type.DOMAIN, name) for name, number in listed if number == each] for each in range(3)]
    found = set_of(zip(lists, content, strict=True))
    for name in asked:
        expected = {}
        for number in range(3):
            suffixes = [n for n, each in listed if each == number and (n == name or (number != 1 and name.endswith(f".{n}")))]  # fmt: skip
            if suffixes:
                expected[number] = max(suffixes, key=len)
        assert {hit.list: hit.indicator for hit in found.domain(name, 0)} == expected


V4 = st.integers(0, 1023).map(lambda number: ipaddress.IPv4Address(0x0A000000 + number))
V6 = st.integers(0, 1023).map(lambda number: ipaddress.IPv6Address((0x20010DB8 << 96) + (number << 57) + number))


def networks(address, lengths):
    return st.tuples(address, lengths).map(lambda pair: ipaddress.ip_network(pair, strict=False))


@pytest.mark.parametrize(
    ("address", "lengths"),
    [(V4, st.integers(20, 32)), (V6, st.integers(48, 128)), (V4, st.sampled_from([1, 2, 31, 32]))],
)
def test_networks_agree_with_a_search_through_all_of_them(address, lengths):
    @SETTINGS
    @given(
        st.lists(st.tuples(networks(address, lengths), st.integers(0, 1)), max_size=30),
        st.lists(address, min_size=1, max_size=15),
    )
    def check(listed, asked):
        content = [[read_value(str(net)) for net, number in listed if number == each] for each in range(2)]
        found = set_of(zip((ListInfo("0"), ListInfo("1", 2)), content, strict=True))
        ends = [net[index] for net, _ in listed for index in (0, -1)]
        for one in [*asked, *ends]:
            expected = {}
            for number in range(2):
                holding = [net for net, each in listed if each == number and one in net]
                if holding:
                    best = max(holding, key=lambda net: net.prefixlen)
                    expected[number] = str(best) if best.prefixlen < best.max_prefixlen else str(one)
            assert {hit.list: hit.indicator for hit in found.address(str(one), 0)} == expected

    check()


def test_the_ends_of_the_whole_range_of_addresses_are_found(make_set):
    found = make_set(feed=["0.0.0.0/1", "255.255.255.0/24", "128.0.0.0/32"])
    assert [bool(found.address(text, 0)) for text in ("0.0.0.0", "127.255.255.255", "128.0.0.0", "128.0.0.1", "255.255.254.255", "255.255.255.255")] == [True, True, True, False, False, True]  # fmt: skip


PART = st.sampled_from(["a", "b", "ab", "%41", "A", ""])
PATH = st.lists(PART, max_size=4).map(lambda parts: "".join(f"/{part}" for part in parts))
URL = st.builds(
    lambda scheme, host, port, path, query: f"{scheme}://{host}{port}{path}{query}",
    st.sampled_from(["http", "HTTPS"]),
    st.sampled_from(["h.example", "H.example.", "g.example"]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    PATH,
    st.sampled_from(["", "?q", "?q=%41"]),
)


def plain_url(text):
    """Scheme, host with port, path and query by another way than the code's."""
    parts = urlsplit(text)
    host = (parts.hostname or "").rstrip(".")
    if parts.port not in (None, {"http": 80, "https": 443}[parts.scheme]):
        host += f":{parts.port}"
    unescape = lambda part: part.replace("%41", "A")  # noqa: E731
    return parts.scheme, host, unescape(parts.path or "/"), unescape(parts.query)


@SETTINGS
@given(st.lists(URL, max_size=20), st.lists(URL, min_size=1, max_size=8), st.booleans())
@example(["http://h.example/a"], ["http://h.example/ab", "http://h.example/a?x", "https://h.example/a/b"], True)
def test_urls_agree_with_a_search_through_all_of_them(listed, asked, is_prefix):
    found = set_of([(ListInfo("feed", url_prefixes=is_prefix), [read_value(url) for url in listed])])

    def matches(entry, url):
        entry, url = plain_url(entry), plain_url(url)
        if not is_prefix or entry[3]:
            return entry == url
        below, path = entry[2].rstrip("/"), url[2].rstrip("/")
        return entry[1] == url[1] and (path == below or path.startswith(below + "/"))

    for url in asked:
        assert bool(found.url(url, 0)) == any(matches(entry, url) for entry in listed), (listed, url)


def test_a_url_without_scheme_in_a_list_means_every_scheme(make_set):
    found = make_set(feed=["bad.example/x"])
    assert [bool(found.url(url, 0)) for url in ("http://bad.example/x", "https://BAD.example/x", "http://bad.example/x/y")] == [True, True, False]  # fmt: skip


def test_a_host_in_a_list_of_url_prefixes_stands_for_all_of_it(make_set):
    found = make_set(feed=({"url_prefixes": True}, ["http://bad.example/"]))
    assert found.url("https://bad.example/any/where?x", 0)
    assert not found.url("https://www.bad.example/", 0)


def test_what_is_on_several_lists_is_told_of_each_the_surest_entry_first(make_set):
    def entry(confidence, text):
        return Entry(Type.DOMAIN, "bad.example", confidence=confidence, text=text)

    found = make_set(one=[entry(10, "first"), entry(70, "second"), entry(None, "third")], two=({"confidence": 40, "id": 2}, [entry(None, "")]))  # fmt: skip
    one, two = found.domain("bad.example", 0)
    assert (one.confidence, one.description, two.confidence, found.lists[two.list].name) == (70, "second", 40, "two")


def test_an_entry_counts_from_its_beginning_until_just_before_its_end(make_set):
    entry = Entry(Type.DOMAIN, "bad.example", since=100, until=200, text="x")
    found = make_set(feed=[entry, Entry(Type.DOMAIN, "example", until=50)])
    assert [len(found.domain("a.bad.example", at)) for at in (49_999, 50_000, 99_999, 100_000, 199_999, 200_000)] == [1, 0, 0, 1, 1, 0]  # fmt: skip
    (hit,) = found.domain("bad.example", 150_000)
    assert (hit.since, hit.until) == (100_000, 200_000)


def test_a_network_that_is_over_leaves_the_wider_one(make_set):
    narrow = Entry(Type.IP, bytes((10, 1, 0, 0)), 16, until=100)
    found = make_set(feed=[read_value("10.0.0.0/8"), narrow])
    assert [found.address("10.1.2.3", at)[0].indicator for at in (0, 100_000)] == ["10.1.0.0/16", "10.0.0.0/8"]


def test_the_innermost_network_is_told_though_a_wider_one_is_surer(make_set):
    wide = Entry(Type.IP, bytes((10, 0, 0, 0)), 8, confidence=90)
    narrow = Entry(Type.IP, bytes((10, 1, 0, 0)), 16, confidence=10)
    assert [hit.indicator for hit in make_set(feed=[wide, narrow]).address("10.1.2.3", 0)] == ["10.1.0.0/16"]


def test_more_than_fit_into_one_chunk_are_all_found(make_set):
    names = [f"n{number}.example" for number in range(70_000)]
    networks = [Entry(Type.IP, (number << 12).to_bytes(4, "big"), 24) for number in range(70_000)]
    found = make_set(feed=[*(Entry(Type.DOMAIN, name) for name in names), *networks])
    assert len(found) == 140_000
    assert all(found.domain(name, 0) for name in names[::7])
    for number in range(0, 70_000, 7):
        address = ipaddress.IPv4Address((number << 12) + 255)
        assert found.address(str(address), 0)
        assert not found.address(str(address + 1), 0)


def test_an_entry_with_a_port_counts_for_that_port_only(make_set):
    found = make_set(feed=["203.0.113.1:4444"])
    assert [bool(found.address("203.0.113.1", 0, port)) for port in (4444, 443, None)] == [True, False, False]


@pytest.mark.parametrize("type_", list(Type))
@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60) | st.sampled_from(["." * 300, "a." * 5000, "[" * 50, "http://" + "a" * 99_999, "::", "//", "\ud800"]))  # fmt: skip
def test_no_observed_text_breaks_a_look_up(type_, text):
    found = set_of([(ListInfo("feed", url_prefixes=True), [read_value("bad.example"), read_value("10.0.0.0/8"), read_value("2001:db8::/32"), read_value("http://bad.example/")])])  # fmt: skip
    hits = found.find(type_, text, 0)
    assert not hits or type_ is not Type.HASH


def test_an_equal_print_alone_is_no_hit(make_set):
    found = make_set(feed=["bad.example"])
    found._domains.prints[0] = (hash("good.example") >> 32) & 0xFFFFFFFF
    assert not found.domain("good.example", 0)


def test_the_set_is_bounded_in_number_in_bytes_and_in_descriptions():
    def fill(bounds, text=""):
        builder = IndicatorSetBuilder(bounds, lambda: None)
        builder.begin(ListInfo("feed"))
        for number in range(1000):
            builder.add(Entry(Type.DOMAIN, f"n{number}.example", text=text and f"{text} {number}"))
        return builder

    with pytest.raises(Full, match="more than 999 indicators"):
        fill(Bounds(indicators=999))
    with pytest.raises(Full, match="MiB"):
        fill(Bounds(value_bytes=10_000))
    builder = fill(Bounds(text_bytes=1000), "x" * 50)
    assert builder.texts_left_out == 1000 - 18
    found = builder.build()
    assert (found.domain("n5.example", 0)[0].description, found.domain("n500.example", 0)[0].description) == (f"{'x' * 50} 5", "")  # fmt: skip


def test_descriptions_that_repeat_are_kept_once(make_set):
    found = make_set(feed=[Entry(Type.DOMAIN, f"n{number}.example", text="the same") for number in range(100)])
    assert found.texts.size < 20


@SETTINGS
@given(st.lists(NAME | V4.map(str), max_size=40), st.sampled_from([0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 64, 65]))
def test_a_list_that_is_taken_over_is_the_same(names, size):
    names = names[:size]
    first = set_of([(ListInfo("other"), []), (ListInfo("feed", 7), [read_value(name) for name in names])])
    builder = IndicatorSetBuilder(Bounds(), lambda: None)
    builder.begin(ListInfo("feed", 7))
    assert builder.adopt(first, 1) == len(names)
    second = builder.build()
    assert len(second) == len(first)
    for name in names:
        find = second.address if address_key(name) else second.domain
        assert find(name, 0)[0].indicator == (name if address_key(name) else domain_key(name))
