"""A job's provenance in other people's words: W3C PROV and in-toto statements, from public records alone."""
