"""Encryptions without noise under one key set, and the noise that each step of the engine adds to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64, U64
from fhe.ciphertexts.packing import Decryptor
from fhe.engine.backends import prepare
from fhe.engine.core import Core
from fhe.engine.gadget import switch_modulus, table_polynomials
from fhe.evaluation_key import EvaluationKey
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile


@dataclass(frozen=True)
class Bench:
    """One key set, and encryptions under it without noise."""

    profile: EncryptionProfile
    secret: SecretKeys
    core: Core

    @classmethod
    def of(cls, profile: EncryptionProfile, secret: SecretKeys, key: EvaluationKey) -> Bench:
        return cls(profile, secret, prepare(profile, key, "native", 2))

    def encrypt(self, bits: npt.NDArray[np.uint8], messages: U64, rng: np.random.Generator) -> U64:
        """LWE ciphertexts of `messages` (words) under key `bits`, with a uniform mask and no noise."""
        lwe = rng.integers(0, 2**64, (len(messages), len(bits) + 1), np.uint64)
        lwe[:, -1] = lwe[:, :-1] @ bits.astype(np.uint64) + messages
        return lwe

    def errors(self, lwe: U64, bits: npt.NDArray[np.uint8], messages: U64) -> F64:
        """Phase minus message, as a fraction of a turn."""
        phase = lwe[:, -1] - lwe[:, :-1] @ bits.astype(np.uint64)
        return (phase - messages).view(np.int64).astype(np.float64) / 2.0**64

    def switch_errors(self, small: U64) -> F64:
        """What rounding ciphertexts of zero under the LWE key to modulo 2N leaves, as a fraction of a turn."""
        steps = 2 * self.profile.polynomial_size
        turns = switch_modulus(small, self.profile.polynomial_size)
        phase = turns[:, -1] - turns[:, :-1] @ self.secret.lwe.astype(np.int64)
        errors: F64 = ((phase + steps // 2) % steps - steps // 2) / steps
        return errors

    def keyswitch_errors(self, count: int, rng: np.random.Generator) -> F64:
        messages = rng.integers(0, 8, count).astype(np.uint64) << np.uint64(60)
        small = self.core.keyswitch(self.encrypt(self.secret.glwe, messages, rng))
        return self.errors(small, self.secret.lwe, messages)

    def bootstrap_errors(self, count: int, rng: np.random.Generator) -> F64:
        values, table = rng.integers(0, 8, count), rng.integers(-100, 100, (1, 8))
        small = self.encrypt(self.secret.lwe, values.astype(np.uint64) << np.uint64(60), rng)
        polynomials = table_polynomials(table, 8, self.profile.polynomial_size)
        out = self.core.bootstrap(small, polynomials, np.zeros(count, np.int64))
        return self.errors(out, self.secret.glwe, table[0][values].view(np.uint64) << np.uint64(55))

    def packing_errors(self, rng: np.random.Generator) -> F64:
        size = self.profile.polynomial_size
        packed = self.core.pack(self.encrypt(self.secret.glwe, np.zeros(size, np.uint64), rng))
        phase = Decryptor(self.secret, self.profile).phase(packed[:1], packed[1:])
        errors: F64 = phase[0].view(np.int64).astype(np.float64) / 2.0**64
        return errors
