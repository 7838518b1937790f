"""What a dataset is made of: codebook, encrypted table, manifest, Merkle tree."""
