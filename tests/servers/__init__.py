"""Real servers for tests: each module starts one on a free loopback port, in a temporary folder, and stops it by id."""
