"""The console: pages and a read-only API."""
