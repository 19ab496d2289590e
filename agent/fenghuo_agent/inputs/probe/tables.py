"""What a probe found, as tables: the target's values, the time of each phase, and what it says of itself (`…_info`).

The layouts of the first two never change. The last changes with a certificate or a protocol's version: the series before
end then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fenghuo.model import Layout, Table
from fenghuo_agent.inputs.probe.outcome import Findings
from fenghuo_agent.inputs.probe.target import Target

JOB = "probe"
COMMON = (
    "probe_success",
    "probe_explained",
    "probe_duration_seconds",
    "probe_timeout_seconds",
    "probe_dns_lookup_time_seconds",
    "probe_ip_protocol",
    "probe_ip_addr_hash",
)
EXPIRY, LEFT = "probe_ssl_earliest_cert_expiry", "probe_ssl_valid_seconds"


class Tables:
    """Makes the tables of one target. `fields` are its kind's values, `phases` those of `probe_<kind>_duration_seconds`."""

    def __init__(self, target: Target[Any], fields: tuple[str, ...], phases: tuple[str, ...]) -> None:
        named = {"job": JOB, "instance": target.instance, "device": target.device}
        self._labels = {**named, "module": target.kind, "host": target.host, **target.labels}
        own = (*fields, LEFT) if EXPIRY in fields else fields
        self._values = Layout("probe", self._labels, {}, (*COMMON, *own))
        self._phases = Layout(
            "probe_phase", self._labels, {"phase": phases}, (f"probe_{target.kind}_duration_seconds",)
        )
        self._info: Layout | None = None
        self._infos: Mapping[str, Mapping[str, str]] = {}

    def make(self, findings: Findings, now: int) -> Iterator[Table]:
        """The tables at `now` (Unix milliseconds)."""
        values, phases = findings.values, findings.phases
        expiry = values.get(EXPIRY)
        if expiry is not None:
            values[LEFT] = expiry - now / 1000
        yield Table(self._values, now, [(values.get(field),) for field in self._values.fields])
        if phases:
            yield Table(self._phases, now, [[phases.get(phase) for phase in self._phases.row_labels["phase"]]])
        if findings.infos:
            yield from self._tell(findings.infos, now)

    def end(self, now: int) -> Iterator[Table]:
        """Say that the target's series end."""
        for layout in (self._values, self._phases, self._info):
            if layout is not None:
                yield _ended(layout, now)

    def _tell(self, infos: Mapping[str, Mapping[str, str]], now: int) -> Iterator[Table]:
        if self._info is not None and infos != self._infos:
            yield _ended(self._info, now - 1)
            self._info = None
        if self._info is None:
            self._infos = {name: dict(labels) for name, labels in infos.items()}
            names = dict.fromkeys(label for labels in infos.values() for label in labels)
            rows = {name: [labels.get(name, "") for labels in infos.values()] for name in names}
            self._info = Layout("probe_info", self._labels, rows, tuple(infos))
        count = len(self._info.fields)
        yield Table(
            self._info, now, [[1 if row == column else None for row in range(count)] for column in range(count)]
        )


def _ended(layout: Layout, now: int) -> Table:
    return Table(layout, now, [[None] * layout.height for _ in layout.fields], ended=True)
