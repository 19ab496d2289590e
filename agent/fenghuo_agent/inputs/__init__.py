"""Inputs: sources that the agent reads, in one explicit list."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from fenghuo.clock import Clock
from fenghuo_agent.inputs.base import Input

if TYPE_CHECKING:
    from fenghuo_agent.config import AgentConfig
    from fenghuo_agent.discovery.config import DiscoverConfig
    from fenghuo_agent.inputs.snmp.input import SnmpInput
    from fenghuo_agent.inputs.snmp_trap.config import SnmpTrapConfig


def build_inputs(config: AgentConfig, clock: Clock, random: Random, registry: CollectorRegistry) -> list[Input]:
    """Every input that the configuration asks for. Each kind is imported only where it is used."""
    from fenghuo_agent.inputs.self_.input import SelfInput  # noqa: PLC0415 — what is not used takes no memory

    asked = config.inputs
    built: list[Input] = [
        SelfInput(asked.self_, registry, clock, config.agent, disk=config.spool.path.parent),
    ]
    polled: SnmpInput | None = None
    if asked.snmp is not None:
        from fenghuo_agent.inputs.snmp.input import SnmpInput  # noqa: PLC0415 — what is not used takes no memory

        polled = SnmpInput(asked.snmp, clock=clock, random=random, registry=registry)
        built.append(polled)
        if asked.snmp.discover is not None:
            built.append(_discovery(asked.snmp.discover, config, polled, clock, random, registry))
    if asked.snmp_trap is not None:
        built.append(_snmp_trap(asked.snmp_trap, config, polled, clock, random, registry))
    if asked.mqtt_sensor:
        from fenghuo_agent.inputs.mqtt_sensor import input as mqtt_sensor  # noqa: PLC0415 — see above
        from fenghuo_agent.inputs.mqtt_sensor.metrics import MqttSensorMetrics  # noqa: PLC0415 — see above

        built += mqtt_sensor.inputs(asked.mqtt_sensor, MqttSensorMetrics(registry), clock)
    if asked.probe is not None:
        from fenghuo_agent.inputs.probe.input import ProbeInput, nothing_explains  # noqa: PLC0415 — see above

        known = polled.topology if polled is not None else None
        explained = known.outages.upstream if known is not None else nothing_explains
        built.append(ProbeInput(asked.probe, clock=clock, random=random, registry=registry, explained=explained))
    return built


def _discovery(
    options: DiscoverConfig,
    config: AgentConfig,
    polled: SnmpInput,
    clock: Clock,
    random: Random,
    registry: CollectorRegistry,
) -> Input:
    """Devices that are found by themselves, for the input `polled`."""
    from fenghuo_agent.discovery.config import state_path  # noqa: PLC0415 — see above
    from fenghuo_agent.discovery.devices_file import ignored  # noqa: PLC0415 — see above
    from fenghuo_agent.discovery.input import DiscoveryInput  # noqa: PLC0415 — see above
    from fenghuo_agent.discovery.recognise import hints_of, recogniser  # noqa: PLC0415 — see above

    async def around() -> list[tuple[str, str]]:
        seen = polled.topology.topology.seen.values() if polled.topology is not None else ()
        return [hint for each in seen for hint in hints_of(each)]

    return DiscoveryInput(
        lambda: polled.settings,
        state_path(options, config.spool.path),
        polling=polled,
        recognise=recogniser(lambda: polled.library),
        clock=clock,
        random=random,
        entropy=os.urandom,
        registry=registry,
        around=around,
        ignored=lambda: ignored(polled.settings.devices_file),
    )


def _snmp_trap(
    section: SnmpTrapConfig,
    config: AgentConfig,
    polled: SnmpInput | None,
    clock: Clock,
    random: Random,
    registry: CollectorRegistry,
) -> Input:
    """Notifications, of devices that have the names and are polled by the input `polled`."""
    from fenghuo_agent.inputs.snmp_trap.input import STATE, SnmpTrapInput  # noqa: PLC0415 — see above
    from fenghuo_agent.profiles.library import Library  # noqa: PLC0415 — see above

    shipped = None if polled else Library.load()
    return SnmpTrapInput(
        section,
        credentials=lambda: polled.settings.credentials if polled else [],
        library=lambda: polled.library if polled else shipped or Library.load(),
        state=config.spool.path.parent / STATE,
        clock=clock,
        random=random,
        registry=registry,
        name_of=polled.label_of if polled else None,
        poke=polled.poke if polled else None,
    )
