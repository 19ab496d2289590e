"""The transport's section of the configuration."""

from __future__ import annotations

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from fenghuo.config import Duration, Secret, Section, Size, Tls

PORTS = {"mqtt": 1883, "mqtts": 8883}


class TransportConfig(Section):
    """The broker between this agent and its collector, and how to deliver over it."""

    url: str = Field(description="The broker: `mqtts://host` or `mqtts://host:8883`; `mqtt://` is without TLS.")
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
    keepalive: Duration = Field(
        default=15.0, ge=1, le=3600, description="A broker that is silent for up to twice this long counts as lost."
    )
    connect_timeout: Duration = Field(
        default=10.0,
        gt=0,
        le=60,
        description="Longest wait for the connection, for TLS and for the broker's answer, each.",
    )
    publish_timeout: Duration = Field(
        default=30.0,
        gt=0,
        description="Longest wait for the broker to confirm a message; then the connection counts as lost.",
    )
    reconnect_first: Duration = Field(
        default=1.0, gt=0, description="Pause before the first reconnection; it doubles each time and is jittered."
    )
    reconnect_longest: Duration = Field(default=60.0, gt=0, description="Where the doubling of the pause ends.")
    window: int = Field(
        default=64, ge=1, le=1024, description="Batches of one stream on their way to the collector at once."
    )
    window_bytes: Size = Field(
        default=4 * 2**20, ge=2**16, description="Bytes of all streams on their way to the collector at once."
    )
    unconfirmed_bytes: Size = Field(
        default=256 * 2**10,
        ge=2**14,
        description="Bytes given to the broker and not confirmed by it; an alert waits behind no more than these.",
    )
    backfill_rate: Size = Field(
        default=2**20, ge=2**10, description="Bytes per second at which an outage's backlog of metrics is sent."
    )
    ack_timeout: Duration = Field(
        default=10.0, gt=0, description="Wait for the collector to say that it received a batch; then it is sent again."
    )
    ack_timeout_longest: Duration = Field(
        default=30.0, gt=0, description="Where the doubling of that wait ends while the collector is silent."
    )
    commit_timeout: Duration = Field(
        default=120.0, gt=0, description="Wait for the collector to store what it received; then it is sent again."
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in PORTS:
            raise ValueError("expected mqtt://host[:port] or mqtts://host[:port]")
        if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("expected a host and at most a port, as in mqtts://host:8883")
        if parts.username is not None or parts.password is not None:
            raise ValueError("give the user name and password as `username` and `password`, not inside the URL")
        _ = parts.port  # raises ValueError where it is none
        return url

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
        return parts.port or PORTS[parts.scheme]
