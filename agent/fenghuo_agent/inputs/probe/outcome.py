"""What a probe found out."""

from __future__ import annotations

from dataclasses import dataclass, field

from fenghuo.errors import FenghuoError
from fenghuo.model import Value


class ProbeFailed(FenghuoError):  # noqa: N818 — the name says what happened
    """The target does not do what it should. `reason` is a short metric label, the text is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class CannotProbe(FenghuoError):  # noqa: N818 — the name says what happened
    """We cannot ask (no permission, no file descriptor), which says nothing about the target."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class Findings:
    """What a probe read, filled in while it goes on, so that a failure keeps what was found before.

    `values`  value name → value
    `phases`  phase (`resolve`, `connect`, …) → seconds, summed up over redirects
    `infos`   value name → labels; each becomes a value of 1 with these labels
    `address` the IP address that was asked; empty where it is not known
    """

    values: dict[str, Value] = field(default_factory=dict[str, Value])
    phases: dict[str, float] = field(default_factory=dict[str, float])
    infos: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    address: str = ""

    def took(self, phase: str, seconds: float) -> None:
        """Add to a phase."""
        self.phases[phase] = self.phases.get(phase, 0.0) + seconds
