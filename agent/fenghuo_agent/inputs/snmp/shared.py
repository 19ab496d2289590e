"""What all devices of an input have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from fenghuo.clock import Clock
from fenghuo_agent.inputs.snmp.config import SnmpConfig
from fenghuo_agent.inputs.snmp.labels import Names
from fenghuo_agent.inputs.snmp.plan import Plans
from fenghuo_agent.inputs.snmp.tally import Tally
from fenghuo_agent.profiles import Library
from fenghuo_agent.snmp.keyring import Keyring


@dataclass(slots=True)
class Shared:
    """`config` and `library` are those of now: they may be exchanged while devices are polled."""

    config: SnmpConfig
    clock: Clock
    random: Random
    tally: Tally
    plans: Plans = field(default_factory=Plans)
    names: Names = field(default_factory=Names)
    library: Library = field(default_factory=Library.load)
    explain: Callable[[str], tuple[int, int] | None] = lambda _: None
    """Of an instance that does not answer: whether it is cut off by another (1 or 0), and how many others it cuts off."""
    keyring: Keyring = field(init=False)

    def __post_init__(self) -> None:
        self.keyring = Keyring(self.clock.monotonic, self.random)
