"""`fenghuo survey` of devices that die, show little, answer nonsense or never end: a document with its faults, in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.errors import Faulty, Unanswered
from fenghuo_agent.snmp.message import GET, GET_BULK, RESPONSE, TOO_BIG
from fenghuo_agent.survey.cli import app
from fenghuo_agent.survey.recording import Recording

Bend = Callable[[int, bytes], bytes | None]
"""From the number of a request and the answer's bindings to those that are sent; None sends nothing."""

SWITCH = [
    "1.3.6.1.2.1.1.1.0|4|Some switch, release 3",
    "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.99990.1",
    "1.3.6.1.2.1.1.3.0|67|123456",
    "1.3.6.1.2.1.1.5.0|4|sw-1",
    *(f"1.3.6.1.2.1.2.2.1.{column}.{port}|{kind}|{value}" for port in range(1, 25) for column, kind, value in (
        (2, 4, f"port {port}"), (3, 2, 6), (7, 2, 1), (8, 2, 1), (10, 65, 1000 + port), (16, 65, 2000 + port))),
]  # fmt: skip


def number(value: int) -> bytes:
    return ber.tlv(ber.INTEGER, ber.signed(value))


class Responder:
    """A v2c device on loopback that has what a recording holds, and bends its answers."""

    def __init__(self, walk: Path, bend: Bend, status: int, pause: float) -> None:
        self._recording, self._bend, self._status, self._pause = Recording(walk), bend, status, pause
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                data, peer = self._socket.recvfrom(65536)
                if (answer := self._answer(data)) is not None:
                    time.sleep(self._pause)
                    self._socket.sendto(answer, peer)

    def _answer(self, data: bytes) -> bytes | None:
        try:
            start, stop = ber.inside(data, 0, len(data), ber.SEQUENCE)
            version, at = ber.read_integer(data, start, stop)
            community, at = ber.read_octets(data, at, stop)
        except ber.Malformed:
            return None  # a question of version 3
        kind, at, stop = ber.header(data, at, stop)
        request, at = ber.read_integer(data, at, stop)
        first, at = ber.read_integer(data, at, stop)
        second, at = ber.read_integer(data, at, stop)
        at, stop = ber.inside(data, at, stop, ber.SEQUENCE)
        if kind not in (GET, GET_BULK, 0xA1):
            return None
        self.asked += 1
        pdu = asyncio.run(self._recording.ask(kind, data[at:stop], first, second))
        bindings = self._bend(self.asked, bytes(pdu.varbinds))
        if bindings is None:
            return None
        content = number(request) + number(self._status) + number(0) + ber.tlv(ber.SEQUENCE, bindings)
        body = number(version) + ber.tlv(ber.OCTETS, community) + ber.tlv(RESPONSE, content)
        return ber.tlv(ber.SEQUENCE, body)


Make = Callable[..., Responder]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Make]:
    with contextlib.ExitStack() as stack:

        def make(
            lines: list[str], bend: Bend = lambda _, answer: answer, *, status: int = 0, pause: float = 0.0
        ) -> Responder:
            walk = tmp_path / "walk.snmprec"
            walk.write_text("\n".join(lines) + "\n")
            made = Responder(walk, bend, status, pause)
            stack.callback(made.close)
            return made

        yield make


def surveyed(device: Responder, *more: str) -> tuple[Result, float]:
    began = time.monotonic()
    quick = ["--version", "2c", "--timeout", "0.2", "--retries", "0"]
    result = CliRunner().invoke(app, [device.address, "--community", "c", *quick, *more])
    return result, time.monotonic() - began


def document(result: Result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_device_that_dies_in_the_middle_gives_what_was_read_and_says_so(device: Make) -> None:
    result, seconds = surveyed(device(SWITCH, lambda asked, answer: answer if asked <= 25 else None), "--json")
    found = document(result)
    assert found["device"]["name"] == "sw-1"
    assert len(found["ports"]) == 24
    assert any("does not answer" in fault for fault in found["faults"])
    assert seconds < 5


@pytest.mark.parametrize("answers", [1, 3, 10])
def test_a_device_that_dies_before_it_says_who_it_is_does_not_answer(device: Make, answers: int) -> None:
    result, seconds = surveyed(device(SWITCH, lambda asked, answer: answer if asked <= answers else None), "--json")
    assert isinstance(result.exception, Unanswered)
    assert seconds < 5


def test_a_device_that_shows_only_its_system_group_is_told_by_it(device: Make) -> None:
    found = document(surveyed(device(SWITCH[:4]), "--json")[0])
    assert found["device"]["description"] == "Some switch, release 3"
    assert (found["ports"], found["sensors"], found["faults"]) == ([], [], [])


def test_a_device_without_a_system_group_is_read(device: Make) -> None:
    found = document(surveyed(device(SWITCH[4:]), "--json")[0])
    assert (found["device"]["name"], found["device"]["object_id"], found["device"]["profile"]) == ("", "", "generic")
    assert [port["in_octets"] for port in found["ports"]] == [1000 + port for port in range(1, 25)]


def test_a_device_that_has_nothing_gives_an_empty_document(device: Make) -> None:
    found = document(surveyed(device([]), "--json")[0])
    assert not any(found[part] for part in ("ports", "sensors", "supplies", "wireless", "neighbours", "addresses"))


def test_octets_that_are_no_utf_8_and_controls_reach_no_terminal(device: Make) -> None:
    odd = ["1.3.6.1.2.1.1.1.0|4x|ff001b5b316d41", "1.3.6.1.2.1.1.5.0|4x|1b5d303b78071b5b326a", *SWITCH[4:]]
    assert document(surveyed(device(odd), "--json")[0])["device"]["description"].endswith("A")
    page = surveyed(device(odd))[0]
    assert page.exit_code == 0
    assert "\x1b" not in page.stdout
    assert "\x07" not in page.stdout


def test_the_deadline_holds_however_slowly_a_device_answers(device: Make) -> None:
    result, seconds = surveyed(device(SWITCH, pause=0.15), "--json", "--deadline", "2")
    assert seconds < 4
    assert "longer deadline" in (result.stdout or str(result.exception))


def test_rows_that_go_round_in_a_circle_end_and_are_told(device: Make) -> None:
    """Whatever is asked, the answer is the second port's name."""
    circle = ber.tlv(ber.SEQUENCE, ber.oid((1, 3, 6, 1, 2, 1, 2, 2, 1, 2, 2)) + ber.tlv(ber.OCTETS, b"port 2"))
    asked = device(SWITCH, lambda asked, answer: answer if asked < 12 else circle)
    result, seconds = surveyed(asked, "--json")
    assert seconds < 10
    assert asked.asked < 500
    assert document(result)["faults"]


def test_an_error_for_everything_is_told_for_each_table_and_ends_soon(device: Make) -> None:
    found = document(surveyed(device(SWITCH, status=5), "--json")[0])
    assert any("genErr" in fault for fault in found["faults"])


def test_a_device_for_which_each_answer_is_too_big_is_faulty(device: Make) -> None:
    asked = device(SWITCH, status=TOO_BIG)
    result, _ = surveyed(asked, "--json")
    assert isinstance(result.exception, Faulty)
    assert asked.asked < 30
