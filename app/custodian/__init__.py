"""The custodian: holds the owner's secret key, and lets out only what was verified and is licensed."""
