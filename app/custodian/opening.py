"""From verified output bytes to integers: the only call that uses the secret key on what others had in their hands.

Call it with nothing but what `app.custodian.evidence.verified_output` returned.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.execution.facts import JobFacts
from app.execution.source import StoreSource
from app.protocol.errors import BadModel, BadReceipt
from app.protocol.seams import Store
from fhe.circuit import Linear
from fhe.decrypt import decrypt_linear
from fhe.keys import SecretKeys

I64 = npt.NDArray[np.int64]


def open_output(secret: SecretKeys, facts: JobFacts, store: Store, output: bytes, *, threads: int) -> I64:
    """The circuit's outputs int64 (outputs, rows). Errors: BadKey, BadReceipt for a wrong shape, BadModel."""
    layer = facts.circuit.layers[-1]
    if len(facts.circuit.layers) != 1 or not isinstance(layer, Linear):
        raise BadModel("This custodian cannot open circuits with lookups.", "Use a linear or additive model.")
    shape = (len(layer.bias), facts.job.rows)
    if len(output) != 8 * shape[0] * shape[1]:
        raise BadReceipt(f"An output of {len(output)} bytes is not that of {shape[0]} outputs and {shape[1]} rows.")
    bodies = np.frombuffer(output, "<u8").astype(np.uint64).reshape(shape)
    source = StoreSource(facts.table, facts.profile, store)
    return decrypt_linear(
        secret,
        facts.profile,
        facts.circuit,
        facts.table,
        source,
        facts.job.first_row,
        facts.job.rows,
        bodies,
        threads=threads,
    )
