"""Words that documents, circuits and policies choose from. Each set is stated here alone."""

from __future__ import annotations

from typing import Literal

Encoding = Literal["affine", "bins"]  # how a column is published: its code as a number, or a bit for each edge
FileEncoding = Literal["affine", "bins", "lwe-bins"]  # of a published file: bins packed, or one by one (section 13)
CircuitClass = Literal["linear", "trees", "additive", "lookup"]  # what policies allow; follows from a circuit's layers
ReleaseKind = Literal["label", "score", "aggregate"]  # what a result says of a row, or of many together
# How a result is checked before it is decrypted. self: recomputed by the custodian; both: and agreed on by drawn
# executors; window: agreed on by them, and open to objections for a while, or recomputed where nobody could object.
Verification = Literal["self", "both", "window"]
EvaluatorName = Literal["darkroom-canonical-1", "darkroom-canonical-2"]  # docs/canonical-evaluator.md; 2 has all of 1
OutputKind = Literal["scores", "label"]  # what a compiled circuit ends in
ReadoutKind = Literal["value", "threshold", "argmax", "cuts"]  # how a row's integers become a label
