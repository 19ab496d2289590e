"""The `discover` part of the `snmp` section."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fenghuo.config import Duration, LocalPath, Section
from fenghuo_agent.discovery.subnets import Scope, Span, parse_span, parse_spans
from fenghuo_agent.snmp.access import SNMP_PORT, Credential, Target, credentials_for


def _check_span(text: str) -> str:
    parse_span(text)
    return text


SpanText = Annotated[str, AfterValidator(_check_span)]


class Subnet(Section):
    """Where to look, and with which credentials."""

    subnet: SpanText = Field(
        description="A subnet (10.20.0.0/22), a range (10.20.0.10-10.20.0.99) or an address, with :PORT where it is not "
        "161. IPv6 subnets are not swept: of them only addresses are asked that neighbour tables name.",
        examples=["10.20.0.0/22"],
    )
    credentials: list[str] = Field(
        default_factory=list[str],
        description="Names of the credentials to try there, in this order; by default all, in the order given.",
    )


def _subnet(value: Any) -> Any:
    return {"subnet": value} if isinstance(value, str) else value


SubnetEntry = Annotated[Subnet, BeforeValidator(_subnet, json_schema_input_type=str | Subnet)]


class DiscoverConfig(Section):
    """Devices that are found by themselves: only in these subnets, only by reading, and slowly."""

    subnets: list[SubnetEntry] = Field(min_length=1, description="Where to look; nothing outside is ever asked.")
    exclude: list[SpanText] = Field(
        default_factory=list[str], description="Subnets, ranges and addresses that are never asked."
    )
    adopt: bool = Field(
        True,
        description="Poll what is found. With `false` devices are only reported as assets, for the admin to review and "
        "write down with `fenghuo agent discover --write`.",
    )
    rate: int = Field(100, ge=1, le=10_000, description="Most datagrams a second, all devices together.")
    timeout: Duration = Field(2.0, ge=0.1, le=60, description="How long to wait for an answer before asking again.")
    retries: int = Field(1, ge=0, le=5, description="How often a silent address is asked the same again.")
    wrong_attempts: int = Field(
        2,
        ge=1,
        le=100,
        description="Most requests a day in the name of one v3 user that a device does not believe, so that it does not "
        "lock the user out.",
    )
    interval: Duration = Field(86_400.0, ge=60, description="Time between two scans of everything.")
    neighbours: Duration = Field(
        3600.0,
        ge=60,
        description="Time between two looks at new neighbours only (ARP, Neighbour Discovery, LLDP, CDP).",
    )
    forget_after: Duration = Field(
        7 * 86_400.0, ge=60, description="Silence after which a device counts as gone and is no longer polled."
    )
    state: LocalPath | None = Field(
        None, description="File that remembers what was found; by default discovery.json beside the spool."
    )

    @property
    def scope(self) -> Scope:
        """Where may be asked."""
        return Scope([span for span, _ in self.spans()], parse_spans(self.exclude), (SNMP_PORT,))

    def spans(self) -> list[tuple[Span, Subnet]]:
        """The subnets, read."""
        return [(parse_span(entry.subnet), entry) for entry in self.subnets]

    def chooser(self, credentials: Sequence[Credential]) -> Callable[[Target], Sequence[Credential]]:
        """Which credentials are tried where: those that the address's subnet names, else all that are for the address."""
        named = {credential.name: credential for credential in credentials if credential.name}
        by_span = [(span, tuple(named[name] for name in entry.credentials)) for span, entry in self.spans()]

        def of(target: Target) -> Sequence[Credential]:
            address = ip_address(target.host.partition("%")[0])
            chosen = next((chosen for span, chosen in by_span if address in span), ())
            return chosen or credentials_for(credentials, target.host)

        return of

    @model_validator(mode="after")
    def _of_a_size(self) -> Self:
        _ = self.scope
        return self

    def misnamed(self, credentials: Sequence[Credential]) -> str | None:
        """The first credential that a subnet names and that is none; None where all are."""
        names = {credential.name for credential in credentials if credential.name}
        return next((name for entry in self.subnets for name in entry.credentials if name not in names), None)


def subnets_alone(value: Any) -> Any:
    """Take a list of subnets, or one, for the options that have nothing else."""
    if isinstance(value, str):
        return {"subnets": [value]}
    return {"subnets": cast("list[Any]", value)} if isinstance(value, list) else value


Discover = Annotated[
    DiscoverConfig,
    BeforeValidator(subnets_alone, json_schema_input_type=list[str | Subnet] | DiscoverConfig),
]

STATE_FILE = "discovery.json"


def state_path(config: DiscoverConfig, spool: Path) -> Path:
    """Where the state is kept, beside the spool where nothing is said."""
    return config.state or spool.parent / STATE_FILE


def nowhere() -> DiscoverConfig:
    """The defaults, with an address that nobody has (RFC 5737)."""
    return DiscoverConfig.model_validate({"subnets": ["192.0.2.1"]})
