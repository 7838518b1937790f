"""The compute provider: evaluates circuits on ciphertext, and holds no key of anybody's but its own account."""
