"""Starting snmpsim, which replays walks: the community names the file below the folder of walks."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from servers.process import free_port, running


@contextlib.contextmanager
def snmpsim(walks: Path, folder: Path, community: str) -> Iterator[int]:
    """Snmpsim over the folder `walks` until the end of the block; gives its port. `community` names a walk that is there."""
    port = free_port(socket.SOCK_DGRAM)
    program = Path(sys.executable).with_name("snmpsim-command-responder")
    cache = folder / "cache"
    cache.mkdir()
    command = [str(program), f"--data-dir={walks}", f"--cache-dir={cache}", f"--agent-udpv4-endpoint=127.0.0.1:{port}"]
    if os.geteuid() == 0:
        command += ["--process-user=root", "--process-group=root"]
    with running(command, folder / "snmpsim.log", lambda: _answers(port, community), env={"HOME": str(folder)}):
        yield port


def _answers(port: int, community: str) -> bool:
    name = community.encode()
    question = (
        b"\xa0\x19\x02\x01\x07\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x02\x00\x05\x00"
    )
    body = b"\x02\x01\x01\x04" + bytes((len(name),)) + name + question
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.5)
        asking.connect(("127.0.0.1", port))
        try:
            asking.send(b"\x30" + bytes((len(body),)) + body)
            return bool(asking.recv(2048))
        except OSError:
            return False
