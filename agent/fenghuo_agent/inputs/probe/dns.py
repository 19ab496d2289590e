"""DNS: does a name server answer, and with what it should?"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Callable, Sequence
from functools import partial

from fenghuo_agent.inputs.probe import udp
from fenghuo_agent.inputs.probe.dns_message import RCODES, TYPES, Malformed, Record, Response, parse, question
from fenghuo_agent.inputs.probe.options import DnsTarget
from fenghuo_agent.inputs.probe.outcome import Findings, ProbeFailed
from fenghuo_agent.inputs.probe.stream import Dialler
from fenghuo_agent.inputs.probe.target import Target
from fenghuo_agent.inputs.probe.udp import Received

FIELDS = (
    "probe_dns_query_succeeded",
    "probe_dns_answer_rrs",
    "probe_dns_authority_rrs",
    "probe_dns_additional_rrs",
    "probe_dns_rcode",
    "probe_dns_serial",
    "probe_dns_answers_valid",
)
_NAMES = {number: name for name, number in RCODES.items()}


class DnsProbe:
    """Asks one server one question."""

    def __init__(
        self, target: Target[DnsTarget], dialler: Dialler, entropy: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._target = target
        self._dialler = dialler
        self._entropy = entropy

    async def ask(self, findings: Findings) -> None:
        """Raises `ProbeFailed` where no answer comes, or not the one that should."""
        settings = self._target.settings
        findings.values["probe_dns_query_succeeded"] = 0
        number = int.from_bytes(self._entropy(2), "big")
        message = question(number, settings.query, TYPES[settings.asked_type], recursion=settings.recursion)
        response = await self._ask(message, number, findings)
        values = findings.values
        values["probe_dns_query_succeeded"] = 1
        values["probe_dns_rcode"] = response.rcode
        values["probe_dns_answer_rrs"] = len(response.answers)
        values["probe_dns_authority_rrs"] = response.authority
        values["probe_dns_additional_rrs"] = response.additional
        if settings.asked_type == "SOA":
            values["probe_dns_serial"] = response.serial
        self._judge(response, findings)

    async def _ask(self, message: bytes, number: int, findings: Findings) -> Response:
        """The response; one that is cut is asked for again by TCP (RFC 7766)."""
        target, settings = self._target, self._target.settings
        if settings.protocol == "udp":
            clock = self._dialler.clock
            address = await self._dialler.resolver.find(target.host, target.port, settings.ip, findings, clock)
            began = clock()
            response = await udp.exchange(address, message, partial(self._read, number))
            findings.took("request", clock() - began)
            if not response.truncated:
                return response
        return await self._ask_by_tcp(message, number, findings)

    async def _ask_by_tcp(self, message: bytes, number: int, findings: Findings) -> Response:
        target, settings = self._target, self._target.settings
        async with self._dialler.dial(target.host, target.port, findings, protocol=settings.ip) as (reader, writer):
            began = self._dialler.clock()
            writer.write(struct.pack("!H", len(message)) + message)
            try:
                length = int.from_bytes(await reader.readexactly(2), "big")
                response = self._match(number, await reader.readexactly(length))
            except EOFError:
                raise ProbeFailed("protocol", "the connection ended before the answer") from None
            except Malformed as error:
                raise ProbeFailed("protocol", f"the answer makes no sense: {error}") from None
            findings.took("request", self._dialler.clock() - began)
        if response is None:
            raise ProbeFailed("protocol", "it answers what was not asked")
        return response

    def _read(self, number: int, received: Received) -> Response | None:
        """Of datagrams, those that make no sense or answer another question are passed over: anybody may send them."""
        try:
            return self._match(number, received.data)
        except Malformed:
            return None

    def _match(self, number: int, data: bytes) -> Response | None:
        settings = self._target.settings
        response = parse(data)
        asked = (settings.query.strip("."), TYPES[settings.asked_type])
        known = response.question is None and response.rcode == RCODES["FORMERR"]
        return response if response.id == number and (known or response.question == asked) else None

    def _judge(self, response: Response, findings: Findings) -> None:
        settings = self._target.settings
        name = _NAMES.get(response.rcode, str(response.rcode))
        if name not in settings.rcode:
            raise ProbeFailed("rcode", f"it answers {name}")
        if response.rcode != RCODES["NOERROR"]:
            return
        answers = [record for record in response.answers if record.type == TYPES[settings.asked_type]]
        wrong = _wrong(answers, settings.answers)
        findings.values["probe_dns_answers_valid"] = int(wrong is None)
        if wrong is not None:
            raise ProbeFailed("answers", wrong)


def _wrong(answers: Sequence[Record], expected: Sequence[str] | None) -> str | None:
    """What is wrong with the answers, if anything."""
    if expected is None:
        return None if answers else "it knows no record of this type"
    if not expected:
        return f"it answers {answers[0].text}, and should nothing" if answers else None
    if not answers:
        return "it knows no record of this type"
    strange = [record.text for record in answers if not any(_fits(record.text, each) for each in expected)]
    return f"it answers {', '.join(strange[:5])}" if strange else None


def _fits(text: str, expected: str) -> bool:
    if "/" in expected:
        try:
            return ipaddress.ip_address(text) in ipaddress.ip_network(expected)
        except ValueError:
            return False
    try:
        return ipaddress.ip_address(text) == ipaddress.ip_address(expected)
    except ValueError:
        return text.rstrip(".").lower() == expected.rstrip(".").lower()
