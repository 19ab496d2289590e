"""Ingest: from the broker to the sinks; validated, deduplicated, accounted for, acknowledged."""
