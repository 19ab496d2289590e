"""A collector and an agent as processes of their own, to be killed and started again."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import yaml

from fenghuo.errors import Retryable
from fenghuo_collector.sinks.sqlite.config import SqliteConfig
from fenghuo_collector.sinks.sqlite.query import StoreQuery, cursor
from servers.process import free_port, stop, wait_for

RATE = 200
"""Events a second that an agent under load makes."""
SITE = "bj/haidian/zgc-no1"
AGENT = f"{SITE}/gw1"
"""The agent under load."""
HERE = Path(__file__).parent
FENGHUO = [sys.executable, "-m", "fenghuo"]


@dataclass
class Child:
    """A process that may be started again and again with the same command."""

    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def kill(self) -> None:
        """As a power cut."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def stop(self, seconds: float = 20) -> None:
        if self.process:
            stop(self.process, seconds)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Collector(Child):
    """A real collector with the embedded store in `folder`."""

    folder: Path = Path()
    console: int = 0

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.console}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def metric(self, name: str) -> float:
        """The sum over all label sets of one of its own metrics."""
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in self.metrics().splitlines()
            if line.startswith((name + " ", name + "{"))
        )

    def up(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.console}/healthz", timeout=1) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def ready(self) -> None:
        wait_for(self.up, "the collector's console to answer")

    def query(self) -> contextlib.closing[StoreQuery]:
        """The embedded store, for the length of a block."""
        return contextlib.closing(StoreQuery(SqliteConfig(path=self.store)))

    def event_ids(self, dataset: str) -> list[str]:
        """The ids of all stored events of a dataset, each as often as it is stored."""
        found: list[str] = []
        # The store may not be there yet.
        with self.query() as query, contextlib.suppress(Retryable):
            before = None
            while page := query.events(dataset=dataset, limit=5000, before=before):
                found += [event.id for event in page]
                before = cursor(page[-1])
        return found


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    return path


def collector(folder: Path, **more: Any) -> Collector:
    """A collector for the site `bj`, not started; `more` is added to its configuration."""
    console = free_port()
    content = {
        "site": "bj",
        "data": str(folder),
        "console": {"listen": f"127.0.0.1:{console}"},
        **more,
    }
    path = write(folder / "collector.yaml", content)
    return Collector(
        [*FENGHUO, "collector", "run", "-c", str(path)], folder / "collector.log", folder=folder, console=console
    )


@dataclass
class LoadedAgent(Child):
    """The real agent with an input that makes events and writes down their ids."""

    folder: Path = Path()
    seen_file: Path = field(default_factory=Path)

    def seen(self, before: float = inf, after: float = 0) -> set[str]:
        """The ids of the events made between two moments in Unix milliseconds."""
        lines = self.seen_file.read_text().splitlines() if self.seen_file.exists() else []
        pairs = [line.split() for line in lines]
        return {each[0] for each in pairs if len(each) == 2 and after <= int(each[1]) < before}

    def tables(self) -> list[int]:
        """The times of the tables made."""
        lines = self.seen_file.read_text().splitlines() if self.seen_file.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith("table ") and line.count(" ") == 2]


def loaded_agent(folder: Path, broker_port: int, *, rate: int = 200, name: str = "gw1", **more: Any) -> LoadedAgent:
    content = {
        "site": SITE,
        "agent": name,
        "collector": {
            "url": f"mqtt://127.0.0.1:{broker_port}",
            "reconnect_longest": "2s",
            "ack_timeout": "2s",
            "keepalive": "2s",
        },
        "spool": {"path": str(folder / "spool.db")},
        **more,
    }
    path = write(folder / "agent.yaml", content)
    seen = folder / "seen.log"
    command = [sys.executable, str(HERE / "loaded_agent.py"), str(path), str(seen), str(rate)]
    return LoadedAgent(command, folder / "agent.log", folder=folder, seen_file=seen)


def now() -> int:
    return time.time_ns() // 1_000_000
