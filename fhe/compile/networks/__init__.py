"""Neural networks: quantized to integers, and lowered to circuits of digits that equal them on every row."""
