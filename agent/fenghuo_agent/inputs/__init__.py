"""Inputs: sources that the agent reads."""
