"""The `alertmanager` section of the feeds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fenghuo.config import Duration, Secret, Section, Tls
from fenghuo_collector.feeds.http import WebAddress


class AlertmanagerConfig(Section):
    """Alertmanager's v2 API: it groups, silences and routes the alerts."""

    name: str = Field(
        default="alertmanager", min_length=1, max_length=64, description="Name of the feed in metrics and the journal."
    )
    urls: Annotated[list[WebAddress], Field(min_length=1, max_length=16)] = Field(
        default=["http://127.0.0.1:9093"],
        description="Base address of each member of the cluster; every one of them is told of every alert.",
    )
    refresh: Annotated[Duration, Field(ge=0.05)] = Field(
        default=60.0, description="How often all that fires is sent again."
    )
    expires_after: Annotated[int, Field(ge=2, le=100)] = Field(
        default=4, description="Refreshes that may fail before Alertmanager takes a firing alert as resolved."
    )
    repeat_resolved: Duration = Field(
        default=900.0, description="How long the end of an alert is sent again with each refresh."
    )
    timeout: Annotated[Duration, Field(gt=0, le=300)] = Field(default=10.0, description="How long one answer may take.")
    console_url: WebAddress | None = Field(
        default=None, description="Address of this collector's console, for links in notifications."
    )
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], description="Labels added to every alert, for routing."
    )
    headers: dict[str, str] = Field(
        default_factory=dict[str, str], description="HTTP headers added to every request, e.g. X-Scope-OrgID."
    )
    authorization: Secret | None = Field(
        default=None, description="Value of the Authorization header, e.g. `Bearer …`, where a proxy asks for one."
    )
    tls: Tls = Field(default_factory=Tls, description="How TLS is spoken with https addresses.")
