"""Tests of a buyer's model on a dataset's rows, by sums: how often it is right, and nothing of any row."""
