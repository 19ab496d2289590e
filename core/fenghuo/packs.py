"""Where the shipped rule packs are: in a wheel inside the package, in a checkout at the top of the tree."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def packs_path() -> Path:
    """The folder of the shipped rule packs."""
    installed = _HERE / "packs"
    return installed if installed.is_dir() else _HERE.parents[1] / "rules"
