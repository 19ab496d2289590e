"""`fenghuo agent topology` and `fenghuo agent locate`: their options."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fenghuo.cli.options import ConfigOption, JsonOption
from fenghuo.cli.output import print_json, say
from fenghuo_agent.daemon import DEFAULT_FILE

NOT_FOUND = 1


def topology(
    config: ConfigOption = DEFAULT_FILE,
    as_json: JsonOption = False,
    as_dot: Annotated[bool, typer.Option("--dot", help="Print the links as a graph for Graphviz.")] = False,
) -> None:
    """Read neighbours, forwarding tables and ARP of all devices once, and print links and what hangs on which port.

    Exit status 1 where no device could be read.
    """
    from fenghuo_agent.topology import command  # noqa: PLC0415 — help does without it

    outcome = command.read(config)
    if as_json:
        print_json(command.document(outcome))
    elif as_dot:
        sys.stdout.writelines(f"{line}\n" for line in command.dot(outcome.topology))
    else:
        command.show(outcome)
    if not outcome.topology.seen:
        raise typer.Exit(NOT_FOUND)


def locate(
    wanted: Annotated[str, typer.Argument(metavar="MAC|ADDRESS|NAME", help="What to look for.")],
    config: ConfigOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """Find the switch and port where a MAC, an IP address or a device is. Exit status 1 where nobody has seen it."""
    from fenghuo_agent.topology import command  # noqa: PLC0415 — help does without it

    outcome = command.read(config)
    seen = outcome.topology
    locations, links = command.search(seen, wanted)
    if as_json:
        places = [command.location_document(seen, one) for one in locations]
        print_json(
            {"wanted": wanted, "locations": places, "links": [command.link_document(seen, one) for one in links]}
        )
    else:
        if locations:
            command.show_locations(seen, locations)
        if links:
            command.show_links(seen, links)
    if not locations and not links:
        say(f"nobody has seen {wanted}")
        raise typer.Exit(NOT_FOUND)
