"""A real Elasticsearch node, of either version, plain or with TLS and a password."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pwd
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.install import ELASTICSEARCH, elasticsearch_home, java_home
from servers.process import free_port, running

VERSIONS = tuple(ELASTICSEARCH)
USER = "fenghuo"
PASSWORD = "beacon-smoke"
PASSWORD_HASH = "$2a$10$famud7YRrrYGu7dG3V01deI3wHHuv4DBA/xQquifaChi8QOTaiMtm"  # bcrypt of it
COLLECTOR = "collector"
"""A user with the same password and no more rights than docs/reference/sinks.md asks for."""
RIGHTS = """\
fenghuo_collector:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["logs-fenghuo.*"]
      privileges: [auto_configure, create_doc, read, delete, view_index_metadata, maintenance, manage]
"""
_HEAP = "-Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"


@dataclass(frozen=True)
class ElasticsearchServer:
    """A running node; `ca_file`, `user` and `password` are set where it is a secured one."""

    url: str
    version: str
    ca_file: Path | None = None
    user: str | None = None
    password: str | None = None

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One call of its API; an error's answer is raised as `urllib.error.HTTPError`."""
        headers = {"Content-Type": "application/json"}
        if self.user:
            token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/{path}", data=data, headers=headers, method=method)
        tls = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        with urllib.request.urlopen(request, timeout=60, context=tls) as answer:
            return json.loads(answer.read() or b"null")

    def search(self, target: str, **body: Any) -> Any:
        """The hits of a search in everything written so far."""
        self.request("POST", f"{target}/_refresh")
        return self.request("POST", f"{target}/_search", {"size": 10_000, "track_total_hits": True, **body})["hits"]

    def ids(self, target: str) -> list[str]:
        """The ids of all documents, with repetitions, in order."""
        return sorted(hit["_id"] for hit in self.search(target, _source=False)["hits"])


@contextlib.contextmanager
def elasticsearch(version: str, *, secure: bool = False) -> Iterator[ElasticsearchServer]:
    """A node on a free loopback port; takes about ten seconds to start and 0.8 GB."""
    home, java = _need(version)
    with tempfile.TemporaryDirectory(prefix="fenghuo-es-") as name:
        folder = Path(name)
        port = free_port()
        _configure(home, folder, port, secure=secure)
        command = [str(home / "bin/elasticsearch"), "-p", str(folder / "pid")]
        if os.geteuid() == 0:
            _give(folder, "nobody")
            command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
        environment = {
            "ES_JAVA_HOME": str(java),
            "ES_JAVA_OPTS": _HEAP,
            "ES_PATH_CONF": str(folder / "config"),
            "ES_TMPDIR": str(folder / "tmp"),
        }
        ca_file = folder / "config/node.crt" if secure else None
        server = ElasticsearchServer(
            f"{'https' if secure else 'http'}://127.0.0.1:{port}",
            version,
            ca_file,
            USER if secure else None,
            PASSWORD if secure else None,
        )
        with running(command, folder / "output.log", lambda: _ready(server), env=environment):
            try:
                yield server
            finally:
                _kill_leftover(folder / "pid")


def _need(version: str) -> tuple[Path, Path]:
    home, java = elasticsearch_home(version), java_home(ELASTICSEARCH[version])
    if home.exists() and java is not None:
        return home, java
    what = f"Java {ELASTICSEARCH[version]} or newer" if home.exists() else f"{home} (make servers)"
    message = f"Elasticsearch {version} cannot run: {what} is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _configure(home: Path, folder: Path, port: int, *, secure: bool) -> None:
    for part in ("data", "logs", "tmp"):
        (folder / part).mkdir()
    config = folder / "config"
    shutil.copytree(home / "config", config)
    settings: dict[str, object] = {
        "cluster.name": "fenghuo-test",
        "discovery.type": "single-node",
        "network.host": "127.0.0.1",
        "http.port": port,
        "transport.port": free_port(),
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "xpack.security.enabled": secure,
    }
    if secure:
        make_certificate(config / "node.crt", config / "node.key")
        settings |= {
            "xpack.security.http.ssl.enabled": True,
            "xpack.security.http.ssl.key": "node.key",
            "xpack.security.http.ssl.certificate": "node.crt",
        }
        (config / "users").write_text(f"{USER}:{PASSWORD_HASH}\n{COLLECTOR}:{PASSWORD_HASH}\n")
        (config / "users_roles").write_text(f"superuser:{USER}\nfenghuo_collector:{COLLECTOR}\n")
        (config / "roles.yml").write_text(RIGHTS)
    (config / "elasticsearch.yml").write_text("".join(f"{k}: {json.dumps(v)}\n" for k, v in settings.items()))
    options = (home / "config/jvm.options").read_text().splitlines()
    unwanted = ("-XX:+UseG1GC", "-Xlog", "-XX:ErrorFile", "-XX:+HeapDump")
    kept = [line for line in options if line.strip() and not line.startswith(("#", *unwanted))]
    (config / "jvm.options").write_text("\n".join(kept) + "\n")


def make_certificate(certificate: Path, key: Path) -> None:
    """A self-signed certificate for 127.0.0.1 and localhost."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    subprocess.run([*command, "-addext", names, "-out", certificate, "-keyout", key], check=True, capture_output=True)


def _give(folder: Path, user: str) -> None:
    entry = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _ready(server: ElasticsearchServer) -> bool:
    try:
        health = server.request("GET", "_cluster/health")
    except urllib.error.HTTPError as error:
        assert error.code != 401, "the test user is refused"
        return False
    except OSError:
        return False
    return health["status"] in ("green", "yellow")


def _kill_leftover(pid_file: Path) -> None:
    """The launcher passes the end on to the server; where it could not, the server is ended here."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
