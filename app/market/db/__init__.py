"""The index's tables in SQLite or PostgreSQL. Nothing here is the truth: the chain is, and all of it can be rebuilt."""
