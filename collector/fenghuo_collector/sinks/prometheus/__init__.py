"""Prometheus: values go there by remote write; `exposition` shows the latest ones for scraping."""

from fenghuo_collector.sinks.prometheus.config import PrometheusConfig
from fenghuo_collector.sinks.prometheus.sink import PrometheusSink

__all__ = ["PrometheusConfig", "PrometheusSink"]
