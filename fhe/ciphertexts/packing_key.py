"""Makes a packing key: the owner's part of compact results. See `fhe.evaluation_key.PackingKey` for its form.

Every ciphertext is a fresh encryption of zero by `fhe.ciphertexts.packing` under a new seed, with bit * 2^(64 -
base_log * level) added to the body's constant coefficient. Publishing encryptions of a key's own bits assumes circular
security, as the keyswitch key (GLWE bits under the LWE key) and the bootstrap key (LWE bits under the GLWE key)
together already do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fhe.ciphertexts.packing import Encryptor
from fhe.evaluation_key import EvaluationKey, PackingKey, packing_gadget
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile

BLOCK = 256  # polynomials encrypted at once: 4 MB of zeros at N = 2048


def generate(secret: SecretKeys, profile: EncryptionProfile, threads: int | None = None) -> PackingKey:
    """A packing key for `secret`; N * levels polynomials, 8 N bytes each. Errors: BadKey for another profile's key."""
    gadget, size = packing_gadget(profile), profile.polynomial_size
    bodies = np.empty((size * gadget.levels, size), np.uint64)
    with Encryptor(secret, profile, threads) as encryptor:
        file = encryptor.file()
        for start in range(0, len(bodies), BLOCK):
            block = bodies[start : start + BLOCK]
            block[:] = file.encrypt(start, np.zeros(block.shape, np.int64))
    shaped = bodies.reshape(size, gadget.levels, size)
    for level in range(gadget.levels):
        shift = np.uint64(64 - gadget.base_log * (gadget.levels - level))
        shaped[:, level, 0] += secret.glwe.astype(np.uint64) << shift
    return PackingKey(file.seed, shaped)


def with_packing(
    key: EvaluationKey, secret: SecretKeys, profile: EncryptionProfile, threads: int | None = None
) -> EvaluationKey:
    """`key` together with a new packing key, so that jobs of several values get results of 8 bytes a value."""
    return replace(key, packing=generate(secret, profile, threads))
