"""The transport's section of the configuration."""

from __future__ import annotations

from pydantic import Field

from fenghuo.config import Broker, Duration, Size


class TransportConfig(Broker):
    """The broker between this agent and its collector, and how to deliver over it."""

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
