"""Posting to receivers, and judging what they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
from pydantic import AfterValidator

from fenghuo.clock import Clock
from fenghuo.config import Tls
from fenghuo.errors import Permanent, Retryable

MAX_RETRY_AFTER = 3600.0
"""Seconds: a receiver that asks for a longer pause is asked again after this one."""
_MAX_ANSWER = 16_384
_SHOWN = 200
_AGAIN = frozenset({408, 425, 429})


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an address such as https://receiver.example.org/path")
    if parts.username or parts.password:
        raise ValueError("a password does not belong into an address, which is logged: give it as a header")
    return text


WebAddress = Annotated[str, AfterValidator(_web_address)]
"""An http or https URL without credentials in it."""


class Poster:
    """Posts JSON documents; its connections are kept open. Redirects are not followed: what is signed and secret goes
    nowhere but to the address that was configured. Raises `Permanent` where a TLS file cannot be used.
    """

    def __init__(self, *, seconds: float, tls: Tls, clock: Clock) -> None:
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._tls = tls.context()
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Returns when the receiver has taken it (2xx). Raises `Retryable` or `Permanent`."""
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=8)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        whole = {"Content-Type": "application/json", "User-Agent": "fenghuo", **headers}
        try:
            async with self._session.post(url, data=body, headers=whole, allow_redirects=False) as answer:
                text = (await answer.content.read(_MAX_ANSWER)).decode(errors="replace")
                judge(url, answer.status, answer.headers, text, self._clock.now())
        except TimeoutError as error:
            raise Retryable(f"{url} did not answer within {self._timeout.total:g} s") from error
        except aiohttp.InvalidURL as error:
            raise Permanent(f"{url} is no address") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Retryable(f"{url}: {str(error) or type(error).__name__}") from error
        except ValueError as error:
            raise Permanent(f"{url} cannot be posted to: {error}") from error

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
            # TLS connections end in the loop's next rounds (aiohttp's documentation, "Graceful shutdown").
            await asyncio.sleep(0)


def judge(url: str, status: int, headers: Mapping[str, str], text: str, now: int) -> None:
    """Return for 2xx; raise what any other answer means."""
    if 200 <= status < 300:
        return
    said = " ".join(text.split())[:_SHOWN]
    message = f"{url} answered {status}" + (f": {said}" if said else "")
    if status >= 500 or status in _AGAIN:
        raise Retryable(message, retry_after=retry_after(headers.get("Retry-After"), now))
    if 300 <= status < 400:
        target = headers.get("Location", "elsewhere")[:_SHOWN]
        raise Permanent(
            f"{url} answered {status}, a redirect to {target}; redirects are not followed, configure that address"
        )
    raise Permanent(message)


def retry_after(value: str | None, now: int) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3); None where it says nothing."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value[:10])
    else:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now / 1000
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)
