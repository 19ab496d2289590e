"""Posting to receivers, and judging what they answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import aiohttp
from pydantic import AfterValidator, Field

from fenghuo.clock import Clock
from fenghuo.config import LocalPath, Section
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


class TlsConfig(Section):
    """How a receiver's certificate is checked, and what we show it."""

    ca_file: LocalPath | None = Field(
        default=None, description="File of the certificate authority to trust instead of the system's."
    )
    certificate_file: LocalPath | None = Field(default=None, description="File of our own certificate, for mutual TLS.")
    key_file: LocalPath | None = Field(default=None, description="File of our certificate's private key.")
    verify: bool = Field(
        default=True, description="Whether the receiver's certificate is checked; leave it on outside a laboratory."
    )


def tls_context(config: TlsConfig) -> ssl.SSLContext:
    """What aiohttp wants; `Permanent` where a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.certificate_file:
            context.load_cert_chain(config.certificate_file, config.key_file)
    except (OSError, ssl.SSLError) as error:
        raise Permanent(f"TLS files {_names(config)} cannot be used: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _names(config: TlsConfig) -> str:
    files: list[Path | None] = [config.ca_file, config.certificate_file, config.key_file]
    return ", ".join(str(file) for file in files if file)


class Poster:
    """Posts JSON documents; its connections are kept open. Redirects are not followed: what is signed and secret goes
    nowhere but to the address that was configured. Raises `Permanent` where a TLS file cannot be used.
    """

    def __init__(self, *, seconds: float, tls: TlsConfig, clock: Clock) -> None:
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._tls = tls_context(tls)
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
