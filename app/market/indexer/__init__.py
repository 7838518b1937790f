"""From the chain's events to the index's rows.

    indexer = Indexer(market, store, database)
    indexer.sync()        up to the chain's head, in transactions of at most 1,000 blocks; a `Synced`
    indexer.run(stop)     for ever, until the event `stop` is set

The pure part (`fold`) takes events and rows and returns rows; the shell (`indexer`) reads the chain and the store and
writes. A row's value depends on the chain's events alone, so an index that was built step by step, through restarts and
reorganisations, equals one that was built at once.
"""
