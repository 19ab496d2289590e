"""A whole school on one machine: simulated devices, the real agent, the real collector, and things that go wrong."""
