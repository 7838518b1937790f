"""The CUDA core behind the seam of `fhe.engine.core`: batches cut into tiles that fit the device's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from app.protocol.errors import Unavailable
from fhe.arrays import I64, U64
from fhe.engine.cuda import source
from fhe.engine.cuda.device import Array, Device
from fhe.engine.gadget import boxed
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

THREADS = 128
RESIDENT = 3  # accumulators of a multiprocessor at most; bootstrap.cu
TALL = 16  # ciphertexts of a block of the keyswitch; keyswitch.cu
COEFFICIENTS = 32  # whose digits a block of the keyswitch holds; keyswitch.cu
SUBTOTAL = 32  # bits of the packing key in one subtotal; packing.cu
PACKED_BITS = 256  # bits of the packing key whose points are made at once: 8 MiB at two levels
PACKINGS = 16  # side by side: 128 MiB of points at two levels
KEY_POLYNOMIALS = 4096  # transformed at once: 64 MiB of words
KEPT = 64 << 20  # bytes of device memory that no tile takes
MOST = 1 << 14  # ciphertexts of one tile


class CudaCore:
    """Keyswitch, bootstrap and packing for one evaluation key. Implements `fhe.engine.core.Core`.

    Keys go to the device when they are first needed and stay there: 50 MB (one level) or 100 MB (two) of bootstrap key,
    63 MB of keyswitch key, 64 or 128 MiB of packing key at N = 2048. Errors of every method: Unavailable.
    """

    name = "cuda"

    def __init__(self, profile: EncryptionProfile, key: EvaluationKey, device: Device) -> None:
        """Errors: BadKey; Unavailable for sizes whose bootstrap does not fit a block of this device."""
        key.check(profile)
        self.device, self._profile = device, profile
        size, levels = profile.polynomial_size, profile.bootstrap.levels
        self._fast = size == source.FAST_SIZE and source.fast_shared_bytes(levels) <= device.shared_bytes()
        if not self._fast and source.any_shared_bytes(size, levels) > device.shared_bytes():
            raise Unavailable(f"A bootstrap of this profile does not fit {device.name}.", "Use --device cpu.")
        self.bootstrap_kernel = "bootstrap_2048" if self._fast else "bootstrap_any"
        self.bootstrap_threads = source.FAST_THREADS if self._fast else THREADS
        self.bootstrap_shared = (
            source.fast_shared_bytes(levels) if self._fast else source.any_shared_bytes(size, levels)
        )
        self._words, self._switch_words, self._packing_words = key.bootstrap, key.keyswitch, key.packing
        self.kernels = device.compile(profile)
        self.twiddles = device.upload(source.twiddles(size))
        self.bootstrap_twiddles = device.upload(source.register_twiddles()) if self._fast else self.twiddles
        self._bootstrap_key: Array = None
        self._packing_keys: dict[int, Array] = {}
        self._keyswitch_key: tuple[Array, Array] | None = None

    @property
    def _wave(self) -> int:
        """Ciphertexts of one launch: twice what the device computes at once."""
        return 2 * self.device.multiprocessors() * RESIDENT

    @property
    def batch(self) -> int:
        """Eight times what the device computes at once: a second's part, less than 100 MB of ciphertexts."""
        return max(512, 8 * self.device.multiprocessors() * RESIDENT)

    def keyswitch(self, lwe: U64) -> U64:
        """LWE ciphertexts (batch, N + 1) under the GLWE key -> (batch, n + 1) under the LWE key."""
        self.keyswitch_key()
        profile = self._profile
        out = np.empty((len(lwe), profile.lwe_dimension + 1), np.uint64)
        for part in self._tiles(len(lwe)):
            words = self.device.upload(np.ascontiguousarray(lwe[part]))
            count = part.stop - part.start
            result = self.device.empty((count, profile.lwe_dimension + 1), np.uint64)
            self.start_keyswitch(words, result, count)
            out[part] = self.device.download(result)
        return out

    def start_keyswitch(self, words: Array, result: Array, count: int) -> None:
        """Keyswitch `count` ciphertexts that are on the device, (count, N + 1), to `result` (count, n + 1)."""
        profile, (key, start) = self._profile, self.keyswitch_key()
        grid = -(-(profile.lwe_dimension + 1) // THREADS), -(-count // TALL)
        shared = 4 * COEFFICIENTS * profile.keyswitch.levels * TALL
        self.kernels.launch("keyswitch", grid, THREADS, shared, (words, key, start, result, count))

    def bootstrap(self, small: U64, polynomials: U64, which: I64, *, centred: bool = False, bodies: int = 1) -> U64:
        """Look up: (batch, n + 1) -> (batch, N + bodies), with test polynomial `polynomials[which[b]]`."""
        self.bootstrap_key()
        size = self._profile.polynomial_size
        tables = self.device.upload(np.ascontiguousarray(polynomials, np.uint64))
        out = np.empty((len(small), size + bodies), np.uint64)
        for part in self._tiles(len(small)):
            words = self.device.upload(np.ascontiguousarray(small[part]))
            chosen = self.device.upload(np.ascontiguousarray(which[part], np.int64))
            count = part.stop - part.start
            if centred:
                self.kernels.launch("centre", (count, 1), THREADS, 8 * THREADS, (words,))
            finish: Callable[[], None] | None = None
            for start in range(0, count, self._wave):  # one wave is copied to the host while the next is computed
                stop = min(start + self._wave, count)
                result = self.device.empty((stop - start, size + bodies), np.uint64)
                self.start_bootstrap(
                    words[start:stop], tables, chosen[start:stop], result, stop - start, bodies, polynomials.ndim - 1
                )
                before = finish
                finish = partial(self.device.start_download(result), out[part][start:stop])
                if before:
                    before()
            if finish:
                finish()
        return out

    def start_bootstrap(
        self, small: Array, tables: Array, which: Array, result: Array, count: int, bodies: int = 1, columns: int = 1
    ) -> None:
        """Bootstrap `count` ciphertexts, arrays as in `bootstrap` but on the device; `columns`: 2 of encrypted ones."""
        arguments = (self.bootstrap_key(), self.bootstrap_twiddles, small, tables, which, result, bodies, columns)
        self.kernels.launch(self.bootstrap_kernel, (count, 1), self.bootstrap_threads, self.bootstrap_shared, arguments)

    def pack(self, lwe: U64) -> U64:
        """At most N ciphertexts (count, N + 1) -> one RLWE ciphertext (2, N) whose coefficient i is the i-th value."""
        packed: U64 = self._packed(lwe[None], 1)[0]
        return packed

    def pack_tables(self, lwe: U64) -> U64:
        """Entries (batch, E, N + 1) -> encrypted test polynomials (batch, 2, N)."""
        apart = self._profile.polynomial_size // lwe.shape[1]
        parts = [self._packed(lwe[start : start + PACKINGS], apart) for start in range(0, len(lwe), PACKINGS)]
        return np.concatenate(parts)

    def _packed(self, lwe: U64, apart: int) -> U64:
        """Packing keyswitches (items, 2, N) of ciphertexts (items, count, N + 1) so many coefficients apart."""
        key, profile, size = self._packing(apart), self._profile, self._profile.polynomial_size
        half, levels, device = size // 2, profile.bootstrap.levels, self.device
        words, (items, count) = device.upload(np.ascontiguousarray(lwe)), lwe.shape[:2]
        step = min(PACKED_BITS, size)
        groups = step // SUBTOTAL
        points = device.empty((items, step, levels, half, 2), np.float64)
        subtotals = device.empty((items * (size // SUBTOTAL), 2, half, 2), np.float64)
        out = device.empty((items, 2, size), np.uint64)
        for start in range(0, size, step):
            arguments = (words, points, self.twiddles, start, count, apart)
            self.kernels.launch("pack_points", (step, items), THREADS, 16 * half, arguments)
            there = points, key[start:], subtotals[start // SUBTOTAL :], groups
            self.kernels.launch("pack_subtotals", (-(-2 * half // THREADS), items * groups), THREADS, 0, there)
        arguments = (subtotals, words, out, self.twiddles, count, apart)
        self.kernels.launch("pack_finish", (2, items), THREADS, 16 * half, arguments)
        packed: U64 = device.download(out)
        return packed

    def _tiles(self, count: int) -> Iterator[slice]:
        """[0, count) in parts whose input and output fit half of the free memory."""
        each = 8 * (self._profile.polynomial_size + self._profile.lwe_dimension + 3)
        most = min(MOST, (self.device.free_bytes() - KEPT) // 2 // each)
        if most < 1:
            raise Unavailable(f"The memory of {self.device.name} is full.", "Use --device cpu, or end other work.")
        for start in range(0, count, most):
            yield slice(start, min(start + most, count))

    def _points(self, words: U64, out: Array, order: int) -> None:
        """Key points of polynomials (count, N), to `out` on the device."""
        size = self._profile.polynomial_size
        arguments = (self.device.upload(np.ascontiguousarray(words)), out, self.twiddles, order)
        self.kernels.launch("transform_key", (len(words), 1), THREADS, 8 * size, arguments)

    def bootstrap_key(self) -> Array:
        """Key points (n, L, 2, 2, H) of complex numbers on the device, made when they are first asked for."""
        if self._bootstrap_key is None:
            size = self._profile.polynomial_size
            words = self._words.reshape(-1, size)
            key = self.device.empty((len(words), size // 2, 2), np.float64)
            for start in range(0, len(words), KEY_POLYNOMIALS):
                self._points(words[start : start + KEY_POLYNOMIALS], key[start:], int(self._fast))
            self._bootstrap_key = key
        return self._bootstrap_key

    def _packing(self, width: int) -> Array:
        """Key points (N, L, 2, H) of complex numbers, of the packing key spread over boxes of this width."""
        if width not in self._packing_keys:
            packing, size = self._packing_words, self._profile.polynomial_size
            if packing is None:
                raise ValueError("packing needs a packing key")
            levels = self._profile.bootstrap.levels
            key = self.device.empty((size, levels, 2, size // 2, 2), np.float64)
            step = min(size, KEY_POLYNOMIALS // (2 * levels) or 1)
            for start in range(0, size, step):
                bits = slice(start, min(start + step, size))
                words = np.stack([packing.masks(bits.start, bits.stop), packing.bodies[bits]], axis=2)
                words = words if width == 1 else boxed(words, width)
                self._points(words.reshape(-1, size), key[start:], 0)
            self._packing_keys[width] = key
        return self._packing_keys[width]

    def keyswitch_key(self) -> tuple[Array, Array]:
        """The keyswitch key, and base / 2 times the sum of its rows, on the device."""
        if self._keyswitch_key is None:
            words = self._switch_words
            half = np.uint64(1 << (self._profile.keyswitch.base_log - 1))
            sums: U64 = words.sum((0, 1), dtype=np.uint64) * half
            self._keyswitch_key = self.device.upload(words), self.device.upload(sums)
        return self._keyswitch_key
