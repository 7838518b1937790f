"""The pure core: documents, digests, entities, rules and errors. It imports nothing of ours and does no IO."""
