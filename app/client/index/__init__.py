"""A client of a node's index, and what it says held against the chain."""
