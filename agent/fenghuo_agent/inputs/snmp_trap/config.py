"""The `snmp_trap` section of the agent's configuration."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from fenghuo.config import Duration, LocalPath, Section, Size
from fenghuo_agent.snmp.access import Credential, Target, parse_address

TRAP_PORT = 162


def parse_listen(text: str) -> Target:
    """Where to listen: as `parse_address` reads it, with port 162 where none is given."""
    return parse_address(text, TRAP_PORT)


def _check_listen(text: str) -> str:
    parse_listen(text)
    return text


def _check_network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r}: expected a network such as 10.20.0.0/16 ({error})") from None


def _check_host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r}: expected an IP address such as 10.20.0.9") from None


def _check_engine(text: str) -> str:
    try:
        engine = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise ValueError(
            f"{text!r}: expected an engine id in hexadecimal, such as 80001f8880e9630000d61ff449"
        ) from None
    if not 5 <= len(engine) <= 32:
        raise ValueError(f"{text!r}: an engine id has 5 to 32 octets (RFC 3411)")
    return engine.hex()


ListenAddress = Annotated[str, AfterValidator(_check_listen)]
Network = Annotated[str, AfterValidator(_check_network)]
Host = Annotated[str, AfterValidator(_check_host)]
EngineId = Annotated[str, AfterValidator(_check_engine)]


class SnmpTrapConfig(Section):
    """Notifications (traps and informs) that devices send by SNMP v1, v2c or v3."""

    listen: list[ListenAddress] = Field(
        ["0.0.0.0:162", "[::]:162"],
        min_length=1,
        max_length=16,
        description="Addresses to listen on, with a port where it is not 162. Ports below 1024 need CAP_NET_BIND_SERVICE.",
    )
    credentials: list[Credential] = Field(
        default_factory=list[Credential],
        description="Communities and users that are believed; those of `snmp` where none is given. "
        "A community stands for v1 and v2c alike.",
    )
    allow: list[Network] = Field(
        default_factory=list[str], description="Networks that notifications may come from; any where none is given."
    )
    relays: list[Host] = Field(
        default_factory=list[str],
        description="Addresses of forwarders: the device is then the one that the notification names, not the sender.",
    )
    engines: list[EngineId] = Field(
        default_factory=list[str],
        description="Engine ids (hexadecimal) whose v3 traps are believed; any that signs rightly where none is given.",
    )
    engine_id: EngineId | None = Field(
        None, description="Our own engine id for v3 informs; by default one is made at random and kept in `state`."
    )
    state: LocalPath | None = Field(
        None, description="File that keeps engine ids, boots and times; `snmp-engine.json` beside the spool by default."
    )
    device_rate: float = Field(
        10.0, gt=0, le=10_000, description="Notifications a second that are taken of one device in the long run."
    )
    device_burst: int = Field(100, ge=1, le=100_000, description="Notifications that are taken of one device at once.")
    total_rate: float = Field(
        500.0, gt=0, le=100_000, description="Notifications a second that are taken of all devices."
    )
    total_burst: int = Field(
        2_000, ge=1, le=1_000_000, description="Notifications that are taken of all devices at once."
    )
    strangers_rate: float = Field(
        200.0,
        gt=0,
        le=100_000,
        description="Datagrams a second that are looked at from all addresses of which none was accepted before.",
    )
    max_devices: int = Field(4096, ge=16, le=65536, description="Devices that are told apart when they send too much.")
    summary_interval: Duration = Field(
        60.0, ge=0.1, le=3600, description="How often it is told what was shed or denied: one event a device."
    )
    receive_buffer: Size = Field(
        4 << 20, ge=4096, le=64 << 20, description="The kernel's buffer for datagrams that wait to be read."
    )
    max_varbinds: int = Field(64, ge=1, le=1024, description="Variable bindings that are kept of one notification.")
    max_value: int = Field(256, ge=16, le=4096, description="Characters that are kept of one value.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        targets = [parse_listen(text) for text in self.listen]
        if len(set(targets)) != len(targets):
            raise ValueError("an address is given twice in `listen`")
        return self

    @property
    def targets(self) -> list[Target]:
        """Where to listen."""
        return [parse_listen(text) for text in self.listen]
