"""Opening the result of a job with lookups ("lwe" or "packed") with the secret key.

The caller must have recomputed the result or had it recomputed by someone independent: these forms carry their masks,
and a crafted mask handed to a decryptor gives away the key.
"""

from __future__ import annotations

import numpy as np

from app.protocol.errors import BadReceipt
from fhe.arrays import I64, U64
from fhe.ciphertexts.packing import Decryptor, decode
from fhe.circuit.circuit import Circuit
from fhe.engine.output import OutputStage
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile

BLOCK = 1 << 21  # words opened at once


def decrypt_lookups(
    secret: SecretKeys, profile: EncryptionProfile, circuit: Circuit, rows: int, output: OutputStage
) -> I64:
    """The outputs int64 (outputs, rows) of a circuit with lookups.

    Errors: BadKey for another profile's key; BadReceipt when the result is not of this circuit, profile and row count.
    """
    width = getattr(circuit.layers[-1], "width", 0)
    said = output.rows, output.outputs, output.width, output.size
    if output.form == "bodies" or said != (rows, len(circuit.outputs), width, profile.polynomial_size):
        raise BadReceipt("This result is not of the shape that the circuit and the rows give.", "Recompute the job.")
    return decode(phases(secret, profile, output), output.width).reshape(rows, -1).T.copy()


def phases(secret: SecretKeys, profile: EncryptionProfile, output: OutputStage) -> U64:
    """Message and noise (values,) of an "lwe" or "packed" result, in row-major order. Errors: BadKey."""
    secret.check(profile)
    shift, size = np.uint64(64 - output.bits), profile.polynomial_size
    if output.form == "packed":
        opener = Decryptor(secret, profile)
        words = output.words.astype(np.uint64) << shift
        return opener.phase(words[:, 0], words[:, 1]).reshape(-1)[: output.values]
    bits, found = secret.glwe.astype(np.uint64), np.empty(output.values, np.uint64)
    step = max(1, BLOCK // size)
    for start in range(0, output.values, step):
        words = output.words[start : start + step].astype(np.uint64) << shift
        found[start : start + step] = words[:, -1] - words[:, :-1] @ bits
    return found
