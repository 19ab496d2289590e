"""One remote-write request and what its answer means."""

from __future__ import annotations

import base64
import email.utils
import logging
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import aiohttp
import cramjam

from fenghuo.clock import Clock
from fenghuo.errors import Retryable
from fenghuo_collector.sinks.prometheus.config import PrometheusConfig
from fenghuo_collector.sinks.trouble import Trouble

_log = logging.getLogger(__name__)

_TIME_REASONS = {
    "duplicate sample": "duplicate",
    "same timestamp": "duplicate",
    "too old": "too_old",
    "out of bounds": "out_of_bounds",
    "out-of-order": "out_of_order",
    "out of order": "out_of_order",
}
_SPLIT = frozenset({400, 413, 422})
"""Answers that blame what the request holds."""
_OPERATOR = frozenset({401, 403, 404, 405, 407, 415})
"""Answers that blame our configuration or the server's: an operator can mend it, so nothing is given up."""


class Refused(Exception):  # noqa: N818 — an answer, not a failure of ours
    """The server will not take a sample of this request. `reason` is a metric label, `text` the server's words."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text

    @property
    def about_time(self) -> bool:
        """Whether all series of a table share the fault."""
        return self.reason in _TIME_REASONS.values()


class Remote:
    """The receiver: keeps connections alive, sends compressed bodies."""

    def __init__(self, config: PrometheusConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._trouble = Trouble(f"remote write to {config.url}", _log)

    async def start(self) -> None:
        config = self._config
        tls = config.tls.context() if config.url.startswith("https:") else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=config.connections, ssl=tls, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=config.timeout),
            headers=_headers(config),
            auto_decompress=True,
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, body: bytes) -> None:
        """Send one WriteRequest; return when it is stored. Raises `Refused` or `Retryable`."""
        if self._session is None:
            raise Retryable("the Prometheus sink is not started")
        compressed = bytes(cramjam.snappy.compress_raw(body))
        try:
            async with self._session.post(self._config.url, data=compressed, allow_redirects=False) as answer:
                text = (await answer.content.read(2048)).decode("utf-8", "replace").strip()
                status, headers = answer.status, answer.headers
        except TimeoutError:
            raise self._trouble.retry(f"no answer within {self._config.timeout:g} s") from None
        except aiohttp.ClientError as error:
            raise self._trouble.retry(str(error) or type(error).__name__) from None
        if 200 <= status < 300:
            self._trouble.mended()
            return
        self._judge(status, text, headers)

    async def check(self) -> None:
        """Send a request of no samples. `Retryable` where even that is refused: then the samples were not to blame."""
        try:
            await self.send(b"")
        except Refused as answer:
            raise self._trouble.retry(f"it refuses even an empty request ({answer.text})", operator=True) from None

    def _judge(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        words = text.splitlines()[0][:300] if text else ""
        reason = next((name for phrase, name in _TIME_REASONS.items() if phrase in text.lower()), None)
        # Prometheus up to 2.x answers "too old sample" by 500, which would come again for ever.
        if status in _SPLIT or (status == 500 and reason):
            raise Refused(reason or ("too_large" if status == 413 else "invalid"), f"{status}: {words}")
        delay = _delay(headers.get("Retry-After"), self._clock.now())
        raise self._trouble.retry(
            f"answer {status}: {words}", delay=delay, operator=status in _OPERATOR or 300 <= status < 400
        )


def _headers(config: PrometheusConfig) -> dict[str, str]:
    headers = {
        "Content-Encoding": "snappy",
        "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
        "User-Agent": f"fenghuo/{_version()}",
        **config.headers,
    }
    if config.username is not None and config.password is not None:
        pair = f"{config.username}:{config.password.reveal()}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    if config.bearer_token is not None:
        headers["Authorization"] = f"Bearer {config.bearer_token.reveal()}"
    return headers


def _version() -> str:
    try:
        return version("fenghuo")
    except PackageNotFoundError:
        return "0"


def _delay(retry_after: str | None, now: int) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110, section 10.2.3)."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return None
    return max(0.0, date.timestamp() - now / 1000)
