"""One facade over the contracts, on an embedded chain or any JSON-RPC node."""
