"""The embedded chain: an EVM and its blocks in one SQLite file."""
