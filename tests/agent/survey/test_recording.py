"""Recorded walks: every type comes back as it was, and what is no walk is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.errors import Located
from fenghuo_agent.snmp import ber
from fenghuo_agent.snmp.ber import Varbind
from fenghuo_agent.snmp.message import GET, GET_BULK, GET_NEXT
from fenghuo_agent.survey.record import line_of
from fenghuo_agent.survey.recording import Recording

NAME = (1, 3, 6, 1, 2, 1, 1, 1, 0)


def recording(folder: Path, text: str) -> Recording:
    path = folder / "walk.snmprec"
    path.write_text(text, encoding="utf-8")
    return Recording(path)


async def asked(
    device: Recording, kind: int, *names: tuple[int, ...], first: int = 0, second: int = 0
) -> list[Varbind]:
    body = b"".join(ber.tlv(ber.SEQUENCE, ber.oid(name) + b"\x05\x00") for name in names)
    return ber.varbinds((await device.ask(kind, body, first, second)).varbinds)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (ber.OCTETS, b"plain text"),
        (ber.OCTETS, b"a|b"),
        (ber.OCTETS, b""),
        (ber.OCTETS, b"\x00\xff\n"),
        (ber.OCTETS, "机房".encode()),
        (ber.INTEGER, b"\x80"),
        (ber.INTEGER, b"\x00\x80"),
        (ber.OID, ber.oid((1, 3, 6, 1, 4, 1, 9))[2:]),
        (ber.IP_ADDRESS, bytes((10, 0, 0, 1))),
        (ber.COUNTER32, b"\x00\xff\xff\xff\xff"),
        (ber.TIMETICKS, b"\x01"),
        (ber.COUNTER64, b"\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
        (ber.OPAQUE, b"\x9f\x78\x04\x41\xbc\x00\x00"),
    ],
)
async def test_a_value_written_and_read_again_is_the_same(tmp_path: Path, tag: int, value: bytes) -> None:
    device = recording(tmp_path, line_of(NAME, Varbind(b"", tag, value)) + "\n")
    [found] = await asked(device, GET, NAME)
    assert (found.tag, found.value) == (tag, value)


async def test_it_answers_as_a_device_does(tmp_path: Path) -> None:
    device = recording(tmp_path, "1.3.6.1.2.1.1.2.0|2|2\n1.3.6.1.2.1.1.1.0|2|1\n1.3.6.1.2.1.1.10.0|2|10\n")
    [none] = await asked(device, GET, (1, 3, 6, 1, 2, 1, 1, 3, 0))
    assert none.tag == ber.NO_SUCH_OBJECT
    [after] = await asked(device, GET_NEXT, (1, 3, 6, 1, 2, 1, 1, 2, 0))
    assert ber.arcs(after.name)[-2:] == (10, 0)
    rows = await asked(device, GET_BULK, (1, 3), (1, 3, 6, 1, 2, 1, 1, 2), first=1, second=3)
    assert [ber.number(row.tag, row.value) for row in rows] == [1, 2, 10, None]
    assert rows[-1].tag == ber.END_OF_MIB_VIEW


def test_lines_that_are_none_are_told_with_their_numbers(tmp_path: Path) -> None:
    with pytest.raises(Located) as caught:
        recording(tmp_path, "1.3.6.1.2.1.1.1.0|2|1\nnonsense\n1.3.x|2|1\n1.3.6|99|z\n1.3.7|2|word\n")
    assert [problem.place.line for problem in caught.value.problems] == [2, 3, 4, 5]


def test_a_bad_line_among_many_good_ones_is_left_out(tmp_path: Path) -> None:
    good = "".join(f"1.3.6.1.2.1.2.2.1.1.{row}|2|{row}\n" for row in range(50))
    assert recording(tmp_path, good + "broken\n") is not None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_recording_or_are_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "walk.snmprec"
    path.write_bytes(content)
    try:
        Recording(path)
    except Located as error:
        assert str(path) in str(error)
