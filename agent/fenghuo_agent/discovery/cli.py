"""`fenghuo agent discover`: its options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.config import Secret
from fenghuo_agent.snmp.access import Credential
from fenghuo_agent.snmp.options import (
    AuthFileOption,
    AuthOption,
    CommunityFileOption,
    PrivFileOption,
    PrivOption,
    Unusable,
    UserOption,
    credentials_of,
)

FOUND_NOTHING, INTERRUPTED = 1, 130
COMMUNITIES = "FENGHUO_SNMP_COMMUNITY"


def discover(
    subnets: Annotated[
        list[str] | None,
        typer.Argument(metavar="SUBNET…", help="10.20.0.0/22, 10.20.0.10-99, an address; with :PORT or without."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="The agent's configuration: subnets, credentials, options."
        ),
    ] = None,
    community: Annotated[
        list[str] | None,
        typer.Option(
            "--community", metavar="NAME", help="Community to try; others on this host see it in `ps`. May be repeated."
        ),
    ] = None,
    community_file: CommunityFileOption = None,
    user: UserOption = "",
    auth: AuthOption = "",
    auth_file: AuthFileOption = None,
    priv: PrivOption = "",
    priv_file: PrivFileOption = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", metavar="SUBNET", help="Not to be asked.")] = None,
    port: Annotated[str, typer.Option("--port", metavar="PORT[-PORT]", help="Where it is not 161.")] = "",
    rate: Annotated[
        int | None, typer.Option("--rate", metavar="N", min=1, max=10_000, help="Datagrams a second in all.")
    ] = None,
    wrong_attempts: Annotated[
        int | None,
        typer.Option(
            "--wrong-attempts",
            metavar="N",
            min=1,
            max=100,
            help="Most a day for one v3 user at one device that it refuses.",
        ),
    ] = None,
    profiles: Annotated[
        list[Path] | None,
        typer.Option("--profiles", metavar="FOLDER", help="Profiles of your own, which win over ours."),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Add what is new to the devices file, for review; leave the rest as it is.")
    ] = False,
    devices_file: Annotated[
        Path | None,
        typer.Option(
            "--devices-file",
            metavar="FILE",
            help="The file that --write writes; by default the configuration's, else devices.yaml.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find SNMP devices, politely, and say who they are. Ctrl-C ends it with what was found so far.

    Exit status 1 where no device was found.
    """
    given = [_community(each) for each in community or ()]
    if community_file is not None:
        given += [_community(each) for each in _lines(community_file)]
    if user:
        given += credentials_of(user=user, auth=auth, auth_file=auth_file, priv=priv, priv_file=priv_file)
    if not given and not config:
        given += [_community(each) for each in os.environ.get(COMMUNITIES, "").split()]
    from fenghuo_agent.discovery import command  # noqa: PLC0415 — wrong options are told without it
    from fenghuo_agent.discovery.job import configured, job_of  # noqa: PLC0415 — see above

    section = configured(config) if config else None
    job = job_of(
        section,
        subnets or [],
        given,
        exclude=exclude or [],
        port=port,
        rate=rate,
        wrong_attempts=wrong_attempts,
        profiles=profiles or [],
    )
    outcome = command.run(job)
    command.show(outcome, as_json=as_json)
    if write:
        command.write(outcome, job, devices_file or job.devices_file)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if not outcome.devices:
        raise typer.Exit(FOUND_NOTHING)


def _community(text: str) -> Credential:
    return Credential.model_validate({"community": Secret(text)})


def _lines(path: Path) -> list[str]:
    """The communities of a file, one a line."""
    try:
        found = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path}: {getattr(error, 'strerror', '') or error}") from None
    if not found:
        raise Unusable(f"{path}: holds no community")
    return found
