"""The collector's ingest as an operator configures it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from fenghuo.config import Broker, Duration, Section, Size
from fenghuo.config.broker import BrokerUrl
from fenghuo.model import Site


def _check_site(text: str | None) -> str | None:
    return None if text is None else Site(text).path


class BrokerConfig(Broker):
    """The broker that the agents' batches come through; the options are named as the agent's own are."""

    url: BrokerUrl = Field(
        default="mqtt://127.0.0.1:1883", description="The broker: `mqtt://HOST[:PORT]`, or `mqtts://` for TLS."
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="MQTT client id, unique at the broker; made anew at each start when absent.",
    )
    keepalive: Annotated[Duration, Field(ge=1, le=3600)] = Field(
        default=15, description="A connection on which nothing was heard for one and a half times this is given up."
    )
    timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=10, description="How long to wait for the broker's answer to a request."
    )
    retry: Annotated[Duration, Field(gt=0)] = Field(
        default=1, description="Wait before the first reconnection; doubled, with jitter, after each failure."
    )
    retry_max: Annotated[Duration, Field(gt=0)] = Field(
        default=60, description="Longest wait between two attempts to connect."
    )


class LimitsConfig(Section):
    """What one agent, one batch and one document may take."""

    agents: int = Field(default=10_000, ge=1, description="Agents known at once; more are refused and counted.")
    inbox: Size = Field(
        default=64 * 2**20,
        description="Bytes of messages that may wait to be read; more are shed and counted, and the agents re-send.",
    )
    batch: Size = Field(
        default=32 * 2**20, description="Bytes of a batch of readings after decompression; larger ones are refused."
    )
    documents: Size = Field(
        default=8 * 2**20, description="Bytes of a batch of documents after decompression; larger ones are refused."
    )
    document: Size = Field(default=64 * 2**10, description="Bytes of one document; larger ones are rejected.")
    document_keys: int = Field(
        default=1000, ge=10, description="Keys and list elements of one document; richer ones are rejected."
    )
    ahead: Annotated[Duration, Field(ge=1)] = Field(
        default=600,
        description="How far in the future a time may lie; beyond it readings are put right by the agent's clock or "
        "rejected, and documents get the time of their arrival.",
    )
    layouts: int = Field(default=4096, ge=16, description="Table layouts remembered for each agent.")
    layout_bytes: Size = Field(default=16 * 2**20, description="Bytes of table layouts remembered for each agent.")
    spans: int = Field(
        default=1024, ge=16, description="Disjoint spans of sequence numbers remembered for each stream of an agent."
    )
    spools: int = Field(default=4, ge=2, description="Spools remembered for each agent.")


class DeliveryConfig(Section):
    """How batches wait for sinks and are written to them; alike for every sink."""

    queue: Size = Field(
        default=64 * 2**20,
        description="Bytes that may wait for one sink; beyond it agents keep what is required and send it again.",
    )
    group_bytes: Size = Field(default=8 * 2**20, description="Bytes of batches that are handed to a sink in one write.")
    group_batches: int = Field(default=500, ge=1, description="Batches that are handed to a sink in one write.")
    group_items: int = Field(
        default=200_000, ge=1, description="Values and documents that are handed to a sink in one write."
    )
    linger: Duration = Field(
        default=0.1, description="How long a batch may wait for others before it is written; alerts never wait."
    )
    write_timeout: Annotated[Duration, Field(gt=0)] = Field(
        default=60, description="A write that takes longer is given up and repeated."
    )
    retry: Annotated[Duration, Field(gt=0)] = Field(
        default=0.5, description="Wait before the first repetition of a failed write; doubled, with jitter, each time."
    )
    retry_max: Annotated[Duration, Field(gt=0)] = Field(
        default=30, description="Longest wait between two attempts to write."
    )


class IngestConfig(Section):
    """Taking in what agents send."""

    broker: BrokerConfig = Field(
        default_factory=BrokerConfig, description="The broker that the agents' batches come through."
    )
    site: Annotated[str | None, AfterValidator(_check_site)] = Field(
        default=None, description="Take agents at or below this site only; everywhere when absent."
    )
    group: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Name of an MQTT shared subscription, by which several collectors share the batches.",
    )
    ack_delay: Annotated[Duration, Field(le=1)] = Field(
        default=0.05, description="How long acknowledgements are gathered before they are sent as spans."
    )
    shutdown: Duration = Field(default=5, description="How long queues may take to empty when the collector ends.")
    limits: LimitsConfig = Field(default_factory=LimitsConfig, description="Bounds on what agents send.")
    delivery: DeliveryConfig = Field(
        default_factory=DeliveryConfig, description="How batches wait for sinks and are written to them."
    )
