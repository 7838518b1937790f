"""Questions in SQL about groups of rows: parsed, compiled to circuits that sum, answered with noise and intervals."""
