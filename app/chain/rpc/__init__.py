"""A chain behind a JSON-RPC address."""
