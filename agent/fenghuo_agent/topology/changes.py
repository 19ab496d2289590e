"""Events of dataset `topology`: ECS documents that say what is connected otherwise than before."""

from __future__ import annotations

from fenghuo.model import Document
from fenghuo_agent.topology import decode
from fenghuo_agent.topology.model import End, Link, Location, Node, Topology, host_of

DATASET = "topology"


def link(topology: Topology, new: Link, instead: Link | None, *, surprise: bool) -> Document:
    """A link that was not there before, or that took the place of another."""
    near, far = _ordered(topology, new)
    there = _called(topology, far)
    if surprise:
        action, said = "switch-connected", f"a switch that is not monitored, {there}, is connected to"
    elif instead is None:
        action, said = "link-added", f"{there} is connected to"
    elif {new.a.node, new.b.node} == {instead.a.node, instead.b.node}:
        action, said = "link-moved", f"{there} is connected otherwise to"
    else:
        action, said = "neighbour-changed", f"{there} is the new neighbour of"
    document = _document(topology, action, near, far, f"{said} {_called(topology, near)}")
    document["fenghuo"]["topology"]["source"] = sorted(new.sources)
    if instead is not None:
        was_near, was_far = _ordered(topology, instead)
        document["fenghuo"]["topology"]["previous"] = {
            **_end("", topology, was_near),
            **_end("neighbour_", topology, was_far),
        }
    return document


def link_gone(topology: Topology, old: Link) -> Document:
    """A link that is not there any more though both ends answer."""
    near, far = _ordered(topology, old)
    text = f"{_called(topology, far)} is not connected to {_called(topology, near)} any more"
    return _document(topology, "link-removed", near, far, text)


def host_moved(topology: Topology, now: Location, before: Location) -> Document:
    """A MAC that is seen on another access port than before."""
    mac = decode.mac_text(now.mac)
    near, was = (
        End(one.place.instance, one.place.if_index, topology.port(one.place.instance, one.place.if_index))
        for one in (now, before)
    )
    document = _document(
        topology, "host-moved", near, None, f"{mac} moved from {_called(topology, was)} to {_called(topology, near)}"
    )
    addresses = topology.bindings.of(now.mac)
    document["source"] = {"mac": mac.upper().replace(":", "-"), **({"ip": addresses[0]} if addresses else {})}
    document["fenghuo"]["topology"]["previous"] = _end("", topology, was)
    if now.vlan:
        document["vlan"] = {"id": str(now.vlan)}
    return document


def outage(topology: Topology, instance: str, names: list[str], most: int) -> Document:
    """A dead device, and whom it cuts off."""
    near = End(instance, 0, "")
    text = f"{_called(topology, near)} is dead and cuts off {len(names)}: {', '.join(names[:most])}"
    document = _document(topology, "outage", near, None, text)
    document["fenghuo"]["topology"] |= {"cut_off": names[:most], "count": len(names)}
    return document


def left_out(count: int) -> Document:
    """More changes than are told one by one."""
    return {
        "message": f"{count} more changes of the topology, not told one by one",
        "event": {"kind": "event", "category": ["network"], "type": ["info"], "action": "left-out", "dataset": DATASET},
        "fenghuo": {"topology": {"count": count}},
    }


def _ordered(topology: Topology, one: Link) -> tuple[End, End]:
    """The end at a device that is read first, and of two such that of the switch with more links."""
    known = topology.nodes[one.a.node].known if one.a.node in topology.nodes else False
    return (one.a, one.b) if known else (one.b, one.a)


def _node(topology: Topology, name: str) -> Node:
    return topology.nodes.get(name) or Node(name, name, known=False)


def _called(topology: Topology, end: End) -> str:
    name = _node(topology, end.node).name
    return f"{name} {end.port}" if end.port else name


def _end(prefix: str, topology: Topology, end: End) -> Document:
    node = _node(topology, end.node)
    name = prefix.rstrip("_") or "device"
    found: Document = {name: node.name, f"{prefix}port": end.port, f"{prefix}instance": node.id if node.known else ""}
    return {key: value for key, value in found.items() if value}


def _document(topology: Topology, action: str, near: End, far: End | None, message: str) -> Document:
    node = _node(topology, near.node)
    document: Document = {
        "message": message,
        "event": {"kind": "event", "category": ["network"], "type": ["change"], "action": action, "dataset": DATASET},
        "host": {"name": node.name, "ip": [host_of(node.id)] if node.known else list(node.addresses)},
        "fenghuo": {"topology": _end("", topology, near)},
    }
    if far is not None:
        other = _node(topology, far.node)
        document["fenghuo"]["topology"] |= _end("neighbour_", topology, far)
        about = {
            "neighbour_mac": decode.mac_text(other.mac) if other.mac else "",
            "neighbour_ip": list(other.addresses),
            "neighbour_description": other.descr,
            "neighbour_capabilities": sorted(other.capabilities),
        }
        document["fenghuo"]["topology"] |= {key: value for key, value in about.items() if value}
    return document
