"""From verified output bytes to integers: the only call that uses the secret key on what others had in their hands.

Call it with nothing but what `app.custodian.evidence.verified_output` returned.
"""

from __future__ import annotations

import numpy as np

from app.execution.inputs import JobInputs
from app.execution.source import StoreSource
from app.protocol.errors import BadDocument, BadReceipt
from app.protocol.ports import Store
from fhe.arrays import I64
from fhe.ciphertexts.decrypt_linear import decrypt_linear
from fhe.ciphertexts.decrypt_lookup import decrypt_lookups
from fhe.ciphertexts.decrypt_sums import decrypt_sums
from fhe.circuit.circuit import Linear
from fhe.engine.output import OutputStage
from fhe.keys.secret_keys import SecretKeys


def decrypt_output(
    secret: SecretKeys, inputs: JobInputs, store: Store, output: bytes | memoryview, *, threads: int
) -> I64:
    """The circuit's outputs int64 (outputs, rows), or (outputs, blocks) of one that sums.

    Errors: BadKey, BadReceipt for an output of another shape.
    """
    last = inputs.circuit.layers[-1]
    assert isinstance(last, Linear)
    rows = inputs.circuit.result_rows(inputs.job.rows)
    linear, job, profile = len(inputs.circuit.layers) == 1, inputs.job, inputs.profile
    try:
        result = OutputStage.from_bytes(output)
    except BadDocument as error:
        raise BadReceipt(error.message, error.next_step) from None
    said = (result.form == "bodies", result.rows, result.outputs, result.width, result.size)
    if said != (linear, rows, len(last.bias), last.width, profile.polynomial_size):
        raise BadReceipt("The output is not of the shape that the circuit and the rows give.", "Do not decrypt it.")
    if not linear:
        return decrypt_lookups(secret, profile, inputs.circuit, rows, result)
    source, bodies = StoreSource(inputs.table, profile, store), result.words.astype(np.uint64, copy=False)
    place = (inputs.circuit, inputs.table, source, job.first_row, job.rows)
    opened = decrypt_sums if inputs.circuit.block else decrypt_linear
    return opened(secret, profile, *place, bodies, threads=threads)
