"""Packed columns: one RLWE ciphertext holds N rows of one value, its mask a public seed, its body 8 bytes a value.

body = mask * key + value * 2^(63 - message_width) + noise  in Z[X] / (X^N + 1) modulo 2^64.

A mask word used twice under one key gives away the difference of two values, so a `FileEncryptor` draws its own seed,
or has one that follows from what it will encrypt (`fhe.ciphertexts.seeds`), and refuses to encrypt a polynomial twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np

from app.protocol.errors import OutOfRange, UsageError
from fhe.arrays import I64, U16, U64
from fhe.ciphertexts.lwe_bins import KeySums, bodies_of
from fhe.ciphertexts.seeds import FileSeeds
from fhe.gaussian import add_noise
from fhe.keys.secret_keys import SecretKeys
from fhe.mask import SEED_BYTES, mask
from fhe.negacyclic import BLOCK, KeyProduct
from fhe.profile import EncryptionProfile

__all__ = ["BinEncryptor", "Decryptor", "Encryptor", "FileEncryptor", "extract", "mask"]


class Encryptor:
    """Encrypts files of packed polynomials under one secret key, on `threads` threads. Close it, or use `with`."""

    def __init__(self, secret: SecretKeys, profile: EncryptionProfile, threads: int | None = None) -> None:
        """`threads` defaults to the processors this process may use. Errors: BadKey for a key of another profile."""
        secret.check(profile)
        self._profile = profile
        self._times_key = KeyProduct(secret.glwe)
        self._lwe_key = secret.lwe
        self._key_sums: KeySums | None = None
        self._pool = ThreadPoolExecutor(threads or processors())

    def bins(self, seeds: FileSeeds | None = None) -> BinEncryptor:
        """A new file of bins under the small key, with seeds as `file` has them."""
        if self._key_sums is None:
            self._key_sums = KeySums(self._lwe_key)
        pool = None if seeds is not None else self._pool
        return BinEncryptor(self._profile, self._key_sums, pool, seeds or _random_seeds())

    def file(self, seeds: FileSeeds | None = None) -> FileEncryptor:
        """A new file with a random seed of its own.

        With `seeds`, which must follow from all that the file will encrypt, it works on the calling thread alone, so
        that many files can be encrypted at once.
        """
        if seeds is not None:
            return FileEncryptor(self._profile, self._times_key, None, seeds)
        return FileEncryptor(self._profile, self._times_key, self._pool, _random_seeds())

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FileEncryptor:
    """One file: its public `seed`, and bodies of any of its polynomials, each once."""

    def __init__(
        self, profile: EncryptionProfile, times_key: KeyProduct, pool: ThreadPoolExecutor | None, seeds: FileSeeds
    ) -> None:
        self._profile, self._times_key = profile, times_key
        self._file = OnceEach(profile, pool, seeds)
        self.seed = seeds.mask

    def __repr__(self) -> str:
        return f"FileEncryptor({self._file})"

    def encrypt(self, first_poly: int, values: I64) -> U64:
        """Bodies u64 (polys, N) of integer values (polys, N), as the polynomials from `first_poly`.

        Values must lie in [-2^message_width, 2^message_width). Memory beyond the result is a few MB a thread.
        Errors: OutOfRange; UsageError for a polynomial encrypted before.
        """
        limit = 1 << self._profile.message_width
        self._file.take(first_poly, values, -limit, limit)
        bodies = np.empty(values.shape, np.uint64)
        self._file.spread(len(values), lambda start: self._block(first_poly, values, bodies, start))
        return bodies

    def _block(self, first_poly: int, values: I64, bodies: U64, start: int) -> None:
        part = values[start : start + BLOCK]
        first, (polys, size) = first_poly + start, part.shape
        body = self._times_key(mask(self.seed, first, polys, size))
        body += part.astype(np.int64).view(np.uint64) << np.uint64(self._profile.packed_shift)
        add_noise(body, self._file.noise_seed, first, self._profile.glwe_variance)
        bodies[start : start + BLOCK] = body


class BinEncryptor:
    """One file of bins under the small key: its public `seed`, and bodies of any of its chunks, each once."""

    def __init__(
        self, profile: EncryptionProfile, sums: KeySums, pool: ThreadPoolExecutor | None, seeds: FileSeeds
    ) -> None:
        self._profile, self._sums = profile, sums
        self._file = OnceEach(profile, pool, seeds)
        self.seed = seeds.mask

    def __repr__(self) -> str:
        return f"BinEncryptor({self._file})"

    def encrypt(self, first_poly: int, values: I64) -> U16:
        """Bodies u16 (polys, N) of bits (polys, N), as the chunks from `first_poly`.

        Errors: OutOfRange for what is no bit; UsageError for a chunk encrypted before.
        """
        self._file.take(first_poly, values, 0, 2)
        bodies = np.empty(values.shape, np.uint16)

        def block(start: int) -> None:
            part, first = values[start : start + BLOCK], first_poly + start
            bodies[start : start + BLOCK] = bodies_of(
                self._sums, self._profile, self.seed, self._file.noise_seed, first, part
            )

        self._file.spread(len(values), block)
        return bodies


class OnceEach:
    """What files of both kinds keep: seeds, the polynomials encrypted so far, and the threads that work."""

    def __init__(self, profile: EncryptionProfile, pool: ThreadPoolExecutor | None, seeds: FileSeeds) -> None:
        self.noise_seed = seeds.noise  # secret; lives as long as this object
        self._seed, self._size, self._pool = seeds.mask, profile.polynomial_size, pool
        self._used: set[int] = set()

    def __repr__(self) -> str:
        return f"seed={self._seed.hex()}, polynomials={len(self._used)}"

    def take(self, first_poly: int, values: I64, low: int, high: int) -> None:
        """Note values (polys, N) in [low, high) as the polynomials from `first_poly`.

        Errors: OutOfRange; UsageError for one that was taken before.
        """
        polys, size = values.shape
        if size != self._size or first_poly < 0:
            raise UsageError(f"A polynomial has {self._size} values, not {size}.")
        if polys and (values.min() < low or values.max() >= high):
            raise OutOfRange(f"A value to encrypt is not in [{low}, {high}).")
        numbers = range(first_poly, first_poly + polys)
        if not self._used.isdisjoint(numbers):
            raise UsageError(f"Polynomials from {first_poly} of this file were encrypted before.", "Start a new file.")
        self._used.update(numbers)

    def spread(self, polys: int, block: Callable[[int], None]) -> None:
        """Do the blocks that start at 0, BLOCK, ... on the threads."""
        starts = range(0, polys, BLOCK)
        list(self._pool.map(block, starts) if self._pool else map(block, starts))


class Decryptor:
    """Reads packed ciphertexts with the secret key. What it is given must be known to be honestly computed."""

    def __init__(self, secret: SecretKeys, profile: EncryptionProfile) -> None:
        """Errors: BadKey for a key of another profile."""
        secret.check(profile)
        self._times_key = KeyProduct(secret.glwe)

    def phase(self, masks: U64, bodies: U64) -> U64:
        """The message and its noise, bodies - masks * key: u64 (polys, N)."""
        return bodies - self._times_key(masks)

    def open(self, masks: U64, bodies: U64, width: int) -> I64:
        """The signed integers (polys, N) in [-2^width, 2^width) of messages `width` bits under the padding bit."""
        return decode(self.phase(masks, bodies), width)


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _random_seeds() -> FileSeeds:
    return FileSeeds(os.urandom(SEED_BYTES), os.urandom(SEED_BYTES))


def decode(phase: U64, width: int) -> I64:
    """The nearest message of each phase: signed integers in [-2^width, 2^width)."""
    shift = 63 - width
    return (phase + (np.uint64(1) << np.uint64(shift - 1))).view(np.int64) >> np.int64(shift)


def extract(masks: U64, bodies: U64, rows: I64) -> U64:
    """LWE ciphertexts u64 (len(rows), N + 1) of coefficients `rows` of one polynomial, mask (N,) and body (N,).

    a'_i = a_{r-i} for i <= r and -a_{N+r-i} beyond; no key is needed. The last word is the body's coefficient r.
    """
    size = len(masks)
    index = rows[:, None] - np.arange(size)[None]
    words = masks[index % size]
    out = np.empty((len(rows), size + 1), np.uint64)
    out[:, :size] = np.where(index >= 0, words, np.uint64(0) - words)
    out[:, size] = bodies[rows]
    return out
