"""One job, recomputed: the same few steps for a provider, a custodian and an auditor, from public records alone."""
