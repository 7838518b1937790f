"""Content-addressed storage: bytes in, CID out, and nothing comes back that does not hash to the CID asked for."""
