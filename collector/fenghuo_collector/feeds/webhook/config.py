"""The `webhook` section of the feeds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fenghuo.config import Duration, Secret, Section, Tls
from fenghuo.model import AlertState
from fenghuo_collector.feeds.http import WebAddress


class WebhookConfig(Section):
    """Posts every step of every alert as JSON, signed, to an address of yours."""

    name: str = Field(
        default="webhook", min_length=1, max_length=64, description="Name of the feed in metrics and the journal."
    )
    url: WebAddress = Field(description="Address that is posted to.")
    secret: Secret | None = Field(
        default=None, description="Key of the HMAC-SHA256 signature; without it requests are not signed."
    )
    states: list[AlertState] = Field(
        default=[AlertState.FIRING, AlertState.RESOLVED], min_length=1, description="Which steps are posted."
    )
    batch: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="How many steps one request carries at most; 1 posts each step as a document of its own."
    )
    timeout: Annotated[Duration, Field(gt=0, le=300)] = Field(default=10.0, description="How long one answer may take.")
    headers: dict[str, str] = Field(default_factory=dict[str, str], description="HTTP headers added to every request.")
    authorization: Secret | None = Field(
        default=None, description="Value of the Authorization header, e.g. `Bearer …`."
    )
    console_url: WebAddress | None = Field(
        default=None, description="Address of this collector's console, for a link in each document."
    )
    tls: Tls = Field(default_factory=Tls, description="How TLS is spoken with an https address.")
