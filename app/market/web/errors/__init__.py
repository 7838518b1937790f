"""Refusals, and how they are told: problem+json."""
