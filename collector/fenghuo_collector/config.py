"""The collector's configuration file, whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fenghuo.config import LocalPath, Section
from fenghuo.model import Site
from fenghuo_collector.broker.config import EmbeddedBrokerConfig
from fenghuo_collector.console.config import ConsoleConfig
from fenghuo_collector.feeds.config import FeedsConfig
from fenghuo_collector.incidents.config import JournalConfig
from fenghuo_collector.ingest.config import BrokerConfig, DeliveryConfig, LimitsConfig
from fenghuo_collector.judging.config import RulesConfig
from fenghuo_collector.latest import LatestConfig
from fenghuo_collector.sinks.elasticsearch.config import ElasticsearchConfig
from fenghuo_collector.sinks.prometheus.config import PrometheusConfig
from fenghuo_collector.sinks.sqlite.config import SqliteConfig

DATA = Path("/var/lib/fenghuo/collector")


def _site(text: str) -> str:
    return Site(text).path


def _url_alone(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


def _with_path(section: Any, path: str) -> Any:
    """A section whose `path` is `path` where it says none; what is no section is left for the validation to refuse."""
    if section is None:
        return {"path": path}
    return {"path": path, **cast("dict[str, Any]", section)} if isinstance(section, dict) else section


class SinksConfig(Section):
    """Where what comes in is stored; the embedded store where none is named. The key is the kind of sink."""

    sqlite: SqliteConfig | None = Field(default=None, description="The embedded store; needs no server.")
    prometheus: PrometheusConfig | None = Field(default=None, description="Metrics by Prometheus remote write.")
    elasticsearch: ElasticsearchConfig | None = Field(default=None, description="Events, alerts and assets.")

    @model_validator(mode="before")
    @classmethod
    def _embedded_by_default(cls, value: Any) -> Any:
        return value or {"sqlite": {}}


class CollectorConfig(Section):
    """A district's whole file may name `site`; everything else has a good default."""

    site: Annotated[str, AfterValidator(_site)] = Field(
        description="The place whose agents are taken in, as a path such as bj/haidian; agents below it belong to it."
    )
    data: LocalPath = Field(default=DATA, description="Folder for what the collector keeps itself.")
    broker: Annotated[BrokerConfig | None, BeforeValidator(_url_alone, json_schema_input_type=str | BrokerConfig)] = (
        Field(
            default=None,
            description="The broker that agents publish to: a URL such as mqtts://127.0.0.1, or options; the embedded one "
            "where none is named.",
        )
    )
    embedded_broker: EmbeddedBrokerConfig | None = Field(
        default=None, description="The broker inside the collector; runs where no other broker is named."
    )
    group: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Name of an MQTT shared subscription, by which several collectors share the batches.",
    )
    limits: LimitsConfig = Field(default_factory=LimitsConfig, description="Bounds on what agents send.")
    delivery: DeliveryConfig = Field(
        default_factory=DeliveryConfig, description="How batches wait for sinks and are written to them."
    )
    sinks: SinksConfig = Field(
        default_factory=lambda: SinksConfig.model_validate({}), description="Where what comes in is stored."
    )
    latest: LatestConfig = Field(
        default_factory=LatestConfig, description="Newest values, for the console and /metrics."
    )
    journal: JournalConfig = Field(default_factory=JournalConfig, description="The journal of alerts.")
    rules: RulesConfig = Field(default_factory=RulesConfig, description="What is judged across agents.")
    feeds: FeedsConfig = Field(default_factory=FeedsConfig, description="Who is told of alerts.")
    console: ConsoleConfig = Field(
        default_factory=lambda: ConsoleConfig.model_validate({}), description="Pages and API for people."
    )

    @model_validator(mode="before")
    @classmethod
    def _within_data(cls, value: Any) -> Any:
        """Everything that the collector keeps lies in `data` unless its own option says otherwise."""
        if not isinstance(value, dict):
            return value
        given = cast("dict[str, Any]", value)
        data = given.get("data")
        if not isinstance(data, str):
            return given
        sinks = given.get("sinks") or {"sqlite": None}
        if isinstance(sinks, dict) and "sqlite" in sinks:
            named = cast("dict[str, Any]", sinks)
            given = {**given, "sinks": {**named, "sqlite": _with_path(named["sqlite"], f"{data}/store")}}
        rules = _with_path(given.get("rules"), f"{data}/rules.sqlite")
        return {**given, "journal": _with_path(given.get("journal"), f"{data}/alerts.sqlite"), "rules": rules}

    @model_validator(mode="after")
    def _one_broker(self) -> CollectorConfig:
        if self.broker is not None and self.embedded_broker is not None:
            raise ValueError("give `broker` or `embedded_broker`, not both")
        return self
