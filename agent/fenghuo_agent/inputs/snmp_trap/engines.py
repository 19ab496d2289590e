"""What outlives a restart: our own engine (RFC 3411) and the newest time that other engines signed (RFC 3414, 2.3)."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from fenghuo.errors import of_file
from fenghuo_agent.snmp.usm import MAX_BOOTS_OR_TIME

_log = logging.getLogger(__name__)
ENTERPRISE = bytes((0x80, 0x00, 0x7E, 0xD9))
"""No enterprise number is ours: 32473 is everybody's (RFC 5612). What tells engines apart is the random rest."""
OCTETS_FORMAT = b"\x05"
RANDOM_OCTETS = 12
MAX_PEERS = 4096
MAX_FILE = 1 << 20


class Engines:
    """Our engine's id, boots and time, and the newest boots and time of others.

    `peers` is engine id → boots, time, our monotonic time at that. Of more than `MAX_PEERS` the one heard of longest ago goes.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float], *, own: bytes | None = None) -> None:
        self.path = path
        self.id = own or b""
        self.boots = 0
        self.peers: dict[bytes, tuple[int, int, float]] = {}
        self.changed = False
        self._own = own
        self._monotonic = monotonic
        self._started = monotonic()

    @property
    def time(self) -> int:
        """Seconds since the last boot, as the engine's time."""
        elapsed = int(self._monotonic() - self._started)
        if elapsed > MAX_BOOTS_OR_TIME:
            self._started = self._monotonic()
            self.boots = min(self.boots + 1, MAX_BOOTS_OR_TIME)
            elapsed = 0
        return elapsed

    def start(self, entropy: Callable[[int], bytes] = os.urandom) -> None:
        """Read the file and boot once more. Raises `Retryable` or `Permanent` where it can be neither read nor written."""
        self._read()
        if not self.id or (self._own and self.id != self._own):
            self.id, self.boots = self._own or ENTERPRISE + OCTETS_FORMAT + entropy(RANDOM_OCTETS), 0
        self.boots = min(self.boots + 1, MAX_BOOTS_OR_TIME)
        self._started = self._monotonic()
        self.save()

    def heard(self, engine: bytes, boots: int, time: int) -> None:
        """Remember an engine's newest signed time."""
        self.peers.pop(engine, None)
        if len(self.peers) >= MAX_PEERS:
            del self.peers[next(iter(self.peers))]
        self.peers[engine] = (boots, time, self._monotonic())
        self.changed = True

    def save(self) -> None:
        """Write the file whole, or leave it as it was. Raises `Retryable` or `Permanent`."""
        content = {
            "engine_id": self.id.hex(),
            "boots": self.boots,
            "engines": {engine.hex(): [boots, time] for engine, (boots, time, _) in self.peers.items()},
        }
        beside = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise of_file(f"the SNMP engine's state {self.path}", error) from error
        self.changed = False

    def _read(self) -> None:
        try:
            with self.path.open(encoding="utf-8") as file:
                self._take(json.loads(file.read(MAX_FILE)))
        except FileNotFoundError:
            return
        except OSError as error:
            raise of_file(f"the SNMP engine's state {self.path}", error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Boots that are lost must not be counted anew under the same id (RFC 3414, 2.2.2): another engine is born.
            _log.warning("%s cannot be read (%s): informs are answered under a new engine id", self.path, error)
            self.id, self.boots, self.peers = b"", 0, {}

    def _take(self, content: dict[str, Any]) -> None:
        engine, boots = bytes.fromhex(content["engine_id"]), content["boots"]
        if not 5 <= len(engine) <= 32 or not _counts(boots):
            raise ValueError("no engine id or boots")
        now = self._monotonic()
        peers: dict[bytes, tuple[int, int, float]] = {}
        for name, seen in cast("dict[str, list[int]]", content.get("engines", {})).items():
            first, second = seen
            if not _counts(first) or not _counts(second):
                raise ValueError("no boots and time")
            peers[bytes.fromhex(name)] = (first, second, now)
        self.id, self.boots, self.peers = engine, boots, peers


def _counts(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_BOOTS_OR_TIME
