"""Starting net-snmp's snmpd: v1, v2c and v3 with every algorithm, IPv4 and IPv6, on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from servers.process import free_port, need, running

COMMUNITY = "test-community"
PASSWORD = "correct horse battery"
SECRET = "staple correct horse"
USERS = {
    "sha256aes": ("SHA-256", "AES"),
    "sha512aes256": ("SHA-512", "AES256"),
    "sha1aes192": ("SHA", "AES192"),
    "sha1aes256": ("SHA", "AES256"),
    "sha1aes256c": ("SHA", "AES256C"),
    "sha224aes": ("SHA-224", "AES"),
    "sha384aes192": ("SHA-384", "AES192"),
    "md5des": ("MD5", "DES"),
    "sha256only": ("SHA-256", ""),
}


@dataclass
class Snmpd:
    """A running snmpd: its port on 127.0.0.1 (and ::1), and how to stop and start it."""

    port: int
    folder: Path
    hosts: Sequence[str]
    process: subprocess.Popen[bytes]
    arguments: list[str] = field(default_factory=list)

    def address(self, host: str = "127.0.0.1") -> str:
        """As in the configuration."""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def ask(self, program: str, *oids: str, version: str = "2c", host: str = "127.0.0.1") -> list[str]:
        """Lines that net-snmp's own tool prints for numeric objects."""
        peer = f"udp6:[{host}]:{self.port}" if ":" in host else f"udp:{host}:{self.port}"
        command = [need(program, "snmp"), "-v", version, "-c", COMMUNITY, "-On", "-Oe", "-Ot", "-m", "", peer, *oids]
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return result.stdout.splitlines()


def configuration(folder: Path, lines: Sequence[str] = ()) -> Path:
    """A configuration with the test community, the v3 users and more lines."""
    users = []
    for name, (auth, priv) in USERS.items():
        secret = f' {priv} "{SECRET}"' if priv else ""
        users.append(f'createUser {name} {auth} "{PASSWORD}"{secret}')
        users.append(f"rouser {name} {'priv' if priv else 'auth'}")
    path = folder / "snmpd.conf"
    path.write_text(
        "\n".join(
            [
                f"rocommunity {COMMUNITY}",
                f"rocommunity6 {COMMUNITY}",
                "sysLocation rack 3, row b",
                "sysContact ops@example.org",
                "sysName core-switch",
                *users,
                *lines,
                "",
            ]
        )
    )
    return path


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether an SNMP agent answers there."""
    tool = shutil.which("snmpget") or "/usr/bin/snmpget"
    command = [tool, "-v2c", "-c", COMMUNITY, "-t", "0.2", "-r", "0", f"udp:{host}:{port}", "1.3.6.1.2.1.1.3.0"]
    return subprocess.run(command, capture_output=True, timeout=5, check=False).returncode == 0


def has_ipv6() -> bool:
    """Whether ::1 can be bound."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def snmpd(
    folder: Path,
    *,
    port: int | None = None,
    hosts: Sequence[str] = ("127.0.0.1",),
    lines: Sequence[str] = (),
    namespace: str | None = None,
) -> Iterator[Snmpd]:
    """A real snmpd on a free loopback port; `namespace` is a network namespace that it shall live in."""
    program = need("snmpd", "snmpd")
    need("snmpget", "snmp")
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port(socket.SOCK_DGRAM)
    config = configuration(folder, lines)
    listen = [f"udp6:[{host}]:{chosen}" if ":" in host else f"udp:{host}:{chosen}" for host in hosts]
    command = [program, "-f", "-Lo", "-C", "-c", str(config), *listen]
    if namespace:
        command = ["ip", "netns", "exec", namespace, *command]
    environment = {"SNMP_PERSISTENT_DIR": str(folder / "persistent"), "MIBS": ""}
    (folder / "persistent").mkdir(exist_ok=True)

    def ready() -> bool:
        return namespace is not None or answers(chosen)

    with running(command, folder / "snmpd.log", ready, env=environment) as process:
        yield Snmpd(chosen, folder, hosts, process, command)
