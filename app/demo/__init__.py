"""The demonstration: every role, on one machine, with nothing in it that is not the real thing."""
