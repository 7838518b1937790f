"""From an owner's table to ciphertext: read, profile, code, encrypt, describe. Plaintext stays on this machine."""
