from __future__ import annotations

import io
import json
import sys

from fenghuo.cli import output
from fenghuo.config import Secret
from fenghuo.errors import Located, Place, Problem


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_whose_user_wants_it(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.styled("x", "red", Terminal()) == "\x1b[31mx\x1b[0m"
    assert output.styled("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert output.styled("x", "red", Terminal()) == "x"


def test_problems_are_coloured_on_a_terminal(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    output.print_error(Located([Problem(Place("f", 1, 2), "wrong", "hint")]))
    assert terminal.getvalue() == "\x1b[1mf:1:2\x1b[0m: wrong\x1b[2m (hint)\x1b[0m\n"


def test_json_is_one_line_and_shows_no_secret(capsys):
    output.print_json({"名": "烽火", "secret": Secret("hunter2"), "lines": "a\nb"})
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert json.loads(text) == {"名": "烽火", "secret": "**********", "lines": "a\nb"}
