"""The marketplace node: an index of the chain (`db`, `indexer`), what it answers (`queries`), and the API (`api`)."""
