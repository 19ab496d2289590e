"""An MQTT broker that Fenghuo connects to, configured alike by agents and collectors."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from fenghuo.config.secret import Secret
from fenghuo.config.section import Section
from fenghuo.config.tls import Tls

_PORTS = {"mqtt": 1883, "mqtts": 8883}


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("expected mqtt://HOST[:PORT], or mqtts://HOST[:PORT] for TLS")
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("expected a host and at most a port, as in mqtts://HOST:8883")
    if parts.username is not None or parts.password is not None:
        raise ValueError("give the user name and password as `username` and `password`, not inside the URL")
    _ = parts.port  # raises ValueError where it is none
    return url


BrokerUrl = Annotated[str, AfterValidator(_check_url)]
"""`mqtt://` or `mqtts://` with a host and perhaps a port, without credentials in it."""


class Broker(Section):
    """Where a broker is, and who we are there."""

    url: BrokerUrl = Field(
        description="The broker: `mqtts://HOST`, or `mqtts://HOST:PORT` for another port than 8883; "
        "`mqtt://` is without TLS."
    )
    username: str | None = Field(
        default=None, description="User name; not needed where the certificate says who we are."
    )
    password: Secret | None = Field(default=None, description="Password that belongs to the user name.")
    tls: Tls = Field(
        default_factory=Tls, description="How the broker of an `mqtts://` URL is verified, and what we show it."
    )
    version: Literal["auto", "5", "3.1.1"] = Field(
        default="auto",
        description="Version of MQTT to speak; `auto`: 5, or 3.1.1 where the broker (the embedded one) speaks no 5.",
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.tls.given and not self.encrypted:
            raise ValueError("`tls` needs an mqtts:// URL")
        if self.password is not None and self.username is None:
            raise ValueError("`password` needs a `username`")
        return self

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]
