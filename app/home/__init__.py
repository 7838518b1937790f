"""A person's home on this machine: accounts and keys by role, the network it is on, how it is set up."""
