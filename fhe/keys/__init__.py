"""Secret keys: made, kept, read from Concrete's records."""
