"""Merkle roots and proofs of long files (`app.protocol.data.merkle`), for everybody outside of the engine."""

from __future__ import annotations

from fhe.engine.hashing import BATCH_BYTES, builder, native_fold, prove, root_of

__all__ = ["BATCH_BYTES", "builder", "native_fold", "prove", "root_of"]
