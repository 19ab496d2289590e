"""The console's section of the collector's configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fenghuo.config import Duration, Secret, Section


class ConsoleConfig(Section):
    """Pages and a read-only JSON API for people."""

    listen: str = Field("127.0.0.1:8600", description="Address and port of the console, such as 127.0.0.1:8600.")
    users: dict[str, str] = Field(
        default_factory=dict,
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
