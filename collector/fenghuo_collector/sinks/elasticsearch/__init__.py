"""Elasticsearch: events, alerts and assets go there, into data streams."""

from fenghuo_collector.sinks.elasticsearch.config import ElasticsearchConfig
from fenghuo_collector.sinks.elasticsearch.sink import ElasticsearchSink

__all__ = ["ElasticsearchConfig", "ElasticsearchSink"]
