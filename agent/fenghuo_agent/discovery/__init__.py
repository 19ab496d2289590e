"""Discovery: which SNMP devices are there, found politely in the subnets that the admin named, and nowhere else."""
