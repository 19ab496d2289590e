"""How a device is asked, given on the command line: `udp://HOST:PORT --community NAME`, `--user NAME …`."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from fenghuo.config import Secret
from fenghuo.errors import UsedWrongly
from fenghuo_agent.snmp.access import SNMP_PORT, AuthKeys, Credential, PrivKeys, Target, parse_address

CommunityOption = Annotated[
    str,
    typer.Option("--community", metavar="NAME", help="Community of v1 and v2c. Others on this host see it in `ps`."),
]
CommunityFileOption = Annotated[
    Path | None, typer.Option("--community-file", metavar="FILE", help="File that holds the community.")
]
VersionOption = Annotated[str, typer.Option("--version", metavar="1|2c", help="With a community: this version only.")]
UserOption = Annotated[str, typer.Option("--user", metavar="NAME", help="User of v3.")]
AuthOption = Annotated[
    str,
    typer.Option(
        "--auth",
        metavar="ALGORITHM",
        help=f"{', '.join(AuthKeys.model_fields)}; password in $FENGHUO_SNMP_AUTH or a file.",
    ),
]
AuthFileOption = Annotated[Path | None, typer.Option("--auth-file", metavar="FILE", help="File of that password.")]
PrivOption = Annotated[
    str,
    typer.Option(
        "--priv",
        metavar="ALGORITHM",
        help=f"{', '.join(PrivKeys.model_fields)}; password in $FENGHUO_SNMP_PRIV or a file.",
    ),
]
PrivFileOption = Annotated[Path | None, typer.Option("--priv-file", metavar="FILE", help="File of that password.")]
ContextOption = Annotated[str, typer.Option("--context", metavar="NAME", help="Context of v3.")]


COMMUNITIES = "FENGHUO_SNMP_COMMUNITY"
"""The variable of the environment that holds communities, apart by spaces."""


class Unusable(UsedWrongly):
    """Options that make no credential or no address."""


def target_of(text: str) -> Target:
    """Where a device is asked; a host name is looked up. Raises `Unusable`."""
    try:
        return parse_address(text)
    except ValueError as error:
        reason = str(error)
    host, _, port = text.removeprefix("udp://").rpartition(":")
    if not host:
        host, port = port, str(SNMP_PORT)
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise Unusable(reason)
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    except OSError as error:
        raise Unusable(f"{host}: {error.strerror or error}") from None
    return Target(str(found[0][4][0]), int(port))


def credentials_of(
    *,
    community: str = "",
    community_file: Path | None = None,
    version: str = "",
    user: str = "",
    auth: str = "",
    auth_file: Path | None = None,
    priv: str = "",
    priv_file: Path | None = None,
    context: str = "",
) -> list[Credential]:
    """Ways to ask, in the order in which they are tried: v2c and then v1 for a community. Raises `Unusable`.

    A file has a community a line, as for discovery; without any option those of the environment are tried.
    """
    communities = [community] if community else _lines(community_file) if community_file else []
    if not communities and not user and not community_file:
        communities = os.environ.get(COMMUNITIES, "").split()
    if bool(user) == bool(communities or community_file):
        raise Unusable("give --community NAME (or --community-file FILE), or --user NAME with --auth and --priv")
    try:
        if user:
            return [_user(user, auth, auth_file, priv, priv_file, context)]
        if version not in ("", "1", "2c"):
            raise Unusable("--version is 1 or 2c; for version 3 give --user")
        return [
            Credential.model_validate({"community": Secret(text), "version": each})
            for each in ((version,) if version else ("2c", "1"))
            for text in communities
        ]
    except ValidationError as error:
        raise Unusable("; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())) from None


def _lines(path: Path) -> list[str]:
    found = [line.strip() for line in _read(path, "").splitlines() if line.strip()]
    if not found:
        raise Unusable(f"{path}: holds no community")
    return found


def _user(user: str, auth: str, auth_file: Path | None, priv: str, priv_file: Path | None, context: str) -> Credential:
    body: dict[str, Any] = {"user": user, "context": context}
    if auth:
        body["auth"] = {_algorithm(auth, AuthKeys, "--auth"): Secret(_read(auth_file, "FENGHUO_SNMP_AUTH"))}
    if priv:
        body["priv"] = {_algorithm(priv, PrivKeys, "--priv"): Secret(_read(priv_file, "FENGHUO_SNMP_PRIV"))}
    return Credential.model_validate(body)


def _algorithm(text: str, keys: type[AuthKeys | PrivKeys], option: str) -> str:
    name = (
        text.lower().replace("-", "").replace("sha", "sha1") if text.lower() == "sha" else text.lower().replace("-", "")
    )
    name = "aes128" if name == "aes" else name
    if name not in keys.model_fields:
        raise Unusable(f"{option} {text}: expected one of {', '.join(keys.model_fields)}")
    return name


def _read(path: Path | None, variable: str) -> str:
    if path is None:
        value = os.environ.get(variable, "")
        if not value:
            raise Unusable(f"no password: set ${variable} or name a file")
        return value
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"{path}: {getattr(error, 'strerror', '') or error}") from None
