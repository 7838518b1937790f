"""Circuits: what they are, their canonical bytes, their cost, their evaluation in the clear."""
