"""A real Alertmanager on a loopback port."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.process import free_port, need, running

_CONFIG = """\
route: {receiver: nobody, group_wait: 0s, group_interval: 1s}
receivers: [{name: nobody}]
"""


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One that runs. `alerts` are those that it takes as active now."""

    url: str

    def alerts(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:
            return list(json.load(answer))

    def find(self, **labels: str) -> list[dict[str, Any]]:
        """The active alerts that carry these labels."""
        return [alert for alert in self.alerts() if labels.items() <= alert["labels"].items()]


@contextlib.contextmanager
def alertmanager(folder: Path, port: int | None = None) -> Iterator[Alertmanager]:
    """An Alertmanager that notifies nobody, for the length of the block; `port` where it has to be a known one."""
    program = need("prometheus-alertmanager", "prometheus-alertmanager")
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "alertmanager.yml"
    config.write_text(_CONFIG)
    url = f"http://127.0.0.1:{port}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, folder / "alertmanager.log", lambda: _ready(url)):
        yield Alertmanager(url)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
