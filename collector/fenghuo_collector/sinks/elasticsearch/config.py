"""The section `elasticsearch` of the collector's sinks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from fenghuo.config import Duration, Secret, Section, Size, Tls

Host = Annotated[str, StringConstraints(pattern=r"^https?://")]


class ElasticsearchConfig(Section):
    """An Elasticsearch cluster, 8.19 or 9."""

    hosts: list[Host] = Field(
        default_factory=lambda: ["http://127.0.0.1:9200"], min_length=1, description="Addresses of the cluster's nodes."
    )
    required: bool = Field(
        default=True, description="Whether agents keep their events until this cluster has stored them."
    )
    username: str | None = Field(default=None, description="User name for HTTP basic authentication.")
    password: Secret | None = Field(default=None, description="Password for HTTP basic authentication.")
    api_key: Secret | None = Field(default=None, description="API key in its encoded form, instead of a user name.")
    tls: Tls = Field(default_factory=Tls, description="How https servers are verified, and what we show them.")
    namespace: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_.]{1,100}$",
        description="Last part of the data streams' names; default: the agent's city and district, such as `bj.haidian`.",
    )
    retention: Duration | None = Field(
        default=184 * 86400.0, gt=0, description="How long data streams keep what they hold; null: for ever."
    )
    timeout: Duration = Field(default=60.0, gt=0, description="Longest wait for the answer to one request.")
    max_documents: int = Field(default=5_000, ge=1, le=50_000, description="Most documents in one bulk request.")
    max_bytes: Size = Field(default=8 * 2**20, ge=2**10, le=90 * 2**20, description="Largest body of a bulk request.")
    max_datasets: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Most datasets that get a data stream of their own in a namespace; others go to `generic`.",
    )
    compress: bool = Field(default=False, description="Whether requests are compressed by gzip, for slow links.")

    @model_validator(mode="after")
    def _one_way_in(self) -> ElasticsearchConfig:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.username is not None and self.api_key is not None:
            raise ValueError("give username and password or api_key, not both")
        return self
