"""`fenghuo agent topology` and `fenghuo agent locate`: one reading of all devices, by hand."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry

from fenghuo.cli.output import say
from fenghuo.clock import SystemClock
from fenghuo_agent.discovery import store
from fenghuo_agent.discovery.job import configured
from fenghuo_agent.inputs.snmp.config import Device as Settings
from fenghuo_agent.inputs.snmp.config import SnmpConfig
from fenghuo_agent.inputs.snmp.device import Device
from fenghuo_agent.inputs.snmp.input import SnmpInput
from fenghuo_agent.once import aligned
from fenghuo_agent.snmp.errors import SnmpError
from fenghuo_agent.snmp.walk import Limits
from fenghuo_agent.topology import decode
from fenghuo_agent.topology.collect import collect
from fenghuo_agent.topology.host import read_host
from fenghuo_agent.topology.join import join
from fenghuo_agent.topology.model import ACCESS, End, Link, Location, Topology, host_of
from fenghuo_agent.topology.root import root_of
from fenghuo_agent.topology.seen import Seen

AT_ONCE = 8
"""Devices that are read at the same time: somebody is waiting."""


@dataclass(slots=True)
class Outcome:
    """What came of one reading: the picture, where the agent hangs in it, and who could not be read."""

    topology: Topology
    root: str | None
    failures: dict[str, str]


def read(path: Path) -> Outcome:
    """Read all devices of a configuration, and those that the agent found by itself. Raises `Located` or `Unusable`."""
    return asyncio.run(_read(path))


async def _read(path: Path) -> Outcome:
    section = configured(path)
    # Nothing runs beside this, so that the input only lends its devices.
    alone = section.snmp.model_copy(update={"topology": section.snmp.topology.model_copy(update={"enabled": False})})
    source = SnmpInput(alone, clock=SystemClock(), random=Random(), registry=CollectorRegistry())
    if section.state is not None:
        _add_found(source, section.snmp, section.state)
    devices = source.devices
    options = section.snmp.topology
    limits = Limits(alone.max_repetitions, options.max_rows, alone.max_reply)
    places, failures, seen = asyncio.Semaphore(AT_ONCE), dict[str, str](), dict[str, Seen]()

    async def one(device: Device) -> None:
        async with places:
            try:
                await device.reach.contact(0)
                with device.reach.visit().open(options.deadline) as session:
                    found = await collect(session, limits, device.in_vlan if options.vlan_contexts else None)
            except SnmpError as error:
                failures[device.instance] = str(error)
                return
        found.device = device.config.name or found.name or device.instance
        found.time = round(dt.datetime.now(dt.UTC).timestamp() * 1000)
        seen[device.instance] = found

    say(
        f"reading {len(devices)} devices"
        if devices
        else f"{path} lists no devices, and none are found yet: run the agent, or `fenghuo agent discover -c {path}`"
    )
    await asyncio.gather(*(one(device) for device in devices))
    for instance, why in sorted(failures.items()):
        say(why if why.startswith(instance) else f"{instance}: {why}")
    host = read_host()
    topology = join(dict(sorted(seen.items())), host.macs, host.bindings)
    return Outcome(topology, root_of(topology, options.root or "", host), failures)


def _add_found(source: SnmpInput, config: SnmpConfig, state: Path) -> None:
    names = {credential.name for credential in config.credentials if credential.name}
    for found in store.load(state).devices:
        if source.get(found.instance) is None:
            credential = found.credential if found.credential in names else ""
            source.add(Settings.model_validate({"address": found.instance, "credential": credential}))


def document(outcome: Outcome) -> dict[str, Any]:
    """All of it, as `--json` prints it."""
    topology = outcome.topology
    return {
        "root": outcome.root,
        "nodes": [
            {
                "id": node.id,
                "name": node.name,
                "read": node.known,
                "mac": decode.mac_text(node.mac) if node.mac else "",
                "addresses": sorted(topology.seen[node.id].addresses) if node.known else list(node.addresses),
                "capabilities": sorted(node.capabilities),
                "description": node.descr,
                "behind": topology.attached.get(node.id, ""),
            }
            for node in topology.nodes.values()
        ],
        "links": [link_document(topology, link) for link in topology.links],
        "locations": [location_document(topology, location) for location in topology.locations],
        "failures": [{"address": instance, "reason": why} for instance, why in sorted(outcome.failures.items())],
    }


def link_document(topology: Topology, link: Link) -> dict[str, Any]:
    """One link."""
    return {"a": _end(topology, link.a), "b": _end(topology, link.b), "sources": sorted(link.sources)}


def _end(topology: Topology, end: End) -> dict[str, Any]:
    return {"node": end.node, "name": topology.nodes[end.node].name, "port": end.port, "if_index": end.if_index or None}


def location_document(topology: Topology, location: Location) -> dict[str, Any]:
    """Where one MAC is."""
    place = location.place
    kind = topology.uplinks.get((place.instance, place.if_index), ACCESS)
    behind = topology.nodes.get(location.behind)
    return {
        "mac": decode.mac_text(location.mac),
        "addresses": topology.bindings.of(location.mac),
        "switch": topology.nodes[place.instance].name,
        "instance": place.instance,
        "port": topology.port(place.instance, place.if_index),
        "description": found.alias if (found := topology.seen[place.instance].ports.get(place.if_index)) else "",
        "vlan": location.vlan or None,
        "exact": place.exact,
        "uplink": kind,
        "behind": behind.name if behind else "",
        "time": dt.datetime.fromtimestamp(place.time / 1000, dt.UTC).isoformat(timespec="seconds"),
    }


def search(topology: Topology, text: str) -> tuple[list[Location], list[Link]]:
    """The places of what somebody looks for, a MAC, an address, or the name of a node, and its links where it is a node.

    Both are empty where nobody has seen it.
    """
    mac = decode.parse_mac(text)
    try:
        macs = [mac] if mac else topology.bindings.macs(str(ip_address(text)))
    except ValueError:
        macs = []
    wanted, names = text.lower(), set[str]()
    for node in topology.nodes.values():
        own = topology.seen[node.id].macs if node.known else {node.mac}
        words = (node.name.lower(), node.id.lower(), host_of(node.id), *node.addresses)
        if wanted in words or not own.isdisjoint(macs):
            names.add(node.id)
            macs += own
    found = (topology.locations.of(each) for each in dict.fromkeys(macs))
    links = [link for link in topology.links if {link.a.node, link.b.node} & names]
    return [location for location in found if location is not None], links


def show(outcome: Outcome) -> None:
    """Links, then ports with what hangs on them, for people."""
    topology = outcome.topology
    show_links(topology, topology.links)
    counted: Counter[tuple[str, int]] = Counter(location.place[:2] for location in topology.locations)
    hosts: dict[tuple[str, int], list[str]] = defaultdict(list)
    for location in topology.locations:
        hosts[location.place[:2]].append(_host(topology, location))
    lines = [
        (topology.nodes[instance].name, topology.port(instance, port), str(count), ", ".join(hosts[instance, port][:3]))
        for (instance, port), count in sorted(counted.items())
    ]
    _print(("SWITCH", "PORT", "MACS", "FIRST OF THEM"), lines)


def show_links(topology: Topology, links: Iterable[Link]) -> None:
    """A line a link."""
    rows = [(_called(topology, link.a), _called(topology, link.b), "+".join(sorted(link.sources))) for link in links]
    _print(("LINK", "", "KNOWN BY"), list(rows))


def show_locations(topology: Topology, locations: Iterable[Location]) -> None:
    """A line a place."""
    rows: list[tuple[str, ...]] = []
    for location in locations:
        one = location_document(topology, location)
        port = one["port"] if one["exact"] else f"behind {one['port']}"
        addresses = ", ".join(one["addresses"])
        rows.append((one["mac"], addresses, one["switch"], port, str(one["vlan"] or ""), one["behind"]))
    _print(("MAC", "ADDRESSES", "SWITCH", "PORT", "VLAN", "BEHIND"), rows)


def dot(topology: Topology) -> Iterator[str]:
    """The links as a graph for Graphviz."""
    yield "graph topology {"
    yield "  node [shape=box];"
    for node in topology.nodes.values():
        style = "" if node.known else ", style=dashed"
        yield f"  {_quoted(node.id)} [label={_quoted(node.name)}{style}];"
    for link in topology.links:
        ends = f"taillabel={_quoted(link.a.port)}, headlabel={_quoted(link.b.port)}"
        yield f"  {_quoted(link.a.node)} -- {_quoted(link.b.node)} [{ends}];"
    for name, node in topology.attached.items():
        yield f"  {_quoted(name)} -- {_quoted(node)};"
    yield "}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _called(topology: Topology, end: End) -> str:
    return f"{topology.nodes[end.node].name} {end.port}".strip()


def _host(topology: Topology, location: Location) -> str:
    return next(iter(topology.bindings.of(location.mac)), decode.mac_text(location.mac))


def _print(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if rows:
        sys.stdout.writelines(f"{line}\n" for line in aligned([heads, *rows]))
        sys.stdout.write("\n")
