from __future__ import annotations

import io
import json
import logging
import os

import pytest

from fenghuo.config import Secret
from fenghuo.log import Format, configure


@pytest.fixture(autouse=True)
def _as_before():
    """The root logger as pytest had it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)


def logged(style: Format, message: str, *arguments: object, level: int = logging.INFO, **options) -> str:
    stream = io.StringIO()
    configure("INFO", stream=stream, style=style)
    logging.getLogger("fenghuo.test").log(level, message, *arguments, **options)
    return stream.getvalue()


def test_a_line_for_people_has_time_level_logger_message_and_fields():
    line = logged(
        Format.TEXT,
        "no answer from %s",
        "sw1",
        level=logging.WARNING,
        extra={"device": "sw1", "note": 'a "b"', "empty": ""},
    )
    time, _, rest = line.partition(" WARNING ")
    assert len(time) == len("2026-01-01 08:00:00.000")
    assert rest == 'fenghuo.test: no answer from sw1 device=sw1 note="a \\"b\\"" empty=""\n'


def test_a_json_line_has_ecs_names():
    document = json.loads(
        logged(Format.JSON, "no answer from %s", "sw1", extra={"device": "sw1", "event.dataset": "x"})
    )
    assert document.pop("@timestamp").endswith("Z")
    assert document == {
        "log.level": "info",
        "message": "no answer from sw1",
        "ecs.version": "9.0.0",
        "log.logger": "fenghuo.test",
        "process.pid": os.getpid(),
        "fenghuo.device": "sw1",
        "event.dataset": "x",
    }


def _fail():
    raise ZeroDivisionError("by \x1b[31mnothing")


def test_an_error_keeps_its_traceback_in_both_forms():
    try:
        _fail()
    except ZeroDivisionError:
        text = logged(Format.TEXT, "failed", level=logging.ERROR, exc_info=True)
        document = json.loads(logged(Format.JSON, "failed", level=logging.ERROR, exc_info=True))
    assert "\nZeroDivisionError: by \\x1b[31mnothing\n" in text
    assert document["error.type"] == "ZeroDivisionError"
    assert document["error.message"] == "by \x1b[31mnothing"
    assert "Traceback" in document["error.stack_trace"]


@pytest.mark.parametrize("style", [Format.TEXT, Format.JSON])
def test_secrets_never_print(style):
    secret = Secret("hunter2")
    held = {"a": [secret], "b": {"c": secret}}
    text = logged(style, "%s %r %s", secret, secret, held, extra={"token": secret, "held": held})
    assert "hunter2" not in text
    assert "**********" in text


@pytest.mark.parametrize("style", [Format.TEXT, Format.JSON])
def test_what_a_device_sends_makes_no_second_line_and_no_control_character(style):
    text = logged(style, "name %s", "a\nb\x1b[2J\r", extra={"name_": "c\nd\x1b"})
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "\r" not in text


def test_messages_below_the_level_are_left_out():
    assert logged(Format.TEXT, "x", level=logging.DEBUG) == ""


def test_chatty_libraries_are_heard_only_when_something_is_wrong():
    stream = io.StringIO()
    configure("INFO", stream=stream)
    logging.getLogger("httpx").info("GET")
    logging.getLogger("httpx").warning("late")
    assert "GET" not in stream.getvalue()
    assert "late" in stream.getvalue()


def test_under_systemd_lines_are_json(tmp_path, monkeypatch):
    with (tmp_path / "journal").open("w+") as journal:
        status = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        configure("INFO", stream=journal)
        logging.getLogger("x").info("hello")
        journal.seek(0)
        assert json.loads(journal.read())["message"] == "hello"


def test_a_stream_that_is_not_the_journal_s_gets_text(tmp_path, monkeypatch):
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    stream = io.StringIO()
    configure("INFO", stream=stream)
    logging.getLogger("x").info("hello")
    assert stream.getvalue().endswith(" INFO    x: hello\n")
