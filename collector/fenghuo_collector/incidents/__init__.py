"""Alerts as the collector knows them: current state and journal."""

from fenghuo_collector.incidents.alerts import AlertStates, Counts
from fenghuo_collector.incidents.config import JournalConfig
from fenghuo_collector.incidents.journal import AlertJournal

__all__ = ["AlertJournal", "AlertStates", "Counts", "JournalConfig"]
