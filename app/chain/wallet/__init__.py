"""Accounts that sign."""
