"""Measurements, some side by side with what people use today: `python -m benchmarks NAME [--json]`.

A module here is one benchmark: its docstring says what is measured, and `run(progress)` returns a flat dict of figures.
"""
