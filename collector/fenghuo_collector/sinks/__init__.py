"""Sinks: where the collector stores what it takes in."""
