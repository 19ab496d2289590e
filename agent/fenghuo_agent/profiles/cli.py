"""`fenghuo profiles`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fenghuo.cli.options import JsonOption
from fenghuo.cli.output import print_error, print_json, problem_json, say
from fenghuo.config.words import suggest
from fenghuo.errors import Located, Problem
from fenghuo_agent.profiles import traps
from fenghuo_agent.profiles.files import profile_files, shipped_path
from fenghuo_agent.profiles.library import Library, parse_oid

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Folders = Annotated[list[Path], typer.Argument(metavar="[FOLDER]…", help="Profiles of your own, which win over ours.")]


@app.callback()
def profiles() -> None:
    """Check, list and explain device profiles."""


@app.command()
def check(folders: Folders = [], as_json: JsonOption = False) -> None:  # noqa: B006 — typer's way; never changed
    """Check the shipped profiles and those in FOLDER; print what is wrong, each at its place."""
    files, problems = profile_files([shipped_path(), *folders])
    library = Library(files)
    problems += [*library.check(), *traps.check(library)]
    if as_json:
        print_json({"ok": not problems, "profiles": len(files), "problems": [problem_json(each) for each in problems]})
    elif problems:
        print_error(Located(sorted(problems, key=_place)))
    else:
        sys.stdout.write(f"{len(files)} profiles: OK\n")
    raise typer.Exit(int(bool(problems)))


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.place.file, problem.place.line, problem.place.column


@app.command("list")
def list_(folders: Folders = [], as_json: JsonOption = False) -> None:  # noqa: B006 — typer's way; never changed
    """List the profiles: name, how devices are told, title."""
    library = Library.load(folders)
    found = [_summary(library, name) for name in library.names]
    if as_json:
        print_json(found)
        return
    for each in found:
        told = "every device" if each["standard"] else ", ".join(each["sysObjectID"]) or "-"
        sys.stdout.write(f"{each['name']:32} {each['title']}\n{'':32} {told}\n")


def _summary(library: Library, name: str) -> dict[str, Any]:
    head = library.file(name).head
    return {
        "name": name,
        "title": head.title,
        "standard": head.standard,
        "extends": head.extends,
        "sysObjectID": [oid for match in head.match for oid in match.sysObjectID],
        "file": str(library.file(name).path),
    }


@app.command()
def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A profile, or the sysObjectID of a device.")],
    description: Annotated[
        str, typer.Option("--sysdescr", metavar="TEXT", help="With a sysObjectID: the device's sysDescr.")
    ] = "",
    profiles: Annotated[
        list[Path], typer.Option("--profiles", metavar="FOLDER", help="Profiles of your own, which win over ours.")
    ] = [],  # noqa: B006 — typer's way; never changed
    as_json: JsonOption = False,
) -> None:
    """Say what a profile reads and how each value is made, or which profiles a device's sysObjectID leads to."""
    from fenghuo_agent.profiles.explain import explained, lines  # noqa: PLC0415 — the other commands do without it

    library = Library.load(profiles)
    if name.replace(".", "").isdecimal():
        _candidates(library, name, description, as_json=as_json)
        return
    if name not in library.names:
        say(f"there is no profile {name!r}" + (f" ({hint})" if (hint := suggest(name, library.names)) else ""))
        raise typer.Exit(1)
    document = explained(library, name)
    if as_json:
        print_json(document)
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(document))


def _candidates(library: Library, object_id: str, description: str, *, as_json: bool) -> None:
    found = [
        {"profile": name, "present": [".".join(map(str, oid)) for oid in match.present]}
        for match, name in library.candidates(parse_oid(object_id), description)
    ]
    if as_json:
        print_json(found)
        return
    for each in found:
        asked = f"  where it has {' or '.join(each['present'])}" if each["present"] else ""
        sys.stdout.write(f"{each['profile']}{asked}\n")
    sys.stdout.write("generic\n")
