"""The `topology` section of the SNMP input."""

from __future__ import annotations

from pydantic import Field

from fenghuo.config import Duration, Section
from fenghuo_agent.snmp.access import Address


class TopologyConfig(Section):
    """Links between devices, and where each MAC and IP address is, read from the devices that are polled."""

    enabled: bool = Field(default=True, description="Whether to read neighbours, forwarding tables and ARP at all.")
    interval: Duration = Field(default=600.0, ge=30, description="Time between two readings of a device's tables.")
    concurrency: int = Field(default=2, ge=1, le=64, description="Most devices read at the same time.")
    deadline: Duration = Field(default=120.0, gt=0, description="How long reading one device may take in all.")
    vlan_contexts: bool = Field(
        default=True,
        description="Whether Cisco switches without VLANs in their forwarding table are asked for each VLAN's, by "
        "`community@vlan` or the v3 context `vlan-<n>`.",
    )
    max_rows: int = Field(default=32_768, ge=1, le=1_000_000, description="Most rows of one table of one device.")
    max_macs: int = Field(
        default=65_536, ge=1, le=1_000_000, description="Most MAC addresses whose places are remembered."
    )
    remember: Duration = Field(
        default=86_400.0, gt=0, description="How long the place of a MAC that is not seen any more is kept."
    )
    max_events: int = Field(
        default=100, ge=1, le=10_000, description="Most events of one round; more are only counted."
    )
    root: Address | None = Field(
        default=None,
        description="The device from which all others are reached; by default the switch at which the agent hangs, "
        "else its gateway, else the device with the most links.",
    )
