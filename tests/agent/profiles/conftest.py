"""Walks of devices, replayed by snmpsim."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.snmpsim import snmpsim

CASES = Path(__file__).parents[2] / "cases" / "profiles"


@pytest.fixture(scope="session")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port at which every walk answers, each under its own community: its profile and case."""
    first = min(CASES.rglob("*.snmprec")).relative_to(CASES).with_suffix("")
    with snmpsim(CASES, tmp_path_factory.mktemp("snmpsim"), str(first)) as port:
        yield port
