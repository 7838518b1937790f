"""Darkroom's application: protocol core, chain, storage, the four roles, the node and the command line."""

__version__ = "0.2.0"
