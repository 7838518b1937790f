"""One facade over the contracts, on an embedded chain or any JSON-RPC node. The only place that may import web3."""
