"""`fenghuo survey`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.cli.output import print_json, say
from fenghuo.clock import SystemClock
from fenghuo_agent.snmp.access import Credential, Target
from fenghuo_agent.snmp.options import (
    AuthFileOption,
    AuthOption,
    CommunityFileOption,
    CommunityOption,
    ContextOption,
    PrivFileOption,
    PrivOption,
    UserOption,
    VersionOption,
    credentials_of,
    target_of,
)
from fenghuo_agent.snmp.session import Timing

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.command()
def survey(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="udp://HOST:PORT, an address, or the file of a recorded walk.")
    ],
    community: CommunityOption = "",
    community_file: CommunityFileOption = None,
    version: VersionOption = "",
    user: UserOption = "",
    auth: AuthOption = "",
    auth_file: AuthFileOption = None,
    priv: PrivOption = "",
    priv_file: PrivFileOption = None,
    context: ContextOption = "",
    profiles: Annotated[
        list[Path], typer.Option("--profiles", metavar="FOLDER", help="Profiles of your own, which win over ours.")
    ] = [],  # noqa: B006 — typer's way; never changed
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.05, help="Wait for one answer.")
    ] = 2.0,
    retries: Annotated[int, typer.Option("--retries", min=0, max=10, help="Times to ask again.")] = 2,
    deadline: Annotated[float, typer.Option("--deadline", metavar="SECONDS", min=1, help="In all.")] = 300.0,
    recording: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Record all that the device has, for survey FILE.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read all that one device tells by SNMP: who it is, ports, sensors, supplies, wireless, neighbours, addresses."""
    path = Path(address)
    if path.suffix == ".snmprec" or path.is_file():
        _print(asyncio.run(_recorded(path, profiles)), as_json=as_json)
        return
    credentials = credentials_of(
        community=community, community_file=community_file, version=version, user=user, auth=auth, auth_file=auth_file,
        priv=priv, priv_file=priv_file, context=context,
    )  # fmt: skip
    if recording is not None:
        count = asyncio.run(_record(target_of(address), credentials, Timing(timeout, retries), deadline, recording))
        say(f"{recording}: {count} instances")
        return
    document = asyncio.run(_survey(target_of(address), credentials, profiles, Timing(timeout, retries), deadline))
    _print(document, as_json=as_json)


def _print(document: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    from fenghuo_agent.survey.pages import pages  # noqa: PLC0415 — JSON does without it

    for line in pages(document):
        sys.stdout.write(f"{line}\n")


async def _survey(
    target: Target, credentials: list[Credential], profiles: list[Path], timing: Timing, deadline: float
) -> dict[str, Any]:
    from fenghuo_agent.profiles import Library  # noqa: PLC0415 — wrong options are told without it
    from fenghuo_agent.survey.ask import opened  # noqa: PLC0415 — see above
    from fenghuo_agent.survey.document import survey as read  # noqa: PLC0415 — see above

    clock, random = SystemClock(), Random()
    library = Library.load(profiles)
    session, _ = await opened(target, credentials, timing, deadline, clock, random)
    with session:
        return await read(session, library, clock.monotonic)


async def _recorded(path: Path, profiles: list[Path]) -> dict[str, Any]:
    from fenghuo_agent.profiles import Library  # noqa: PLC0415 — see above
    from fenghuo_agent.survey.document import survey as read  # noqa: PLC0415 — see above
    from fenghuo_agent.survey.recording import Recording  # noqa: PLC0415 — see above

    return await read(Recording(path), Library.load(profiles), SystemClock().monotonic)


async def _record(target: Target, credentials: list[Credential], timing: Timing, deadline: float, path: Path) -> int:
    from fenghuo_agent.survey.ask import opened  # noqa: PLC0415 — see above
    from fenghuo_agent.survey.record import record  # noqa: PLC0415 — see above

    session, _ = await opened(target, credentials, timing, deadline, SystemClock(), Random())
    with session, path.open("w", encoding="utf-8") as out:
        return await record(session, out)
