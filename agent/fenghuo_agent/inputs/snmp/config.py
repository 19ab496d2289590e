"""The `snmp` section of the agent's configuration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from fenghuo.config import Duration, LocalPath, Section, Size
from fenghuo_agent.discovery.config import Discover
from fenghuo_agent.discovery.questions import label_of
from fenghuo_agent.snmp.access import Address, Credential, Target, credentials_for, parse_address
from fenghuo_agent.topology.config import TopologyConfig


class Device(Section):
    """One device to poll."""

    address: Address = Field(description="IP address, with a port where it is not 161.", examples=["10.20.0.1"])
    name: str = Field("", description="The `device` label; by default the device's own sysName.")
    credential: str = Field("", description="Name of the credential; by default each is tried, in the order given.")
    interval: Duration | None = Field(None, gt=0, description="Time between two polls of this device.")
    pace: Duration | None = Field(
        None,
        ge=0,
        le=10,
        description="Least time from one question to this device to the next; by default that of all.",
    )
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], description="More labels for every series of this device."
    )

    @property
    def target(self) -> Target:
        """Where it is asked."""
        return parse_address(self.address)

    @model_validator(mode="after")
    def _own_labels(self) -> Self:
        for label in self.labels:
            if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", label) or label.startswith("__"):
                raise ValueError(f"{label!r} is no label name: letters, digits and _, not starting with a digit or __")
            if label in {"job", "instance", "device", "site", "agent", "ifIndex", "ifName", "ifAlias", "ifDescr"}:
                raise ValueError(f"the label {label!r} is set by Fenghuo itself")
        return self


class SnmpConfig(Section):
    """Devices that are polled by SNMP v1, v2c or v3."""

    devices: list[Device] = Field(default_factory=list[Device], description="The devices to poll.")
    credentials: list[Credential] = Field(
        default_factory=list[Credential], description="Communities and users, in the order in which they are tried."
    )
    discover: Discover | None = Field(
        None, description="Subnets in which devices are found by themselves; a list of them, or options."
    )
    devices_file: LocalPath | None = Field(
        None,
        description="File of further devices, as `fenghuo agent discover --write` writes it; those of `devices` win over "
        "its own. Read again when it changes.",
    )
    profiles: list[LocalPath] = Field(
        default_factory=list[Path], description="Folders of profiles of your own; they win over ours of the same name."
    )
    interval: Duration = Field(60.0, gt=0, description="Time between two polls of a device.")
    timeout: Duration = Field(2.0, gt=0, description="How long to wait for one answer before asking again.")
    pace: Duration = Field(
        0.0,
        ge=0,
        le=10,
        description="Least time from one question to a device to the next; 0 asks as fast as it answers.",
    )
    retries: int = Field(2, ge=0, le=10, description="How often a question is asked again.")
    deadline: Duration = Field(30.0, gt=0, description="How long one poll of one device may take in all.")
    learn_deadline: Duration = Field(120.0, gt=0, description="How long learning one device's rows may take in all.")
    relearn: Duration = Field(
        3600.0,
        gt=0,
        description="Time after which rows, names and aliases are read again even if nothing seems to have moved.",
    )
    unchanged: Duration = Field(
        240.0,
        ge=0,
        le=240,
        description="How long the counters of ports that are down and stood still may be handed on without being read; "
        "their status is read at each poll. 0 reads everything at each poll.",
    )
    probe_max: Duration = Field(
        300.0, gt=0, description="Longest time between two thorough attempts at a device that does not answer."
    )
    max_oids_per_request: int = Field(
        84, ge=1, le=256, description="Most objects asked for in one request; fewer where a device takes fewer."
    )
    max_reply: Size = Field(
        1400, ge=484, le=65507, description="Largest answer to aim for, so that it fits the path's MTU unfragmented."
    )
    max_repetitions: int = Field(20, ge=1, le=100, description="Most rows asked for in one GETBULK of a walk.")
    max_rows: int = Field(4096, ge=1, le=65536, description="Most rows of one table; a longer one is an error.")
    concurrency: int = Field(
        256,
        ge=1,
        le=8192,
        description="Most devices polled at the same time; as many silent ones are asked beside them, on a socket each.",
    )
    learning: int = Field(8, ge=1, le=256, description="Most devices whose rows are learnt at the same time.")

    topology: TopologyConfig = Field(
        default_factory=TopologyConfig, description="Links between devices, and where each MAC and IP address is."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [credential.name for credential in self.credentials if credential.name]
        if len(set(names)) != len(names):
            raise ValueError("two credentials have the same name")
        seen: set[Target] = set()
        for device in self.devices:
            if device.credential and device.credential not in names:
                raise ValueError(f"device {device.address}: there is no credential named {device.credential!r}")
            if device.target in seen:
                raise ValueError(f"device {device.address} is given twice")
            seen.add(device.target)
        if self.discover and (missing := self.discover.misnamed(self.credentials)):
            raise ValueError(f"discover: there is no credential named {missing!r}")
        if self.discover and not self.credentials:
            raise ValueError("discover needs at least one credential (a community or a v3 user)")
        if self.devices and not self.credentials:
            raise ValueError("devices need at least one credential (a community or a v3 user)")
        for device in self.devices:
            if not self.credentials_of(device):
                raise ValueError(f"device {device.address}: it is in no subnet of any credential")
        return self

    def credentials_of(self, device: Device) -> list[Credential]:
        """Those to try for a device, in order: the one that it names, else those of its narrowest subnet first."""
        if device.credential:
            labels = [label_of(credential, place) for place, credential in enumerate(self.credentials)]
            return [each for label, each in zip(labels, self.credentials, strict=True) if label == device.credential]
        return credentials_for(self.credentials, device.target.host)
