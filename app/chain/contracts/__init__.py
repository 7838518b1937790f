"""The deployed contracts: calls, errors by name, and what they keep, as entities."""
