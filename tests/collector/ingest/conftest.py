"""A real broker for ingest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.process import free_port, listens, need, running


@pytest.fixture
def broker_port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\nmax_inflight_messages 100\n"
    )
    program = need("mosquitto", "mosquitto")
    with running([program, "-c", str(config)], tmp_path / "mosquitto.log", lambda: listens(port)):
        yield port
