"""A job whose digest every process must agree on: run by tests in fresh interpreters.

Ciphertexts of the table are random words under fixed seeds, not encryptions: a digest does not care.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from app.protocol.data.dataset import Codebook, EncryptedTable, Shard
from app.protocol.documents import sha256
from app.protocol.ids import Digest
from fhe.arrays import U64
from fhe.circuit.circuit import Input
from fhe.engine.core import BackendName
from fhe.engine.evaluate import evaluate
from fhe.evaluation_key import EvaluationKey, PackingKey, shapes
from fhe.mask import mask
from fhe.profiles import insecure_test_profile
from tests.support.encrypted_tables import tree_like


class Words:
    """A `ChunkSource` of words that follow from the input's name."""

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        return mask(f"body{input.column}{input.index:02}".encode().ljust(16), chunks.start, len(chunks), 256)

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        return mask(f"mask{input.column}{input.index:02}".encode().ljust(16), chunks.start, len(chunks), 256)


def digest(backend: str, threads: int) -> str:
    """SHA-256 of the job's result."""
    profile = insecure_test_profile()
    parts = [mask(bytes([i] * 16), 0, 1, int(np.prod(shape))).reshape(shape) for i, shape in enumerate(shapes(profile))]
    key = EvaluationKey(profile.digest, 1, parts[0], parts[1], PackingKey(bytes(16), parts[2]))
    table = EncryptedTable.model_construct(
        profile=profile.digest,
        codebook=Codebook(columns=()),
        epoch=1,
        rows=300,
        shards=(Shard.model_construct(first_row=0, rows=300, files=()),),
        evaluation_key=None,
        data_root=Digest(""),
    )
    world = cast("Any", SimpleNamespace(codes=np.zeros((1, 3)), profile=profile, table=table))
    circuit = tree_like(world, stages=2, outputs=2)
    output = evaluate(circuit, profile, table, Words(), 250, 12, key, threads, cast("BackendName", backend))
    return sha256(output.to_bytes())
