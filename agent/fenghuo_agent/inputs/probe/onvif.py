"""ONVIF: does a camera's device service answer, and is its clock right? (ONVIF Core Specification, GetSystemDateAndTime)

The one question that every camera answers without a password.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fenghuo_agent.inputs.probe.address import parse_url
from fenghuo_agent.inputs.probe.http_client import Request, fetch
from fenghuo_agent.inputs.probe.options import OnvifTarget
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.stream import Dialler
from fenghuo_agent.inputs.probe.target import Target

FIELDS = (
    "probe_onvif_status_code",
    "probe_onvif_time_offset_seconds",
    "probe_onvif_ntp",
    "probe_onvif_daylight_savings",
    "probe_ssl_earliest_cert_expiry",
    "probe_ssl_last_chain_expiry_timestamp_seconds",
)
MAX_BODY = 65_536
MAX_DEPTH = 64
_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
_REQUEST = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
    f'<GetSystemDateAndTime xmlns="{_DEVICE}"/>'
    "</s:Body></s:Envelope>"
).encode()
_HEADERS = (("Content-Type", f'application/soap+xml; charset=utf-8; action="{_DEVICE}/GetSystemDateAndTime"'),)
_RESPONSE = "GetSystemDateAndTimeResponse"


@dataclass(frozen=True, slots=True)
class DateAndTime:
    """What a camera says of its clock. `utc` is Unix seconds; None where it tells none."""

    utc: int | None
    by_ntp: bool
    daylight_savings: bool


def read(document: bytes) -> DateAndTime:
    """The answer; ValueError where it is none."""
    found = _leaves(document)
    if not any(_RESPONSE in path for path in found):
        raise ValueError("no answer to GetSystemDateAndTime")
    return DateAndTime(
        _utc(found),
        _leaf(found, "DateTimeType").upper() == "NTP",
        _leaf(found, "DaylightSavings").lower() in ("true", "1"),
    )


def _leaf(found: Mapping[tuple[str, ...], str], *names: str) -> str:
    return next((text for path, text in found.items() if path[-len(names) :] == names), "")


def _utc(found: Mapping[tuple[str, ...], str]) -> int | None:
    parts = [
        ("Date", "Year"),
        ("Date", "Month"),
        ("Date", "Day"),
        ("Time", "Hour"),
        ("Time", "Minute"),
        ("Time", "Second"),
    ]
    texts = [_leaf(found, "UTCDateTime", *names) for names in parts]
    if not all(text.isascii() and text.isdigit() and len(text) <= 4 for text in texts):
        return None
    year, month, day, hour, minute, second = map(int, texts)
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    return calendar.timegm((year, month, day, hour, minute, second, 0, 0, 0))


def _leaves(document: bytes) -> dict[tuple[str, ...], str]:
    """Path of local names → text. No document type is taken, so that nothing can be expanded or fetched."""
    from xml.parsers import expat  # noqa: PLC0415 — only agents that ask cameras load it

    found: dict[tuple[str, ...], str] = {}
    path: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        del attributes
        path.append(name.rpartition(" ")[2])
        if len(path) > MAX_DEPTH:
            raise ValueError("elements are nested too deep")
        found.setdefault(tuple(path), "")

    def end(name: str) -> None:
        del name
        path.pop()

    def text(data: str) -> None:
        key = tuple(path)
        found[key] = (found.get(key, "") + data.strip())[:100]

    def refuse(*_: object) -> None:
        raise ValueError("a document type does not belong here")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise ValueError(f"no XML: {error}") from None
    return found


class OnvifProbe:
    """Asks a camera for its time. `now` is this host's clock in Unix milliseconds."""

    def __init__(self, target: Target[OnvifTarget], dialler: Dialler, now: Callable[[], int]) -> None:
        self._target = target
        self._dialler = dialler
        self._now = now

    async def ask(self, findings: Findings) -> None:
        """Raises `ProbeFailed` where no answer comes or one that is none; one that asks for a password is one."""
        settings, values = self._target.settings, findings.values
        request = Request("POST", parse_url(self._target.instance, "http", "https"), _HEADERS, _REQUEST)
        began = self._now()
        answer = await fetch(
            self._dialler, request, findings, tls=settings.tls, protocol=settings.ip, max_body=MAX_BODY
        )
        middle = (began + self._now()) / 2000
        values["probe_onvif_status_code"] = answer.status
        if answer.status == 401:
            return
        if answer.status != 200:
            raise ProbeFailed("status", f"it answers {answer.status}")
        try:
            told = read(answer.body)
        except ValueError as error:
            raise ProbeFailed("protocol", f"what comes is no ONVIF: {error}") from None
        values["probe_onvif_ntp"] = int(told.by_ntp)
        values["probe_onvif_daylight_savings"] = int(told.daylight_savings)
        if told.utc is not None:
            values["probe_onvif_time_offset_seconds"] = told.utc + 0.5 - middle
