"""Logging: a line a person reads on a terminal, JSON lines with ECS names under systemd.

Fields are given by `extra={"device": …}`; on a terminal they follow the message as `device=…`, in JSON they are named
`fenghuo.device` (or as given, where the name has a dot). Secrets show as asterisks in both.
"""

from __future__ import annotations

import enum
import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_CHATTY = ("asyncio", "amqtt", "transitions", "aiomqtt", "elastic_transport", "httpx", "httpcore", "uvicorn")
"""Libraries whose ordinary messages are of no use to an operator."""

ECS_VERSION = "9.0.0"


class Format(enum.StrEnum):
    """How log lines look; `auto`: JSON where systemd's journal reads them, otherwise text."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def configure(level: str | int = "INFO", *, stream: TextIO | None = None, style: Format = Format.AUTO) -> None:
    """Send the whole process's log to `stream` (standard error), messages below `level` left out."""
    target = sys.stderr if stream is None else stream
    is_json = style is Format.JSON or (style is Format.AUTO and _is_journal(target))
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if is_json else TextFormatter(coloured=_is_coloured(target)))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _CHATTY:
        quiet = logging.getLogger().level > logging.DEBUG
        logging.getLogger(name).setLevel(logging.WARNING if quiet else logging.NOTSET)


def _is_journal(stream: TextIO) -> bool:
    """Whether `stream` is the one that systemd connected to its journal (systemd.exec(5), $JOURNAL_STREAM)."""
    journal = os.environ.get("JOURNAL_STREAM")
    if not journal:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return journal == f"{status.st_dev}:{status.st_ino}"


def _is_coloured(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What was given by `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD and not name.startswith("_")}


def _visible(text: str) -> str:
    """`text` with control characters (a device may send them in its name) written as escapes; lines stay lines."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


class TextFormatter(logging.Formatter):
    """`2026-01-01 08:00:00.000 WARNING fenghuo_agent.inputs.snmp: no answer device=sw1`."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line; a traceback follows on lines of its own."""
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "milliseconds")[:23]
        level = f"{record.levelname:<7}"
        message = _visible(record.getMessage()).replace("\n", "\\n")
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields(record).items())
        if self._coloured:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
            fields = f"\x1b[2m{fields}\x1b[0m" if fields else ""
        line = f"{time} {level} {record.name}: {message}{fields}"
        if record.exc_info:
            line += "\n" + _visible(self.formatException(record.exc_info))
        return line


def _quoted(value: Any) -> str:
    text = str(value)
    plain = text and text.isprintable() and not any(char in text for char in ' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, named as the Elastic Common Schema names things."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        document: dict[str, Any] = {
            "@timestamp": time,
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "ecs.version": ECS_VERSION,
            "log.logger": record.name,
            "process.pid": record.process,
        }
        document |= {name if "." in name else f"fenghuo.{name}": value for name, value in _fields(record).items()}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            document["error.type"] = type(error).__name__
            document["error.message"] = str(error)
            document["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str, skipkeys=True)
