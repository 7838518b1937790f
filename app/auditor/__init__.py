"""The auditor: checks a job from chain records and stored objects alone, with nobody's permission and no key."""
