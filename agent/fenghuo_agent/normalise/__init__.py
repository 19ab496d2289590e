"""Normalising: what inputs read, brought to the shared model."""
