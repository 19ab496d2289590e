"""The agent on a school gateway: inputs → normalise → rules → spool → transport."""
