"""Work that outlives a request: audits, event streams."""
