"""What the contracts keep, what is signed about it, and what work costs."""
