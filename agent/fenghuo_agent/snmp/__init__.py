"""SNMP v1, v2c and v3 as a client: messages, security, one conversation with one device, walks (RFC 3411–3417, RFC 3826, RFC 7860)."""
