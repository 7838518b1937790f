"""The native core behind the seam of `fhe.engine.core`: batches cut into groups, groups spread over threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fhe.arrays import F64, I64, U64
from fhe.engine.gadget import boxed, table_polynomials
from fhe.engine.native.library import KernelPlan, aligned_doubles, aligned_words, lanes_for, load, plan_of
from fhe.evaluation_key import EvaluationKey, packing_gadget
from fhe.profile import EncryptionProfile, Gadget

GROUP = 16  # accumulators that share one pass over the key: half a MiB, in a core's own cache with the key of a step
SWITCHED = 256  # ciphertexts that share one pass over the keyswitch key


class NativeCore:
    """Keyswitch, bootstrap and packing for one evaluation key. Implements `fhe.engine.core.Core`.

    `lanes` chooses a vector width (for tests); the default is the widest that the processor has and the size allows.
    """

    name = "native"
    batch = 512  # lookups: a second of work, 16 MB of ciphertexts

    def __init__(
        self, profile: EncryptionProfile, key: EvaluationKey, threads: int = 1, lanes: int | None = None
    ) -> None:
        key.check(profile)
        self._profile, self._threads = profile, max(1, threads)
        self._words, self._switch_words, self._packing_words = key.bootstrap, key.keyswitch, key.packing
        self.lanes = lanes or lanes_for(profile.polynomial_size)
        self._library = load(self.lanes)
        self._bootstrap_key: F64 | None = None
        self._packing_keys: dict[int, F64] = {}
        self._keyswitch_key: tuple[U64, U64] | None = None

    def keyswitch(self, lwe: U64) -> U64:
        """LWE ciphertexts (batch, N + 1) under the GLWE key -> (batch, n + 1) under the LWE key."""
        profile, (key, totals) = self._profile, self._switching()
        width, n = key.shape[1], profile.lwe_dimension
        lwe = np.ascontiguousarray(lwe)
        out = np.zeros((len(lwe), n + 1), np.uint64)
        gadget = profile.keyswitch

        def run(start: int, stop: int) -> None:
            sums = aligned_words(stop - start, width)
            sums[...] = totals
            sums[:, n] += lwe[start:stop, -1]
            self._library.darkroom_keyswitch(
                _at(lwe[start:stop]),
                _at(sums),
                _at(key),
                stop - start,
                profile.polynomial_size,
                width,
                gadget.levels,
                gadget.base_log,
            )
            out[start:stop] = sums[:, : n + 1]

        self._spread(len(lwe), SWITCHED, run)
        return out

    def bootstrap(self, small: U64, polynomials: U64, which: I64, *, centred: bool = False, bodies: int = 1) -> U64:
        """Look up: (batch, n + 1) -> (batch, N + bodies), with test polynomial `polynomials[which[b]]`."""
        key, plan = self._bootstrapping(), self._plan(self._profile.bootstrap)
        small, polynomials = np.ascontiguousarray(small), np.ascontiguousarray(polynomials)
        which = np.ascontiguousarray(which, np.int64)
        out = np.empty((len(small), self._profile.polynomial_size + bodies), np.uint64)

        def run(start: int, stop: int) -> None:
            _check(
                self._library.darkroom_bootstrap(
                    plan,
                    _at(key),
                    _at(small[start:stop]),
                    _at(polynomials),
                    _at(which[start:stop]),
                    _at(out[start:stop]),
                    stop - start,
                    int(centred),
                    bodies,
                    polynomials.ndim - 1,
                )
            )

        self._spread(len(small), GROUP, run)
        return out

    def pack(self, lwe: U64) -> U64:
        """At most N ciphertexts (count, N + 1) -> one RLWE ciphertext (2, N) whose coefficient i is the i-th value."""
        out = aligned_words(2, self._profile.polynomial_size)
        out[...] = 0
        out[1, : len(lwe)] = lwe[:, -1]
        self._pack(lwe, out, 1)
        return out

    def pack_tables(self, lwe: U64) -> U64:
        """Entries (batch, E, N + 1) -> encrypted test polynomials (batch, 2, N)."""
        lwe, size = np.ascontiguousarray(lwe), self._profile.polynomial_size
        entries, plan = lwe.shape[1], self._plan(packing_gadget(self._profile))
        out = aligned_words(len(lwe), 2, size)
        out[:, 0], out[:, 1] = 0, table_polynomials(lwe[:, :, -1].view(np.int64), 63, size)
        if not self._library.darkroom_packs_tables(plan, entries):
            for own, packed in zip(lwe, out, strict=True):
                self._pack(own, packed, size // entries)
            return out
        key = self._packing(size // entries)

        def run(start: int, stop: int) -> None:
            part, into = _at(lwe[start:stop]), _at(out[start:stop])
            _check(self._library.darkroom_pack_tables(plan, _at(key), part, into, stop - start, entries))

        self._spread(len(lwe), GROUP, run)
        return out

    def _pack(self, lwe: U64, out: U64, apart: int) -> None:
        """The packing keyswitch of ciphertexts so far apart, each spread over as much, taken from `out`."""
        key, plan, size = self._packing(apart), self._plan(packing_gadget(self._profile)), self._profile.polynomial_size
        columns = aligned_words(size, size)
        columns[...] = 0
        columns[:, : apart * len(lwe) : apart] = lwe[:, :-1].T
        _check(self._library.darkroom_pack(plan, _at(key), _at(columns), _at(out), size))

    def _spread(self, count: int, most: int, run: Callable[[int, int], None]) -> None:
        """Run [0, count) in parts of at most `most`, as many for each thread, so that none waits for the others."""
        parts = min(-(-max(count, 1) // (most * self._threads)) * self._threads, count)
        edges = [count * part // max(parts, 1) for part in range(parts + 1)]
        if self._threads == 1 or parts < 2:
            for start, stop in pairwise(edges):
                run(start, stop)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(run, edges[:-1], edges[1:]))

    def _plan(self, gadget: Gadget) -> KernelPlan:
        size, n = self._profile.polynomial_size, self._profile.lwe_dimension
        return plan_of(size, self.lanes, n=n, levels=gadget.levels, base=gadget.base_log)

    def _transform(self, gadget: Gadget, words: Callable[[int, int], U64], steps: int, rows: int) -> F64:
        """Transformed key of words(start, stop), (steps, levels, rows, 2, N) in all, made in blocks."""
        size = self._profile.polynomial_size
        key, plan = aligned_doubles(steps, 2 * rows * gadget.levels * size), self._plan(gadget)

        def run(start: int, stop: int) -> None:
            block = np.ascontiguousarray(words(start, stop))
            _check(self._library.darkroom_transform_key(plan, _at(block), _at(key[start:stop]), stop - start, rows))

        self._spread(steps, 64, run)
        return key

    def _bootstrapping(self) -> F64:
        if self._bootstrap_key is None:
            words, steps = self._words, self._profile.lwe_dimension
            gadget = self._profile.bootstrap
            self._bootstrap_key = self._transform(gadget, lambda start, stop: words[start:stop], steps, 2)
        return self._bootstrap_key

    def _packing(self, width: int) -> F64:
        """The packing key, spread over boxes of this width."""
        if width not in self._packing_keys:
            packing = self._packing_words
            if packing is None:
                raise ValueError("packing needs a packing key")
            gadget, steps = packing_gadget(self._profile), self._profile.polynomial_size

            def words(start: int, stop: int) -> U64:
                found: U64 = np.stack([packing.masks(start, stop), packing.bodies[start:stop]], axis=2)
                return found if width == 1 else boxed(found, width)

            self._packing_keys[width] = self._transform(gadget, words, steps, 1)
        return self._packing_keys[width]

    def _switching(self) -> tuple[U64, U64]:
        """The keyswitch key in rows of whole tiles, and base / 2 times the sum of its rows."""
        if self._keyswitch_key is None:
            words = self._switch_words.reshape(-1, self._profile.lwe_dimension + 1)
            tile = int(self._library.darkroom_tile())
            key = aligned_words(len(words), -(-words.shape[1] // tile) * tile)
            key[:, : words.shape[1]], key[:, words.shape[1] :] = words, 0
            half = np.uint64(1 << (self._profile.keyswitch.base_log - 1))
            self._keyswitch_key = key, key.sum(0, dtype=np.uint64) * half
        return self._keyswitch_key


def _at(array: npt.NDArray[np.generic]) -> int:
    return int(array.ctypes.data)


def _check(code: int) -> None:
    if code:
        raise MemoryError("the native core found no memory")
