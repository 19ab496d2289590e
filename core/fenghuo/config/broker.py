"""An MQTT broker that Fenghuo connects to, configured alike by agents and collectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from fenghuo.config.secret import Secret
from fenghuo.config.section import Section
from fenghuo.config.tls import Tls

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXPECTED = "expected mqtt://HOST[:PORT], or mqtts://HOST[:PORT] for TLS"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is; `secure` means TLS."""

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Read `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`; ValueError, which does not quote it, where it is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError(f"no address: {_EXPECTED}") from None
        if parts.username is not None or parts.password is not None:
            raise ValueError("give user name and password as `username` and `password_file`, not in the address")
        if parts.scheme not in _PORTS or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"no broker's address: {_EXPECTED}")
        return cls(host, _PORTS[parts.scheme] if port is None else port, parts.scheme == "mqtts")


def _check(url: str) -> str:
    BrokerAddress.parse(url)
    return url


BrokerUrl = Annotated[str, AfterValidator(_check)]
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
    def address(self) -> BrokerAddress:
        return BrokerAddress.parse(self.url)

    @property
    def encrypted(self) -> bool:
        return self.address.secure

    @property
    def host(self) -> str:
        return self.address.host

    @property
    def port(self) -> int:
        return self.address.port
