"""Signatures of webhook requests: `X-Fenghuo-Signature: t=<Unix seconds>,v1=<hex>`.

`v1` is the HMAC-SHA256, with the shared secret as key, of the time, a full stop and the body's bytes. The time is
signed with the body so that a request overheard cannot be replayed later. Receivers written in Python may take this
file as it is: it needs the standard library only.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Fenghuo-Signature"


def sign(secret: str, body: bytes, now: int) -> str:
    """The header's value for a body sent at `now` (Unix seconds)."""
    return f"t={now},v1={_digest(secret, str(now), body)}"


def verify(secret: str, header: str, body: bytes, now: float, tolerance: float = 300.0) -> bool:
    """Whether the header signs this body with this secret, at most `tolerance` seconds from `now` (Unix seconds).

    Several `v1` may stand in the header (while a secret is exchanged): one that fits is enough.
    """
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for key, _, value in parts if key == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 15:
        return False
    if abs(now - int(times[0])) > tolerance:
        return False
    expected = _digest(secret, times[0], body).encode()
    given = [value.encode() for key, _, value in parts if key == "v1"]
    return any(hmac.compare_digest(expected, value) for value in given)


def _digest(secret: str, time: str, body: bytes) -> str:
    return hmac.new(secret.encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest()
