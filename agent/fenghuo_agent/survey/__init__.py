"""Survey: all that can be read of one device, as one document."""
