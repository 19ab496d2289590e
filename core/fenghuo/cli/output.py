"""What subcommands print: results on stdout, messages and errors on stderr, colour on terminals only."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from fenghuo.errors import FenghuoError, Located, Problem

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def is_coloured(stream: TextIO) -> bool:
    """Whether `stream` is a terminal whose user has not asked for plain text (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    """`text` in a style (bold, dim, red, green, yellow, cyan) where `stream` shows colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if is_coloured(stream) else text


def print_json(value: Any) -> None:
    """One JSON document on one line of standard output, flushed at once (NDJSON when called again)."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def say(message: str) -> None:
    """A message about the work itself, on standard error."""
    sys.stderr.write(message + "\n")


def print_error(error: FenghuoError) -> None:
    """An error as its text on standard error; one line per problem of a `Located`."""
    if not isinstance(error, Located):
        say(f"{styled('error:', 'red', sys.stderr)} {error}")
        return
    for problem in error.problems:
        hint = styled(f" ({problem.hint})", "dim", sys.stderr) if problem.hint else ""
        say(f"{styled(str(problem.place), 'bold', sys.stderr)}: {problem.message}{hint}")


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem as `--json` shows it; `line` and `column` are null where unknown."""
    place = problem.place
    return {
        "file": place.file,
        "line": place.line or None,
        "column": place.column or None,
        "message": problem.message,
        "hint": problem.hint or None,
    }
