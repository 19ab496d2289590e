"""A real Prometheus that takes remote writes."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servers.process import free_port, need, running


@dataclass(frozen=True)
class PrometheusServer:
    """A running server; times are Unix milliseconds."""

    url: str
    process: subprocess.Popen[bytes]
    config: Path

    @property
    def remote_write(self) -> str:
        return f"{self.url}/api/v1/write"

    def api(self, path: str, **parameters: object) -> Any:
        """The `data` of an answer of the HTTP API."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, promql: str, at: int | None = None) -> Any:
        """The result of an instant query."""
        time = {} if at is None else {"time": at / 1000}
        return self.api("query", query=promql, **time)["result"]

    def value(self, promql: str, at: int | None = None) -> float | None:
        """The one value of an instant query; None where there is no series."""
        result = self.query(promql, at)
        if not result:
            return None
        assert len(result) == 1, f"{promql} gives {len(result)} series"
        return float(result[0]["value"][1])

    def samples(self, selector: str, start: int, end: int) -> dict[int, float]:
        """Every raw sample of one series in [start, end]: Unix milliseconds → value."""
        window = f"{end - start + 1}ms"
        result = self.query(f"{selector}[{window}]", end)
        assert len(result) <= 1, f"{selector} gives {len(result)} series"
        return {round(time * 1000): float(value) for time, value in (result[0]["values"] if result else ())}

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@contextlib.contextmanager
def prometheus(
    folder: Path,
    *,
    out_of_order: str | None = "24h",
    config: Mapping[str, Any] | None = None,
    web_config: Mapping[str, Any] | None = None,
) -> Iterator[PrometheusServer]:
    """A Prometheus on a free loopback port; `config` is merged into its file, `web_config` sets TLS and passwords."""
    program = need("prometheus", "prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, **(config or {})}
    if out_of_order:
        content["storage"] = {"tsdb": {"out_of_order_time_window": out_of_order}}
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(content))
    port = free_port()
    command = [
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--log.level=debug",
    ]
    if web_config:
        web = folder / "web.yml"
        web.write_text(yaml.safe_dump(dict(web_config)))
        command.append(f"--web.config.file={web}")
    address = f"127.0.0.1:{port}"
    log = folder / "prometheus.log"
    with running(command, log, lambda: _ready(f"http://{address}", log)) as process:
        scheme = "https" if web_config and "tls_server_config" in web_config else "http"
        yield PrometheusServer(f"{scheme}://{address}", process, file)


def _ready(url: str, log: Path) -> bool:
    if b"Server is ready to receive web requests" not in log.read_bytes():
        return False
    with contextlib.suppress(urllib.error.HTTPError), contextlib.suppress(OSError):
        urllib.request.urlopen(f"{url}/-/ready", timeout=2).close()
    return True
