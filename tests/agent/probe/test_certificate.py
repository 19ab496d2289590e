"""Expiry dates out of certificates, whole and broken."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from fenghuo_agent.inputs.probe.certificate import expiry

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(until: dt.datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "校园网" * 7)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    builder = builder.serial_number(1).not_valid_before(dt.datetime(1970, 1, 1, tzinfo=dt.UTC))
    return builder.not_valid_after(until).sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("year", [1971, 1999, 2000, 2026, 2049, 2050, 2099, 9999])
def test_the_date_is_read_in_either_form(year):
    until = dt.datetime(year, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert expiry(certificate(until)) == int(until.timestamp())


WHOLE = certificate(dt.datetime(2030, 1, 1, tzinfo=dt.UTC))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_certificate_with_any_byte_changed_is_read_or_not_but_breaks_nothing(place, byte):
    changed = bytearray(WHOLE)
    changed[place] = byte
    assert expiry(bytes(changed)) is None or isinstance(expiry(bytes(changed)), int)


@given(st.binary(max_size=300))
def test_any_bytes_break_nothing(content):
    assert expiry(content) is None or isinstance(expiry(content), int)


def test_a_certificate_that_is_cut_is_none():
    assert all(expiry(WHOLE[:length]) is None for length in range(200))
