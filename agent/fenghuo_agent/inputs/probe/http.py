"""HTTP and HTTPS: does a page answer with what it should, how fast, and how long does its certificate last?"""

from __future__ import annotations

import base64
from urllib.parse import urljoin

from fenghuo_agent.inputs.probe.address import Url, parse_url
from fenghuo_agent.inputs.probe.http_client import Answer, Headers, Request, fetch
from fenghuo_agent.inputs.probe.options import HttpsTarget, HttpTarget
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.pattern import Pattern
from fenghuo_agent.inputs.probe.stream import Dialler
from fenghuo_agent.inputs.probe.target import Target

FIELDS = (
    "probe_http_status_code",
    "probe_http_content_length",
    "probe_http_uncompressed_body_length",
    "probe_http_redirects",
    "probe_http_ssl",
    "probe_http_version",
    "probe_failed_due_to_regex",
    "probe_ssl_earliest_cert_expiry",
    "probe_ssl_last_chain_expiry_timestamp_seconds",
)
REDIRECTIONS = {301, 302, 303, 307, 308}


class HttpProbe:
    """Asks for a page, follows where it is sent, and judges what comes in the end."""

    def __init__(self, target: Target[HttpTarget | HttpsTarget], dialler: Dialler) -> None:
        self._target = target
        self._dialler = dialler
        settings = target.settings
        self._url = parse_url(target.instance, "http", "https")
        self._body = Pattern(settings.body) if settings.body else None
        self._body_not = Pattern(settings.body_not) if settings.body_not else None

    async def ask(self, findings: Findings) -> None:
        """Raises `ProbeFailed`."""
        settings, url, followed = self._target.settings, self._url, 0
        while True:
            findings.values["probe_http_redirects"] = followed
            findings.values["probe_http_ssl"] = int(url.scheme == "https")
            answer = await self._fetch(url, findings)
            _note(answer, findings)
            location = answer.headers.get("location")
            if answer.status not in REDIRECTIONS or location is None or followed >= settings.redirects:
                break
            url, followed = _following(url, location), followed + 1
        self._judge(answer, followed, findings)

    async def _fetch(self, url: Url, findings: Findings) -> Answer:
        settings = self._target.settings
        request = Request(settings.method, url, self._headers(url))
        return await fetch(
            self._dialler, request, findings, tls=settings.tls, protocol=settings.ip, max_body=settings.max_body
        )

    def _headers(self, url: Url) -> Headers:
        """What is meant for the configured server is told to no other, nor over a connection less safe."""
        settings = self._target.settings
        if (url.scheme, url.host, url.port) != (self._url.scheme, self._url.host, self._url.port):
            return ()
        headers = list(settings.headers.items())
        if settings.password is not None:
            login = base64.b64encode(f"{settings.username}:{settings.password.reveal()}".encode())
            headers.append(("Authorization", f"Basic {login.decode()}"))
        return headers

    def _judge(self, answer: Answer, followed: int, findings: Findings) -> None:
        settings = self._target.settings
        right = answer.status in settings.status if settings.status else 200 <= answer.status < 300
        if not right and followed and followed >= settings.redirects and answer.status in REDIRECTIONS:
            raise ProbeFailed("redirects", f"it redirects more than {followed} times")
        if not right:
            raise ProbeFailed("status", f"it answers {answer.status}")
        if self._body is None and self._body_not is None:
            return
        wanting = self._body is not None and not self._body.found_in(answer.body)
        unwanted = self._body_not is not None and self._body_not.found_in(answer.body)
        findings.values["probe_failed_due_to_regex"] = int(wanting or unwanted)
        if wanting:
            cut = "" if answer.whole else f" (its first {settings.max_body} bytes)"
            raise ProbeFailed("body", f"the page{cut} does not fit `body`")
        if unwanted:
            raise ProbeFailed("body", "the page fits `body_not`")


def _note(answer: Answer, findings: Findings) -> None:
    values = findings.values
    values["probe_http_status_code"] = answer.status
    values["probe_http_version"] = float(answer.version)
    length = answer.headers.get("content-length", "")
    values["probe_http_content_length"] = (
        int(length) if length.isascii() and length.isdigit() and len(length) < 16 else None
    )
    values["probe_http_uncompressed_body_length"] = len(answer.body)


def _following(url: Url, location: str) -> Url:
    try:
        return parse_url(urljoin(str(url), location.partition("#")[0]), "http", "https")
    except ValueError as error:
        raise ProbeFailed("redirects", f"it redirects to where nobody can follow: {error}") from None
