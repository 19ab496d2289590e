"""Doctor: what is wrong between this host and a device, and what to do about it."""
