"""What an input is.

An input reads its source and hands what it read to an `Accumulator`. It does not retry what it cannot mend: it raises,
and the supervisor starts it again with back-off. Each input is a package of the same files: `config.py` (its section of
the configuration), `input.py` (the input), `sample.yaml` (an example, tested and shown in the docs).
"""

from __future__ import annotations

from typing import Protocol

from fenghuo.model import Asset, Event, Table


class Accumulator(Protocol):
    """Takes what inputs read. Nothing here waits: bounds and losses are the pipeline's to keep and count."""

    def table(self, table: Table) -> None: ...

    def event(self, event: Event) -> None: ...

    def asset(self, asset: Asset) -> None: ...


class Input(Protocol):
    """One configured source, or many of one kind."""

    @property
    def name(self) -> str:
        """Short and unique among the agent's inputs, e.g. `snmp`, `mqtt_sensor[0]`; a metric label."""
        ...

    @property
    def datasets(self) -> frozenset[str]:
        """The datasets (`event.dataset`) of its events; rules over others are not loaded. None for readings and assets."""
        ...

    async def run(self, accumulator: Accumulator) -> None:
        """Read until cancelled. Raises when the source as a whole fails; one bad device or message never ends it."""
        ...

    async def once(self, accumulator: Accumulator) -> None:
        """One round of everything, for `agent once`; raises an error that says what failed and what to do."""
        ...
