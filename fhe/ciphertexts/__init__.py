"""Encryption and decryption with a secret key."""
