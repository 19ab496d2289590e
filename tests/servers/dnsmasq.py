"""Starting dnsmasq as a name server on loopback that knows what it is told, and asks nobody."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from servers.process import free_port, listens, need, running


@contextlib.contextmanager
def dnsmasq(folder: Path, lines: Sequence[str], *, host: str = "127.0.0.1") -> Iterator[int]:
    """A dnsmasq with these configuration lines; its port, UDP and TCP."""
    program = need("dnsmasq", "dnsmasq-base")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port(host=host)
    config = folder / "dnsmasq.conf"
    options = ["no-resolv", "no-hosts", "no-poll", "bind-interfaces", f"port={port}", f"listen-address={host}"]
    config.write_text("\n".join([*options, "user=", "group=", "pid-file=", *lines, ""]))
    command = [program, "--keep-in-foreground", f"--conf-file={config}", "--log-facility=-"]
    with running(command, folder / "dnsmasq.log", lambda: listens(port, host)):
        yield port
