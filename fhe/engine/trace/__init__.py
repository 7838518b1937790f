"""The trace of an evaluation: every intermediate state by name, made only where it is asked for. docs/trace.md."""
