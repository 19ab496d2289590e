"""Configuration: one YAML file a side, validated whole, each error at its place."""

from __future__ import annotations

from fenghuo.config.broker import Broker
from fenghuo.config.load import load, parse
from fenghuo.config.reference import reference
from fenghuo.config.schema import schema, schema_text
from fenghuo.config.secret import Secret
from fenghuo.config.section import LocalPath, Section
from fenghuo.config.tls import Tls
from fenghuo.config.units import Duration, Size, format_duration, format_size, parse_duration, parse_size

__all__ = [
    "Broker",
    "Duration",
    "LocalPath",
    "Secret",
    "Section",
    "Size",
    "Tls",
    "format_duration",
    "format_size",
    "load",
    "parse",
    "parse_duration",
    "parse_size",
    "reference",
    "schema",
    "schema_text",
]
