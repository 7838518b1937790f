"""The conformance kit: recorded jobs, honest and with one fault each, and what an auditor must say of them."""
