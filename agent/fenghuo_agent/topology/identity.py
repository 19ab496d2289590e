"""Who is who: neighbours' words for themselves into devices that were read, or into nodes that were only heard of."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from fenghuo_agent.topology import decode
from fenghuo_agent.topology.model import Node, host_of
from fenghuo_agent.topology.seen import Neighbour, Seen

Key = TypeVar("Key", bound=Hashable)


class Directory:
    """Names of devices that were read, and of nodes that were heard of. A MAC, address or name that two devices have names none."""

    def __init__(self, seen: Mapping[str, Seen]) -> None:
        self._seen = seen
        self.macs = _owners((mac, name) for name, one in seen.items() for mac in one.macs)
        self._addresses = _owners(
            (text, name) for name, one in seen.items() for text in {*one.addresses, host_of(name)}
        )
        self._names = _owners((one.name.lower(), name) for name, one in seen.items() if one.name)
        self._chassis = _owners((one.chassis.lower(), name) for name, one in seen.items() if one.chassis)
        self._ports: dict[str, dict[str, int]] = {}
        self._heard: dict[str, str] = {}
        self.nodes: dict[str, Node] = {name: _known(one) for name, one in seen.items()}

    def node(self, teller: str, heard: Neighbour) -> str:
        """The node that a neighbour is; a new one where nobody knows it. Empty where it says nothing of itself."""
        found = self._read(heard)
        if not found:
            return self._unread(teller, heard)
        if not heard.capabilities <= self.nodes[found].capabilities:
            node = self.nodes[found]
            self.nodes[found] = replace(node, capabilities=node.capabilities | heard.capabilities)
        return found

    def at(self, address: str) -> str:
        """The device that was read and has an address."""
        return self._addresses.get(address, "")

    def _read(self, heard: Neighbour) -> str:
        name = heard.name.lower()
        candidates = (
            self.macs.get(heard.chassis, "") if heard.chassis else "",
            self._chassis.get(heard.chassis_id.lower(), ""),
            *(self._addresses.get(address, "") for address in heard.addresses),
        )
        if found := next(filter(None, candidates), ""):
            return found
        found = self._names.get(name, "") or self._names.get(name.partition(".")[0], "")
        return found if found and not self._other(found, heard) else ""

    def _other(self, name: str, heard: Neighbour) -> bool:
        """Whether a neighbour of that name says a chassis that is not the device's: makers call all their switches alike."""
        return bool(heard.chassis and decode.parse_mac(self._seen[name].chassis))

    def _unread(self, teller: str, heard: Neighbour) -> str:
        words = [f"mac:{decode.mac_text(heard.chassis)}"] if heard.chassis else []
        words += [f"ip:{address}" for address in heard.addresses]
        words += [f"id:{heard.chassis_id.lower()}"] if heard.chassis_id and not heard.chassis else []
        words += [f"name:{heard.name.lower()}"] if heard.name else []
        if not words and not (heard.port_id or heard.descr):
            return ""
        words = words or [f"port:{teller}/{heard.port}"]
        found = next((self._heard[word] for word in words if word in self._heard), words[0])
        for word in words:
            self._heard.setdefault(word, found)
        self.nodes[found] = _merged(self.nodes.get(found), found, heard)
        return found

    def port(self, instance: str, heard: Neighbour) -> int:
        """The ifIndex of the port that a neighbour says it speaks from, of a device that was read; 0 where it is not known."""
        one = self._seen[instance]
        own = heard.port_id.lower()
        names = self._ports.get(instance)
        if names is None:
            names = self._ports[instance] = _port_names(one)
        found = one.advertised.get(own, 0) or names.get(own, 0) or names.get(heard.port_descr.lower(), 0)
        if not found and own.isdigit():
            found = one.base_ports.get(int(own), 0) or (int(own) if int(own) in one.ports else 0)
        return one.port(found)


def _known(one: Seen) -> Node:
    capabilities = frozenset(("bridge",)) if one.bridge else frozenset[str]()
    return Node(
        one.instance,
        one.device or one.name or one.instance,
        known=True,
        mac=min(one.macs, default=0),
        capabilities=capabilities,
    )


def _merged(before: Node | None, name: str, heard: Neighbour) -> Node:
    """What several neighbours heard of one node, put together."""
    known = before or Node(name, "", known=False)
    addresses = tuple(dict.fromkeys((*known.addresses, *heard.addresses)))[:8]
    label = (
        known.name
        if known.name and known.name != known.id
        else heard.name or heard.chassis_id or next(iter(addresses), name)
    )
    return Node(
        *(name, label),
        known=False,
        mac=known.mac or heard.chassis,
        addresses=addresses,
        descr=known.descr or heard.descr,
        capabilities=known.capabilities | heard.capabilities,
    )


def _owners(pairs: Iterable[tuple[Key, str]]) -> dict[Key, str]:
    found: dict[Key, str] = {}
    for key, owner in pairs:
        found[key] = owner if found.get(key, owner) == owner else ""
    return {key: owner for key, owner in found.items() if owner}


def _port_names(one: Seen) -> dict[str, int]:
    found: dict[str, int] = {}
    for port in one.ports.values():
        for text in {port.name, port.descr, port.alias, decode.mac_text(port.mac) if port.mac else ""}:
            key = text.lower()
            if key:
                found[key] = port.if_index if found.get(key, port.if_index) == port.if_index else 0
    return found
