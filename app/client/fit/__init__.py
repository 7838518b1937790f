"""Models fitted from sums over rows, and tested by them: sums on ciphertext, noise, then the solution in the clear."""
