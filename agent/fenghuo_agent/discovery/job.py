"""What a scan by hand is to do: where, with which credentials, how politely; from the options and the configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fenghuo.config import load
from fenghuo_agent.discovery.config import STATE_FILE, DiscoverConfig, nowhere, state_path
from fenghuo_agent.discovery.scan import Manners
from fenghuo_agent.discovery.subnets import Scope, parse_ports, parse_spans
from fenghuo_agent.snmp.access import SNMP_PORT, Credential, Target
from fenghuo_agent.snmp.options import Unusable

if TYPE_CHECKING:
    from fenghuo_agent.inputs.snmp.config import SnmpConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the agent's configuration says."""

    snmp: SnmpConfig
    discover: DiscoverConfig | None
    state: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`credentials_of` says which are tried where; `state` is the file that remembers attempts at v3 users, over runs.

    `names` are the credentials that the agent knows by name.
    """

    scope: Scope
    credentials_of: Callable[[Target], Sequence[Credential]]
    manners: Manners
    wrong_attempts: int
    profiles: Sequence[Path] = ()
    state: Path
    names: Sequence[Credential] = ()
    devices_file: Path = Path("devices.yaml")


def configured(path: Path) -> Configured:
    """The agent's configuration. Raises `Located`, or `Unusable` where it has no `snmp` section."""
    from fenghuo_agent.config import AgentConfig  # noqa: PLC0415 — only where one is named

    loaded = load(path, AgentConfig, env=os.environ)
    snmp = loaded.inputs.snmp
    if snmp is None:
        raise Unusable(f"{path}: has no `inputs.snmp`, so neither subnets nor credentials")
    found = snmp.discover
    return Configured(snmp=snmp, discover=found, state=state_path(found, loaded.spool.path) if found else None)


def job_of(
    config: Configured | None,
    subnets: Sequence[str],
    given: Sequence[Credential],
    *,
    exclude: Sequence[str] = (),
    port: str = "",
    rate: int | None = None,
    wrong_attempts: int | None = None,
    profiles: Sequence[Path] = (),
) -> Job:
    """The job of these options; what they do not say is the configuration's. Raises `Unusable`."""
    section = config.discover if config else None
    credentials = [*given, *(config.snmp.credentials if config else ())]
    if not credentials:
        raise Unusable(
            "nothing to ask with: give --community NAME, --community-file FILE, --user NAME with --auth and --priv, "
            "or --config FILE"
        )
    if not subnets and section is None:
        raise Unusable("nowhere to look: give a subnet such as 10.20.0.0/22, or a configuration with `discover`")
    defaults = section or nowhere()
    chooser = section.chooser(config.snmp.credentials) if section and config and not subnets and not given else None
    try:
        ports = parse_ports(port) if port else (SNMP_PORT,)
        spans = parse_spans(subnets or [entry.subnet for entry in defaults.subnets])
        scope = Scope(spans, parse_spans([*exclude, *(section.exclude if section else ())]), ports)
    except ValueError as error:
        raise Unusable(str(error)) from None
    return Job(
        scope=scope,
        credentials_of=chooser or (lambda _: credentials),
        manners=Manners(rate=rate or defaults.rate, timeout=defaults.timeout, retries=defaults.retries),
        wrong_attempts=wrong_attempts or defaults.wrong_attempts,
        profiles=profiles or (config.snmp.profiles if config else ()),
        state=(config.state if config else None) or own_state(),
        names=config.snmp.credentials if config else (),
        devices_file=(config.snmp.devices_file if config else None) or Path("devices.yaml"),
    )


def own_state() -> Path:
    """Where attempts are remembered for somebody who runs scans without an agent's configuration."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "fenghuo" / STATE_FILE
