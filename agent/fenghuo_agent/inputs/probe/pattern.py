"""Regular expressions over what targets answer: by RE2, whose time is linear, loaded only where one is asked for."""

from __future__ import annotations


class Pattern:
    """An expression that is sought in bytes, read as UTF-8. ValueError where it is none."""

    def __init__(self, expression: str) -> None:
        from fenghuo.rules.detection.regex import compile_regex  # noqa: PLC0415 — 2.7 MB for those who use it

        self._found = compile_regex(expression)

    def found_in(self, content: bytes) -> bool:
        """Whether it is found."""
        return self._found(content.decode("utf-8", "replace"))
