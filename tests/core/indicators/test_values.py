"""Texts that mean the same become one key."""

from __future__ import annotations

import pytest

from fenghuo.rules.indicators.entry import Unfit, read_confidence, read_time, read_value
from fenghuo.rules.indicators.values import address_key, domain_key, network_key, refang, url_key, url_parents


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("hxxp://bad[.]example/x", "http://bad.example/x"),
        ("hXXps[:]//bad(.)example", "https://bad.example"),
        ("hxxps[://]bad.example/a", "https://bad.example/a"),
        ("bad[dot]example", "bad.example"),
        ("1.2.3[.]4", "1.2.3.4"),
        ("bad{.}example", "bad.example"),
        ("http://good.example/a(b)", "http://good.example/a(b)"),
        ("http://[2001:db8::1]/x", "http://[2001:db8::1]/x"),
        ("hxx.example", "hxx.example"),
    ],
)
def test_defanged_texts_are_read_as_they_were_meant(text, meant):
    assert refang(text) == meant


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("WWW.Bad.Example.", "www.bad.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.bad.example", "_dmarc.bad.example"),
        ("1.2.3.4", None),
        ("bad..example", None),
        ("-" * 64 + ".example", None),
        ("a." * 127 + "example", None),
        ("bad example", None),
        ("", None),
        ("..", None),
        ("é" * 300, None),
    ],
)
def test_a_domain_has_one_form(text, key):
    assert domain_key(text) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("HTTP://Bad.Example:80", "http://bad.example/"),
        ("https://bad.example:443/a?b#c", "https://bad.example/a?b"),
        ("https://bad.example:80/", "https://bad.example:80/"),
        ("http://user:secret@bad.example./%7euser/%2f", "http://bad.example/~user/%2F"),
        ("bad.example/x", "bad.example/x"),
        ("http://[2001:DB8:0::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("/only/a/path", None),
        ("http://", None),
        ("http://bad.example:port/", None),
        ("javascript:alert(1)", None),
    ],
)
def test_a_url_has_one_form(text, key):
    assert url_key(text) == key


def test_an_address_has_one_form_and_a_mapped_one_is_the_ipv4_address():
    assert address_key("2001:DB8::0:1") == address_key("2001:db8::1")
    assert address_key("::ffff:10.0.0.1") == address_key("10.0.0.1") == bytes((10, 0, 0, 1))
    for text in ("010.0.0.1", "10.0.0", "10.0.0.1 ", "10.0.0.1\0", "fe80::1%eth0", "", "x" * 10_000):
        assert address_key(text) is None


def test_a_network_is_its_first_address_and_length_however_it_is_written():
    assert network_key("10.1.2.3/8") == (bytes((10, 0, 0, 0)), 8)
    assert network_key("10.1.2.3/255.0.0.0") == (bytes((10, 0, 0, 0)), 8)
    for text in ("10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "2001:db8::/129", "10.0.0.0/²", "10.0.0.0/99999999999"):
        assert network_key(text) is None


def test_the_folders_above_a_url_end_at_the_host_and_are_bounded():
    assert url_parents("http://h.example/a/b/?q") == ["h.example/a/b", "h.example/a", "h.example"]
    assert url_parents("h.example/") == ["h.example"]
    parents = url_parents("http://h.example" + "/x" * 1000)
    assert len(parents) == 33
    assert parents[-1] == "h.example"


@pytest.mark.parametrize("text", ["", "0.0.0.0/0", "::/0", "word", "x" * 3000, "1.2.3.4:99999", "ab" * 15, "a b"])
def test_what_is_no_indicator_is_refused_with_a_reason(text):
    with pytest.raises(Unfit):
        read_value(text)


def test_times_are_read_as_feeds_write_them():
    for text in ("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01 00:00:00 UTC", "1767225600", 1767225600000):
        assert read_time(text) == 1_767_225_600
    assert read_time("") is read_time("null") is None
    for text in ("soon", "9" * 400, "2026-13-01"):
        with pytest.raises(Unfit):
            read_time(text)


def test_confidence_is_a_number_or_a_word():
    assert [read_confidence(text) for text in ("80", "80%", 80.0, "High", "")] == [80, 80, 80, 85, None]
    for text in ("101", "-1", "nan", "sure"):
        with pytest.raises(Unfit):
            read_confidence(text)
