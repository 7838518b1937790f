"""Whether a GPU gives the CPU's bytes: known answers, and random lookups in batches of every size.

Every function takes `note`, which keeps what was found so far, so that a run that is ended early has told what it knew.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from fhe.engine import vectors as known
from fhe.engine.cuda.core import CudaCore
from fhe.engine.cuda.device import cupy_devices
from fhe.engine.gadget import table_polynomials
from fhe.engine.native.core import NativeCore

Note = Callable[[dict[str, Any]], None]

SEED = 20
SMALL = ("small-two-levels", "small-one-level", "short-reference")
LOOKUPS = 10_000
MOST = 1000  # ciphertexts of a batch
EDGES = (1, 2, 3, 131, 132, 133, 263, 264, 265, 395, 396, 397, MOST - 1, MOST)  # around waves of 132 multiprocessors


def vectors(note: Note, names: Sequence[str] | None = None) -> None:
    """Every stage of every case, or of `names`, on every GPU. Errors: Unavailable, VerificationFailed."""
    known.check_roots()
    devices, done = cupy_devices(), list[str]()
    for device in devices:
        for case in known.vectors().cases:
            if names is None or case.name in names:
                start = time.perf_counter()
                known.check(case, partial(CudaCore, device=device))
                done.append(f"{case.name} in {time.perf_counter() - start:.1f} s")
                note({"gpu": device.name, "gpus": len(devices), "vectors": len(done), "vectors_right": done})


def lookups(
    note: Note,
    names: Sequence[str] = ("reference-1", "reference-2"),
    total: int = LOOKUPS,
    most: int = MOST,
    seconds: float = 40,
) -> None:
    """Random keyswitches and bootstraps, `total` of them, on each profile its share, and packing.

    The CPU's answers are computed once; the GPU then computes windows of them in batches of every size up to `most`,
    until each lookup was compared and every size had its turn or `seconds` a profile are over.
    Errors: Unavailable; AssertionError where a byte differs.
    """
    device, compared, sizes, batches = cupy_devices()[0], 0, set[int](), 0
    for name in names:
        case = next(case for case in known.vectors().cases if case.name == name)
        key, size, count = known.key_of(case), case.profile.polynomial_size, total // len(names)
        gpu, cpu = CudaCore(case.profile, key, device), NativeCore(case.profile, key, os.cpu_count() or 1)
        rng = np.random.default_rng(SEED)
        lwe = rng.integers(0, 2**64, (count, size + 1), np.uint64)
        tables, which = table_polynomials(rng.integers(-99, 99, (5, 8)), 8, size), rng.integers(0, 5, count)
        small = cpu.keyswitch(lwe)
        big = cpu.bootstrap(small, tables, which)
        start, place, covered = time.perf_counter(), 0, 0
        for batch in _sizes(rng, min(most, count)):
            if covered >= count and time.perf_counter() - start > seconds:
                break
            part = np.arange(place, place + batch) % count
            if not np.array_equal(gpu.keyswitch(lwe[part]), small[part]):
                raise AssertionError(f"{name}: the keyswitch of a batch of {batch} differs from the CPU")
            if not np.array_equal(gpu.bootstrap(small[part], tables, which[part]), big[part]):
                raise AssertionError(f"{name}: the bootstrap of a batch of {batch} differs from the CPU")
            place, covered, batches = place + batch, covered + batch, batches + 1
            sizes.add(batch)
        compared += min(count, covered)
        note({"lookups_compared": compared, "batches": batches, "batch_sizes": len(sizes), "most": max(sizes)})
        if case.packing and not np.array_equal(gpu.pack(big[:size]), cpu.pack(big[:size])):
            raise AssertionError(f"{name}: packing {len(big[:size])} values differs from the CPU")
        note({"packing_compared": case.packing})


def _sizes(rng: np.random.Generator, most: int) -> Iterator[int]:
    """Every size from 1 to `most` once: those at edges first, the others in random order; then `most` for ever."""
    edges = [size for size in EDGES if size < most] + [most]
    yield from edges
    for size in rng.permutation(most) + 1:
        if size not in edges:
            yield int(size)
