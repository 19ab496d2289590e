"""The agent's configuration file, whole."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fenghuo.config import Duration, LocalPath, Section
from fenghuo.model import AgentId, Site
from fenghuo_agent.batcher import BatchConfig
from fenghuo_agent.inputs.mqtt_sensor.config import MqttSensorConfig
from fenghuo_agent.inputs.probe.config import ProbeConfig, targets_alone
from fenghuo_agent.inputs.self_.config import SelfConfig
from fenghuo_agent.inputs.snmp.config import SnmpConfig
from fenghuo_agent.inputs.snmp_trap.config import SnmpTrapConfig
from fenghuo_agent.spool import SpoolConfig
from fenghuo_agent.transport.config import TransportConfig


def _site(text: str) -> str:
    return Site(text).path


def _agent_name(text: str) -> str:
    return AgentId(Site("site"), text).name


def _host_name() -> str:
    """The host's short name as an agent's; `gw` where nothing is left of it."""
    short = socket.gethostname().partition(".")[0].lower()
    return re.sub(r"[^a-z0-9]+", "-", short).strip("-")[:64].strip("-") or "gw"


def _url_alone(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class InputsConfig(Section):
    """What the agent reads. The key is the kind of input."""

    snmp: SnmpConfig | None = Field(default=None, description="Switches, APs, printers, UPSes and others by SNMP.")
    snmp_trap: SnmpTrapConfig | None = Field(
        default=None, description="Traps and informs that devices send by SNMP; `{}` takes all defaults."
    )
    mqtt_sensor: list[MqttSensorConfig] = Field(
        default_factory=list[MqttSensorConfig], description="Environmental sensors that publish to an MQTT broker."
    )
    probe: Annotated[
        ProbeConfig | None, BeforeValidator(targets_alone, json_schema_input_type=ProbeConfig | list[Any] | str | None)
    ] = Field(default=None, description="Hosts and services that are asked whether they answer, and how well.")
    self_: SelfConfig = Field(
        default_factory=SelfConfig, alias="self", description="The agent's own health; always read."
    )

    @model_validator(mode="after")
    def _traps_are_believed(self) -> Self:
        if self.snmp_trap is not None and not (self.snmp_trap.credentials or (self.snmp and self.snmp.credentials)):
            raise ValueError("snmp_trap needs credentials, its own or those of snmp: it would believe nobody")
        return self


class RulesConfig(Section):
    """What the agent judges by."""

    paths: list[LocalPath] = Field(
        default_factory=list[Path], description="Rule files and folders; the shipped pack where none is named."
    )
    overlays: list[LocalPath] = Field(
        default_factory=list[Path],
        description="Files and folders of the site's own, beside `paths`: overlays that change rules, and further rules.",
    )
    reload_interval: Duration = Field(
        default=5.0, ge=1, le=3600, description="How often rule files are looked at for changes."
    )
    snapshot_interval: Duration = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="How often the rules' memory is saved beside the alerts that save it too.",
    )

    def files(self, shipped: Path) -> list[Path]:
        """Where rules and overlays are; `shipped` is the shipped pack."""
        return [*(self.paths or [shipped]), *self.overlays]


class AgentConfig(Section):
    """A school's whole file may name `site`, `collector` and `inputs`; everything else has a good default."""

    site: Annotated[str, AfterValidator(_site)] = Field(
        description="Where the agent is, as a path in the tree of places, such as bj/haidian/zgc-no1."
    )
    agent: Annotated[str, AfterValidator(_agent_name)] = Field(
        default_factory=_host_name, description="The agent's name at its site; the host's short name where not given."
    )
    collector: Annotated[TransportConfig, BeforeValidator(_url_alone, json_schema_input_type=str | TransportConfig)] = (
        Field(description="The broker on the way to the collector: a URL such as mqtts://soc.example.cn, or options.")
    )
    inputs: InputsConfig = Field(default_factory=InputsConfig, description="What the agent reads.")
    rules: RulesConfig = Field(default_factory=RulesConfig, description="What the agent judges by.")
    batch: BatchConfig = Field(
        default_factory=BatchConfig, description="How readings are gathered before they are sent."
    )
    spool: SpoolConfig = Field(default_factory=SpoolConfig, description="What is kept until it is delivered.")

    @property
    def identity(self) -> AgentId:
        """Who this agent is."""
        return AgentId(Site(self.site), self.agent)
