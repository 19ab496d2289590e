"""The section `prometheus` of the collector's sinks."""

from __future__ import annotations

from pydantic import Field, model_validator

from fenghuo.config import Duration, Secret, Section, Tls


class PrometheusConfig(Section):
    """A server that takes Prometheus remote write 1.0."""

    url: str = Field(
        default="http://127.0.0.1:9090/api/v1/write",
        pattern=r"^https?://",
        description="Address of the remote-write receiver, path included.",
    )
    required: bool = Field(
        default=True, description="Whether agents keep their metrics until this server has stored them."
    )
    username: str | None = Field(default=None, description="User name for HTTP basic authentication.")
    password: Secret | None = Field(default=None, description="Password for HTTP basic authentication.")
    bearer_token: Secret | None = Field(default=None, description="Token sent as `Authorization: Bearer`.")
    headers: dict[str, str] = Field(
        default_factory=dict, description="Further HTTP headers, such as X-Scope-OrgID for Mimir's tenants."
    )
    tls: Tls = Field(default_factory=Tls, description="How an https server is verified, and what we show it.")
    timeout: Duration = Field(default=30.0, gt=0, description="Longest wait for the answer to one request.")
    max_samples: int = Field(default=10_000, ge=100, le=200_000, description="Most samples in one request.")
    connections: int = Field(default=4, ge=1, le=64, description="Most requests on their way at once.")
    max_ahead: Duration = Field(
        default=600.0,
        gt=0,
        description="Samples further in the future than this are refused: one wrong clock would make Prometheus refuse everybody else's.",
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> PrometheusConfig:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together")
        if self.username is not None and self.bearer_token is not None:
            raise ValueError("give username and password or bearer_token, not both")
        return self
