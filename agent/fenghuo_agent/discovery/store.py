"""The file that remembers, over restarts, what was found and which users were tried in vain."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from fenghuo_agent.discovery.attempts import Attempts
from fenghuo_agent.discovery.found import Found

log = logging.getLogger(__name__)

VERSION = 1
MOST_OCTETS = 32 << 20
SALT_OCTETS = 16


@dataclass(slots=True)
class Memory:
    """What was read. `scanned` is when everything was scanned last, Unix milliseconds, 0 for never.

    `spoilt` counts what could not be read: the file as a whole, or single devices and attempts in it.
    """

    devices: list[Found] = field(default_factory=list[Found])
    attempts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(SALT_OCTETS))
    scanned: int = 0
    spoilt: int = 0


def load(path: Path) -> Memory:
    """The memory in a file; a new one where there is none. What is spoilt is left out, counted and told."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_OCTETS + 1)
    except FileNotFoundError:
        return Memory()
    except OSError as error:
        log.warning("cannot read %s: %s; nothing is remembered", path, error.strerror or error)
        return Memory(spoilt=1)
    try:
        return _read(content)
    except (ValueError, RecursionError) as reason:
        kept = path.with_suffix(".spoilt")
        log.warning("%s is spoilt (%s) and was put aside as %s; devices are found anew", path, reason, kept.name)
        with contextlib.suppress(OSError):
            path.replace(kept)
        return Memory(spoilt=1)


def _read(content: bytes) -> Memory:
    if len(content) > MOST_OCTETS:
        raise ValueError(f"larger than {MOST_OCTETS >> 20} MiB")
    document = _mapping(json.loads(content))
    if document.get("version") != VERSION:
        raise ValueError(f"of version {document.get('version')!r}, not {VERSION}")
    memory = Memory(salt=bytes.fromhex(str(document.get("salt", ""))) or secrets.token_bytes(SALT_OCTETS))
    scanned = document.get("scanned", 0)
    memory.scanned = scanned if isinstance(scanned, int) else 0
    devices = document.get("devices", [])
    if not isinstance(devices, list):
        raise ValueError("its devices are no list")  # noqa: TRY004 — the file's content is wrong, not the program
    for each in cast("list[object]", devices):
        try:
            memory.devices.append(Found.restored(_mapping(each)))
        except (ValueError, TypeError):
            memory.spoilt += 1
    try:
        memory.attempts = _mapping(document.get("attempts", {}))
    except ValueError:
        memory.spoilt += 1
    if memory.spoilt:
        log.warning("%d entries of the remembered devices are spoilt and were left out", memory.spoilt)
    return memory


def save(path: Path, devices: Sequence[Found], attempts: Attempts, salt: bytes, scanned: int) -> bool:
    """Write all anew, at once or not at all; whether that went well. Only the owner may read it."""
    document = {
        "version": VERSION,
        "salt": salt.hex(),
        "scanned": scanned,
        "devices": [device.document() for device in devices],
        "attempts": attempts.dump(),
    }
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 — a file descriptor has no Path
            _keep_owner(handle, path)
            json.dump(document, file, ensure_ascii=False, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        log.warning("cannot remember what was found in %s: %s", path, error.strerror or error)
        return False
    return True


def save_attempts(path: Path, attempts: Attempts, salt: bytes) -> bool:
    """Write what is known of attempts into a file of which everything else is another process's."""
    memory = load(path)
    with contextlib.suppress(ValueError):
        attempts.restore(memory.attempts)
    return save(path, memory.devices, attempts, salt, memory.scanned)


def _keep_owner(handle: int, path: Path) -> None:
    """Whoever runs a scan as root leaves the file to the agent's user."""
    owner = path.stat() if path.exists() else path.parent.stat()
    if os.geteuid() == 0:
        os.fchown(handle, owner.st_uid, owner.st_gid)


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("no mapping where one belongs")  # noqa: TRY004 — the file's content is wrong, not the program
    return cast("Mapping[str, Any]", value)
