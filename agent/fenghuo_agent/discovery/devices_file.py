"""The devices file: what was found, written down for the admin to review, and read by the agent as `devices_file`.

What stands in the file stays as it is, to the letter; newly found devices are added at the end of the list.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import Field, model_validator

from fenghuo.config import Section, load
from fenghuo.errors import Located, Place, Problem, of_file
from fenghuo_agent.discovery.found import Found
from fenghuo_agent.inputs.snmp.config import Device
from fenghuo_agent.snmp.access import Credential, Target, parse_address

HEAD = """\
# Devices that `fenghuo agent discover --write` found. The file is yours: change names, labels and credentials as you like,
# set `ignore: true` for what shall not be polled. A later --write adds what is new at the end and leaves the rest alone.
devices:
"""


class Entry(Device):
    """A device of the file."""

    ignore: bool = Field(False, description="Whether it shall not be polled, though it is there.")


class DevicesFile(Section):
    """The file as a whole."""

    devices: list[Entry] = Field(default_factory=list[Entry], description="The devices.")

    @model_validator(mode="after")
    def _each_once(self) -> DevicesFile:
        seen: set[Target] = set()
        for entry in self.devices:
            if entry.target in seen:
                raise ValueError(f"device {entry.address} is given twice")
            seen.add(entry.target)
        return self


def read_entries(path: Path) -> list[Entry]:
    """All entries of the file, those to be ignored among them. Raises `Located` with every problem."""
    return load(path, DevicesFile, env=os.environ).devices


def read_devices(path: Path, credentials: Sequence[Credential] | None = None) -> list[Device]:
    """The devices to poll. Raises `Located`; with `credentials` also where an entry names none of them."""
    entries = read_entries(path)
    if credentials is not None:
        names = {credential.name for credential in credentials if credential.name}
        unknown = [entry for entry in entries if entry.credential and entry.credential not in names]
        if unknown:
            raise Located([_unknown(path, entry) for entry in unknown])
    fields = Device.model_fields
    return [
        Device.model_validate({name: getattr(entry, name) for name in fields}) for entry in entries if not entry.ignore
    ]


def ignored(path: Path | None) -> list[Target]:
    """What the admin does not want polled; nothing where there is no file, or none that can be read."""
    if path is None or not path.exists():
        return []
    try:
        return [entry.target for entry in read_entries(path) if entry.ignore]
    except Located:
        return []


def _unknown(path: Path, entry: Entry) -> Problem:
    place = next((place for address, place in _places(path.read_text()) if address == entry.target), (0, 0))
    message = f"device {entry.address}: there is no credential named {entry.credential!r}"
    return Problem(Place(str(path), *place), message)


def write_devices(path: Path, devices: Sequence[Found], credentials: Sequence[Credential], today: dt.date) -> int:
    """Add those devices that the file does not have at any of their addresses; how many that were.

    Raises `Located` where the file is none, `Retryable` or `Permanent` where it cannot be written.
    """
    try:
        before = path.read_text() if path.exists() else ""
        known = {entry.target for entry in read_entries(path)} if before.strip() else set[Target]()
        new = [device for device in devices if known.isdisjoint((device.target, *device.also))]
        if new:
            names = {credential.name for credential in credentials if credential.name}
            _replace(path, _with(path, before, new, names, today))
    except OSError as error:
        raise of_file(f"cannot write {path}", error) from None
    return len(new)


def _with(path: Path, before: str, new: Sequence[Found], names: set[str], today: dt.date) -> str:
    indent, at = _end_of_list(path, before)
    lines = "".join(f"{' ' * indent}{line}\n" for device in new for line in entry_lines(device, names, today))
    if at is None:
        return f"{before.rstrip()}\n\n{HEAD}{lines}" if before.strip() else HEAD + lines
    text = before.splitlines(keepends=True)
    if text and not text[-1].endswith("\n"):
        text[-1] += "\n"
    return "".join((*text[:at], lines, *text[at:]))


def _end_of_list(path: Path, text: str) -> tuple[int, int | None]:
    """How far the list is indented, and after how many lines it ends; None where there is no list yet."""
    node = yaml.compose(text, Loader=yaml.SafeLoader) if text.strip() else None
    if not isinstance(node, yaml.MappingNode):
        return 2, None
    for key, value in node.value:
        if key.value != "devices":
            continue
        if not isinstance(value, yaml.SequenceNode) or value.flow_style:
            place = Place(str(path), value.start_mark.line + 1, value.start_mark.column + 1)
            raise Located([Problem(place, "the list is not written line by line", "one `- address: …` a line")])
        return value.start_mark.column, _last_line(text, value)
    return 2, None


def _last_line(text: str, node: yaml.Node) -> int:
    """After which line a block ends: its last line that is neither empty nor a comment of what follows."""
    lines = text.splitlines()
    at = min(node.end_mark.line + (1 if node.end_mark.column else 0), len(lines))
    while at > 0 and (not lines[at - 1].strip() or lines[at - 1].startswith("#")):
        at -= 1
    return at


def entry_lines(device: Found, names: set[str], today: dt.date) -> list[str]:
    """One device's entry: in comments what it is, for whoever reviews it, and then what the agent needs."""
    facts = " ".join(filter(None, (device.vendor, device.model, device.os_version)))
    what = ", ".join(filter(None, (device.name, device.type, facts, device.location)))
    lines = [f"# {_plain(what) or 'an SNMP device'} ({device.how}, {today.isoformat()})"]
    if device.also:
        lines.append(f"# also at {', '.join(target.instance for target in device.also[:8])}")
    lines.append(f"- address: {json.dumps(device.instance)}")
    if device.credential in names:
        lines.append(f"  credential: {json.dumps(device.credential, ensure_ascii=False)}")
    return lines


def _plain(text: str) -> str:
    """What a device says of itself, on one line: it must not write our file."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:200]


def _places(text: str) -> list[tuple[Target, tuple[int, int]]]:
    """The addresses of a valid file, and where they stand."""
    found: list[tuple[Target, tuple[int, int]]] = []
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        for entry in value.value if key.value == "devices" and isinstance(value, yaml.SequenceNode) else ():
            for name, content in entry.value if isinstance(entry, yaml.MappingNode) else ():
                if name.value == "address":
                    place = content.start_mark.line + 1, content.start_mark.column + 1
                    found.append((parse_address(content.value), place))
    return found


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o640
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 — a file descriptor has no Path
        if os.geteuid() == 0 and path.exists():
            os.fchown(handle, path.stat().st_uid, path.stat().st_gid)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
