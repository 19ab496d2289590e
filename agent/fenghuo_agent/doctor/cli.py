"""`fenghuo doctor`."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.cli.output import print_json, styled
from fenghuo.clock import SystemClock
from fenghuo.config import load
from fenghuo_agent.doctor.findings import Finding, Result
from fenghuo_agent.inputs.snmp.config import Device, SnmpConfig
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.options import (
    AuthFileOption,
    AuthOption,
    CommunityFileOption,
    CommunityOption,
    ContextOption,
    PrivFileOption,
    PrivOption,
    Unusable,
    UserOption,
    VersionOption,
    credentials_of,
    target_of,
)
from fenghuo_agent.snmp.session import Timing

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_AT_ONCE = 32
_MARKS = {Result.OK: ("ok", "green"), Result.DOUBT: ("?", "yellow"), Result.WRONG: ("!!", "red")}


@app.command()
def doctor(
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="udp://HOST:PORT, or an address.")] = "",
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="The agent's: its devices, or ADDRESS with its credentials."
        ),
    ] = None,
    community: CommunityOption = "",
    community_file: CommunityFileOption = None,
    version: VersionOption = "",
    user: UserOption = "",
    auth: AuthOption = "",
    auth_file: AuthFileOption = None,
    priv: PrivOption = "",
    priv_file: PrivFileOption = None,
    context: ContextOption = "",
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.05, help="Wait for one answer.")
    ] = 2.0,
    as_json: JsonOption = False,
) -> None:
    """Say why a device cannot be read by SNMP: routing, firewall, community, user, password, engine time, privacy or view."""
    timing = Timing(timeout, 1)
    if config is not None:
        asked = _configured(config, address)
    else:
        given = credentials_of(
            community=community, community_file=community_file, version=version, user=user, auth=auth,
            auth_file=auth_file, priv=priv, priv_file=priv_file, context=context,
        )  # fmt: skip
        if not address:
            raise Unusable("give an ADDRESS, or --config FILE for the devices that it names")
        asked = [(target_of(address), given)]
    found = asyncio.run(_examine(asked, timing))
    if as_json:
        print_json(
            [
                {"instance": target.instance, "findings": [dataclasses.asdict(each) for each in findings]}
                for target, findings in found
            ]
        )
    else:
        _print(found)
    raise typer.Exit(int(any(each.result is Result.WRONG for _, findings in found for each in findings)))


def _configured(path: Path, address: str) -> list[tuple[Target, Sequence[Credential]]]:
    from fenghuo_agent.config import AgentConfig  # noqa: PLC0415 — an address on the command line does without it
    from fenghuo_agent.inputs.snmp.listed import listed  # noqa: PLC0415 — see above

    loaded = load(path, AgentConfig, env=os.environ)
    snmp = loaded.inputs.snmp
    if snmp is None:
        raise Unusable(f"{path} names no `inputs.snmp`")
    devices = {device.target: snmp.credentials_of(device) for device in _found(snmp, loaded.spool.path)}
    devices |= {device.target: snmp.credentials_of(device) for device in listed(snmp)}
    if address:
        target = target_of(address)
        return [(target, devices.get(target) or snmp.credentials_of(_device(target.instance)))]
    if not devices:
        raise Unusable(f"{path} lists no devices, and none are found yet: give an ADDRESS")
    return list(devices.items())


def _found(snmp: SnmpConfig, spool: Path) -> list[Device]:
    """What the agent has found by itself and not given up."""
    if snmp.discover is None:
        return []
    from fenghuo_agent.discovery import store  # noqa: PLC0415 — only where something is found by itself
    from fenghuo_agent.discovery.config import state_path  # noqa: PLC0415 — see above
    from fenghuo_agent.discovery.questions import label_of  # noqa: PLC0415 — see above

    labels = {label_of(each, place) for place, each in enumerate(snmp.credentials)}
    return [
        _device(each.instance, each.credential if each.credential in labels else "")
        for each in store.load(state_path(snmp.discover, spool)).devices
        if each.state != "gone"
    ]


def _device(address: str, credential: str = "") -> Device:
    return Device.model_validate({"address": address, "credential": credential})


async def _examine(
    asked: Sequence[tuple[Target, Sequence[Credential]]], timing: Timing
) -> list[tuple[Target, list[Finding]]]:
    from fenghuo_agent.doctor.examine import Doctor  # noqa: PLC0415 — wrong options are told without it

    examiner = Doctor(timing, SystemClock(), Random())
    places = asyncio.Semaphore(_AT_ONCE)

    async def examined(target: Target, credentials: Sequence[Credential]) -> list[Finding]:
        async with places:
            return await examiner.examine(target, credentials)

    results = await asyncio.gather(*(examined(target, credentials) for target, credentials in asked))
    return [(target, findings) for (target, _), findings in zip(asked, results, strict=True)]


def _print(found: list[tuple[Target, list[Finding]]]) -> None:
    out = sys.stdout
    for target, findings in found:
        out.write(f"{styled(target.instance, 'bold', out)}\n")
        for each in findings:
            mark, style = _MARKS[each.result]
            out.write(f"  {styled(f'{mark:2}', style, out)}  {each.check}: {each.said}\n")
            for advice in filter(None, (each.advice, each.advice_zh)):
                out.write(f"      {advice}\n")
