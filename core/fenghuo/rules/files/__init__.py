"""Rule files → a valid set of rules: documents, their sections, overlays, lists, calendars, hot reload."""
