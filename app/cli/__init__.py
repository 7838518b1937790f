"""The command line: thin verbs over the client, the agents and the auditor."""
