"""Transactions that a wallet will sign: requests, checks, unsigned calls."""
