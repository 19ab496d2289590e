"""The collector of a district or city: ingest → sinks, incidents, feeds, console."""
