"""What agent and collector must agree on: model, wire, configuration, errors, rules."""
