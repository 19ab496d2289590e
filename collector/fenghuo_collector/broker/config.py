"""The embedded broker as an operator configures it."""

from __future__ import annotations

import ipaddress
import ssl
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from fenghuo.config import Duration, LocalPath, Secret, Section, Size
from fenghuo.model import AgentId
from fenghuo.tls import server_context
from fenghuo.wire import MAX_FRAME


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; ValueError where it is none."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected ADDRESS:PORT, such as 127.0.0.1:1883 or [::]:8883")
    ipaddress.ip_address(host)
    return host, int(port)


def _check_address(text: str) -> str:
    split_address(text)
    return text


def _check_agent(text: str | None) -> str | None:
    return None if text is None else str(AgentId.parse(text))


class UserConfig(Section):
    """One who may connect."""

    name: str = Field(min_length=1, max_length=256, description="User name.")
    password: Secret = Field(description="Password, or its Argon2 hash (`$argon2id$…`).")
    agent: Annotated[str | None, AfterValidator(_check_agent)] = Field(
        default=None,
        description="Agent (`SITE/NAME`) whose topics alone this user may use; all topics when absent, for collectors.",
    )


class BrokerTlsConfig(Section):
    """TLS of the embedded broker."""

    certificate: LocalPath = Field(description="File of the broker's certificate, with its chain (PEM).")
    key: LocalPath = Field(description="File of the certificate's private key (PEM).")
    client_ca: LocalPath | None = Field(
        default=None, description="File of CA certificates (PEM); when given, clients must show a certificate of these."
    )

    def context(self) -> ssl.SSLContext:
        """A server's TLS context. Raises `Permanent`, naming the file, where one is missing or is none."""
        return server_context(self.certificate, self.key, self.client_ca)


class EmbeddedBrokerConfig(Section):
    """A broker inside the collector, for a school or a small district; it speaks MQTT 3.1.1."""

    listen: Annotated[str, AfterValidator(_check_address)] = Field(
        default="127.0.0.1:1883", description="Address and port to listen on; port 0 takes a free one."
    )
    users: tuple[UserConfig, ...] = Field(
        default=(), description="Who may connect; without users everyone may, which is allowed on loopback only."
    )
    tls: BrokerTlsConfig | None = Field(default=None, description="TLS options; without them nothing is encrypted.")
    max_packet: Size = Field(
        default=MAX_FRAME + 1024, ge=1024, description="Largest MQTT packet taken; a client that sends more is cut off."
    )
    max_connections: int = Field(default=2000, ge=1, description="Connections taken at once; more are cut off.")
    connect_timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=10, description="A client that has not introduced itself within this time is cut off."
    )

    @property
    def open(self) -> bool:
        """Whether anyone on this machine may connect as they are."""
        return not self.users and self.tls is None

    @model_validator(mode="after")
    def _guard_the_open(self) -> Self:
        host, _ = split_address(self.listen)
        if not ipaddress.ip_address(host).is_loopback and not self.users:
            raise ValueError(f"listen {self.listen} can be reached from elsewhere, so users must be named")
        names = [user.name for user in self.users]
        if len(set(names)) != len(names):
            raise ValueError("a user stands twice in users")
        return self
