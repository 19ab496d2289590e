"""When the certificates that a server shows expire.

Only the dates are wanted, of trusted and untrusted certificates alike. The standard library tells them of trusted ones
alone, and a library for the whole of X.509 would cost 8 MB: so the few fields on the way to them are walked (RFC 5280,
section 4.1; DER is ITU-T X.690).
"""

from __future__ import annotations

import calendar
import hashlib
import ssl
from dataclasses import dataclass
from typing import Any, cast

MAX_CHAIN = 16
_SEQUENCE, _INTEGER, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x02, 0xA0, 0x17, 0x18


@dataclass(frozen=True, slots=True)
class Chain:
    """What a server showed: the earliest expiry of all (Unix seconds), and the SHA-256 of its own certificate."""

    earliest: int
    fingerprint: str


def chain_of(session: ssl.SSLObject | ssl.SSLSocket) -> Chain | None:
    """The certificates of a session, whether they are trusted or not; None where the server showed none."""
    own = session.getpeercert(binary_form=True)
    if own is None:
        return None
    dates = [date for der in {own, *_sent(session)} if (date := expiry(der)) is not None]
    return Chain(min(dates), hashlib.sha256(own).hexdigest()) if dates else None


def _sent(session: ssl.SSLObject | ssl.SSLSocket) -> list[bytes]:
    """The whole chain as it was sent. Python tells it publicly from 3.13 on, before that under another name, if at all."""
    source: Any = session if hasattr(session, "get_unverified_chain") else getattr(session, "_sslobj", None)
    ask = getattr(source, "get_unverified_chain", None)
    found = cast("list[Any]", ask() or []) if ask is not None else []
    return [_der(one) for one in found[:MAX_CHAIN]]


def _der(certificate: Any) -> bytes:
    return certificate if isinstance(certificate, bytes) else certificate.public_bytes(2)  # 2: DER


def expiry(der: bytes) -> int | None:
    """`notAfter` of a certificate in Unix seconds; None where it is none."""
    try:
        content = _enter(der, 0, _SEQUENCE)
        at = _enter(der, content, _SEQUENCE)
        if der[at] == _VERSION:
            at = _skip(der, at)
        for _ in range(3):  # serial number, signature algorithm, issuer
            at = _skip(der, at)
        at = _skip(der, _enter(der, at, _SEQUENCE))  # of the validity, notBefore
        kind = der[at]
        start, end = _content(der, at)
        return _seconds(der[start:end].decode("ascii"), kind)
    except (IndexError, ValueError):
        return None


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends."""
    length, start = der[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise ValueError("a length of this form is no DER")
        start += count
        length = int.from_bytes(der[at + 2 : start], "big")
    if start + length > len(der):
        raise ValueError("an element is longer than what holds it")
    return start, start + length


def _skip(der: bytes, at: int) -> int:
    return _content(der, at)[1]


def _enter(der: bytes, at: int, tag: int) -> int:
    if der[at] != tag:
        raise ValueError(f"element {der[at]:#x} where {tag:#x} is due")
    return _content(der, at)[0]


def _seconds(text: str, kind: int) -> int:
    """A time of RFC 5280, 4.1.2.5: YYMMDDHHMMSSZ up to 2049, YYYYMMDDHHMMSSZ from then on."""
    digits = text.removesuffix("Z")
    if kind == _UTC_TIME and len(digits) == 12:
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    elif kind != _GENERALIZED_TIME:
        raise ValueError("no time")
    if len(digits) != 14 or not digits.isdigit():
        raise ValueError("no time")
    year, *rest = int(digits[:4]), *(int(digits[place : place + 2]) for place in range(4, 14, 2))
    return calendar.timegm((year, *rest, 0, 0, 0))
