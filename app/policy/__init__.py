"""What a policy says to a circuit, told alike to buyers, pages, custodians and auditors. Pure; no key is near it."""
