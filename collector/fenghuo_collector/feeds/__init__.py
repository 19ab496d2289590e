"""Feeds: whom the collector tells of alerts."""
