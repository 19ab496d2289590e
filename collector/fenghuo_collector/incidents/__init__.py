"""Alerts as the collector knows them: current state and journal."""
