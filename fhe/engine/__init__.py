"""The canonical evaluator (docs/canonical-evaluator.md): circuits on ciphertexts, the same bytes on every machine.

Imports NumPy, its native core, `app.protocol` and the forms of circuit, profile and evaluation key; neither Concrete
nor torch, and no secret.
"""
