"""The console's section of the collector's configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from pydantic import AfterValidator, Field

from fenghuo.config import Duration, Secret, Section


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; ValueError where it is none."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected ADDRESS:PORT, such as 127.0.0.1:8600 or [::]:8600")
    return host.strip("[]"), int(port)


def _check_address(text: str) -> str:
    split_address(text)
    return text


def _check_hash(text: str) -> str:
    try:
        extract_parameters(text)
    except InvalidHashError:
        raise ValueError(
            "expected an Argon2 hash such as `fenghuo collector hash-password` prints, not a password"
        ) from None
    return text


class ConsoleConfig(Section):
    """Pages and a read-only JSON API for people."""

    listen: Annotated[str, AfterValidator(_check_address)] = Field(
        "127.0.0.1:8600", description="Address and port of the console, such as 127.0.0.1:8600."
    )
    users: dict[str, Annotated[str, AfterValidator(_check_hash)]] = Field(
        default_factory=dict[str, str],
        description="User name → password hash, as `fenghuo collector hash-password` prints it (Argon2id).",
    )
    language: Literal["zh", "en"] = Field("zh", description="Language for browsers that ask for neither.")
    session: Duration = Field(12 * 3600.0, description="How long a login lasts.")
    secure_cookies: bool = Field(False, description="Send cookies over HTTPS only; set it behind a TLS proxy.")
    metrics_token: Secret | None = Field(
        None,
        description="Token that a scrape of /metrics must bear (`Authorization: Bearer`); without it only this host may scrape.",
    )
    title: str = Field("", description="Shown beside the name, e.g. the district's; empty: the site path.")
