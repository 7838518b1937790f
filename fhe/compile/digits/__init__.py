"""Passes that read wide values exactly, a few bits at a time: signs, comparisons, labels under encryption."""
