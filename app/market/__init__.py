"""The marketplace node: a rebuildable index of the chain (`db`, `indexer`), what it answers (`queries`), and the API."""
