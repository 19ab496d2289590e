"""Topology as readings: a row a link, and for each port of a switch how many MACs are behind it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from fenghuo.model import Layout, Table, Value
from fenghuo_agent.topology.model import ACCESS, Topology

LINK_KEYS = ("ifIndex", "ifName", "neighbour", "neighbour_instance", "neighbour_port", "source")
PORT_KEYS = ("ifIndex", "ifName", "ifAlias", "uplink")
Row = tuple[str, ...]


class Readings:
    """Makes tables of successive topologies; series whose rows are gone end."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], Layout] = {}

    def tables(self, topology: Topology, labels: Mapping[str, Mapping[str, str]], now: int) -> list[Table]:
        """The tables of all devices; `labels` are those of each device that is polled, by its instance."""
        made: list[Table] = []
        layouts: dict[tuple[str, str], Layout] = {}
        for instance, own in labels.items():
            rows = sorted(set(_links(topology, instance)))
            one = topology.seen.get(instance)
            counts = sorted(one.count().items()) if one is not None and one.bridge else []
            ports = {_port(topology, instance, port): count for port, count in counts}
            for name, field, keys, values in (
                ("topology", "topology_link", LINK_KEYS, dict.fromkeys(rows, 1)),
                ("fdb", "fdb_port_macs", PORT_KEYS, ports),
            ):
                if values:
                    layout = self._layout((name, instance), own, keys, list(values), field)
                    layouts[name, instance] = layout
                    made.append(Table(layout, now, [list[Value](values.values())]))
        ended = [table for key, old in self._before.items() if (table := _ended(old, layouts.get(key), now))]
        self._before = layouts
        return ended + made

    def _layout(self, key: tuple[str, str], own: Mapping[str, str], keys: Row, rows: list[Row], field: str) -> Layout:
        """The layout of before where nothing is another, so that its rows are told but once."""
        columns = {name: [row[place] for row in rows] for place, name in enumerate(keys)}
        before = self._before.get(key)
        if before is not None and before.row_labels == columns and before.labels == own:
            return before
        return Layout(key[0], dict(own), columns, (field,))


def _links(topology: Topology, instance: str) -> Iterable[Row]:
    for link in topology.links:
        if instance not in (link.a.node, link.b.node):
            continue
        near, far = link.end(instance), link.other(instance)
        node = topology.nodes[far.node]
        index = str(near.if_index or "")
        yield (index, near.port, node.name, node.id if node.known else "", far.port, "+".join(sorted(link.sources)))


def _port(topology: Topology, instance: str, port: int) -> Row:
    found = topology.seen[instance].ports.get(port)
    uplink = topology.uplinks.get((instance, port), ACCESS)
    if found is None:
        return sys.intern(str(port)), "", "", uplink
    return sys.intern(str(port)), found.name or found.descr, found.alias, uplink


def _ended(old: Layout, new: Layout | None, now: int) -> Table | None:
    if old is new:
        return None
    left: set[Row] = set()
    if new is not None and new.labels == old.labels:
        left = set(zip(*new.row_labels.values(), strict=True))
    gone = [row for row in zip(*old.row_labels.values(), strict=True) if row not in left]
    if not gone:
        return None
    columns = {key: [row[place] for row in gone] for place, key in enumerate(old.row_labels)}
    return Table(Layout(old.name, old.labels, columns, old.fields), now, [[None] * len(gone)], ended=True)
