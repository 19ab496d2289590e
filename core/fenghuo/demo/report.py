"""What the demo says: lines for people, or NDJSON on standard output and lines for people on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

from fenghuo.cli.output import styled

_LEVELS_ZH = {"informational": "提示", "low": "低", "medium": "中", "high": "高", "critical": "严重"}
_STYLES = {"critical": "red", "high": "red", "medium": "yellow"}


@dataclass(slots=True)
class Tally:
    """Alerts counted once each, however often their level changes meanwhile."""

    firing: set[str] = field(default_factory=set[str])
    fired: int = 0
    resolved: int = 0

    def note(self, fingerprint: str, state: str) -> None:
        if state == "firing" and fingerprint not in self.firing:
            self.firing.add(fingerprint)
            self.fired += 1
        elif state == "resolved" and fingerprint in self.firing:
            self.firing.discard(fingerprint)
            self.resolved += 1


class Report:
    """Tells of what happens. `now` gives seconds since the story began; None before it did."""

    def __init__(self, *, as_json: bool, now: Callable[[], float | None]) -> None:
        self.unread = False
        """Whether nobody reads our output any more."""
        self._as_json = as_json
        self._now = now
        self._out: TextIO = sys.stderr if as_json else sys.stdout
        self.tally = Tally()

    def say(self, text: str = "") -> None:
        """A line for people."""
        self._write(self._out, text)

    def failed(self, text: str) -> None:
        """What went wrong with the demo itself."""
        self._write(sys.stderr, f"{styled('error:', 'red', sys.stderr)} {text}")

    def welcome(self, url: str, user: str, password: str, devices: int, sensors: int) -> None:
        bold = styled(url, "bold", self._out)
        self.say()
        self.say(f"  控制台 Console   {bold}   用户 user {user}   密码 password {password}")
        self.say(f"  学校 School      {devices} 台设备 devices, {sensors} 个传感器 sensors; Ctrl-C 结束 ends")
        self.say()

    def try_this(self, command: str) -> None:
        """A command that can be typed meanwhile, in another terminal."""
        self.say(f"  试试 Try         {command}")

    def happening(self, told: Mapping[str, Any]) -> None:
        """Something begins to go wrong in the school, or is mended."""
        begins = told["phase"] == "begins"
        mark = (
            styled("✗ 故障 fault   ", "yellow", self._out) if begins else styled("✓ 修复 mended  ", "cyan", self._out)
        )
        self.say(f"{self._time()} {mark} {told['title_zh']} · {told['title']}")

    def alert(self, step: Mapping[str, Any]) -> None:
        """A step of an alert as the webhook told it."""
        alert: Mapping[str, Any] = step["alert"]
        state = str(alert["state"])
        if state not in ("firing", "resolved"):
            return
        self.tally.note(str(alert["fingerprint"]), state)
        if self._as_json:
            self._write(sys.stdout, json.dumps(flatten(step), ensure_ascii=False))
        level = str(alert["level"])
        if state == "firing":
            mark = styled(f"▲ 告警 {_LEVELS_ZH.get(level, level)} {level}", _STYLES.get(level, "cyan"), self._out)
        else:
            mark = styled("▼ 恢复 resolved", "green", self._out)
        chinese, english = alert["message_zh"] or alert["title_zh"], alert["message"] or alert["title"]
        self.say(f"{self._time()} {mark}  {chinese} · {english}")

    def summary(self, counts: Mapping[str, int]) -> None:
        """The end: one JSON document, or a line."""
        if self._as_json:
            self._write(sys.stdout, json.dumps(dict(counts)))
            return
        self.say()
        self.say(
            f"  {counts['readings']} 个读数 readings, {counts['events']} 个事件 events, "
            f"{counts['alerts_fired']} 次告警 alerts fired, {counts['alerts_resolved']} 次恢复 resolved, "
            f"{counts['lost']} 丢失 lost"
        )

    def _write(self, stream: TextIO, line: str) -> None:
        try:
            stream.write(line + "\n")
            stream.flush()
        except BrokenPipeError:
            self.unread = True

    def _time(self) -> str:
        seconds = int(self._now() or 0)
        return f"{seconds // 60:02d}:{seconds % 60:02d}"


def flatten(step: Mapping[str, Any]) -> dict[str, Any]:
    """A step of an alert as one line of NDJSON."""
    alert: Mapping[str, Any] = step["alert"]
    keys = ("state", "level", "title", "title_zh", "message", "message_zh", "starts_at", "ends_at", "value", "labels")
    return {
        "time": alert["time"],
        "rule": alert["rule"]["name"],
        **{key: alert.get(key) for key in keys},
        "site": step.get("site"),
        "agent": step.get("agent"),
        "fingerprint": alert["fingerprint"],
    }
