"""The canonical evaluator on one NVIDIA GPU, beside one core of the CPU: bootstraps, linear layers, a forest.

Keys and ciphertexts are uniform words, which cost what real ones cost; every figure's result is first compared with
the CPU's. `bootstraps_per_s` counts whole calls, transfers included; `kernel_` figures are the GPU's own time.
Operations are additions and multiplications of doubles, as docs/gpu.md counts them, over the measured rate of separate
ones. Without a GPU this ends with a sentence and code 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.dataset import Affine, Codebook, ColumnCode, EncryptedTable, Shard
from app.protocol.errors import DarkroomError, Unavailable
from app.protocol.seams import Progress
from benchmarks.gpu_ceilings import copy_gb_per_s, double_operations_per_s, fastest
from fhe.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.engine import conformance
from fhe.engine.core import prepare
from fhe.engine.cuda import source as kernels
from fhe.engine.cuda import trusted
from fhe.engine.cuda.columns import Columns
from fhe.engine.cuda.core import CudaCore
from fhe.engine.evaluate import evaluate
from fhe.engine.gadget import table_polynomials
from fhe.mask import mask
from fhe.profile import EncryptionProfile
from fhe.profiles import ONE_LEVEL, REFERENCE

U64 = npt.NDArray[np.uint64]

STEPS = 8
SHARE = 8  # of the ciphertexts of a batch, how many waves of the device
CHECKED = 16  # ciphertexts compared with the CPU
FOREST_ROWS, FOREST_TREES = 2048, 40
COLUMNS, COLUMN_WORDS = 30, 1 << 24  # 4 GB of packed words
CASES = {profile.name: profile.name for profile in (ONE_LEVEL, REFERENCE)}


def run(progress: Progress) -> dict[str, Any]:
    """All figures, in one run."""
    start = time.perf_counter()
    try:
        device = trusted.trusted()[0]
    except DarkroomError as error:
        raise SystemExit(f"This benchmark needs an NVIDIA GPU. {error}") from None
    import cupy

    figures: dict[str, Any] = {"gpu": device.name, "self_test_s": time.perf_counter() - start}
    progress(1, STEPS)
    columns = Columns(REFERENCE, device)
    figures["copy_gb_per_s"] = copy_gb_per_s(cupy, columns.masks(bytes(16), 0, COLUMN_WORDS // 128))  # 2 GB
    rate = double_operations_per_s(cupy)
    figures["double_operations_per_s"] = rate
    progress(2, STEPS)
    figures |= _bootstraps(cupy, ONE_LEVEL, "", rate)
    progress(4, STEPS)
    figures |= _bootstraps(cupy, REFERENCE, "two_level_", rate)
    progress(6, STEPS)
    figures |= _linear(cupy, columns, figures["copy_gb_per_s"])
    progress(7, STEPS)
    figures |= _forest()
    progress(STEPS, STEPS)
    return figures


def operations(profile: EncryptionProfile) -> int:
    """Additions and multiplications of doubles in one bootstrap of N = 2048, steps with c_i = 0 included.

    A transform is log4(N/2) levels of N/8 nodes of 34 operations; a step has 2 (levels + 1) of them, products of 6 and
    sums of 2 for both columns at N/2 points, and one subtraction for each digit. Words are made by integer operations.
    """
    half, levels = profile.polynomial_size // 2, profile.bootstrap.levels
    transform = (half.bit_length() - 1) // 2 * (half // 4) * 34
    products = 2 * half * (2 * levels * 6 + (2 * levels - 1) * 2)
    return profile.lwe_dimension * (2 * (levels + 1) * transform + products + 2 * levels * 2 * half)


def _bootstraps(cupy: Any, profile: EncryptionProfile, prefix: str, rate: float) -> dict[str, Any]:
    """Keyswitches and bootstraps of one profile."""
    case = next(case for case in conformance.vectors().cases if case.name == CASES[profile.name])
    key, size = conformance.key_of(case), profile.polynomial_size
    device = trusted.trusted()[0]
    start = time.perf_counter()
    core = CudaCore(profile, key, device)
    compiled = time.perf_counter()
    count = SHARE * device.multiprocessors() * (3 if profile.bootstrap.levels == 1 else 2)
    rng = np.random.default_rng(0)
    lwe = rng.integers(0, 2**64, (count, size + 1), np.uint64)
    tables, which = table_polynomials(rng.integers(-99, 99, (4, 8)), 8, size), rng.integers(0, 4, count)
    core.bootstrap(core.keyswitch(lwe[:1]), tables, which[:1])
    loaded = time.perf_counter()
    small = core.keyswitch(lwe)
    big = core.bootstrap(small, tables, which)
    seconds = _wall(lambda: core.bootstrap(small, tables, which))
    words, there = cupy.asarray(small), [cupy.asarray(array) for array in (tables, which)]
    out = cupy.empty((count, size + 1), cupy.uint64)
    arguments = (core.bootstrap_key(), core.twiddles, words, *there, out)
    shared = kernels.fast_shared_bytes(profile.bootstrap.levels)
    alone = fastest(
        cupy, lambda: core.kernels.launch("bootstrap_2048", (count, 1), kernels.FAST_THREADS, shared, arguments), 3
    )
    figures: dict[str, Any] = {
        "bootstraps_per_s": count / seconds,
        "kernel_bootstraps_per_s": count / alone,
        "fraction_of_fp64_limit": count / alone * operations(profile) / rate,
        "operations_per_bootstrap": operations(profile),
        "keyswitches_per_s": count / _wall(lambda: core.keyswitch(lwe)),
        "compile_s": compiled - start,
        "key_upload_and_first_call_s": loaded - compiled,
        "batch": count,
    }
    if case.packing:
        figures["pack_2048_ms"] = 1000 * _wall(lambda: core.pack(big[:size]))
    figures |= _beside_cpu(profile, key, lwe[:CHECKED], tables, which[:CHECKED], big[:CHECKED], figures)
    return {prefix + name: value for name, value in figures.items()}


def _beside_cpu(
    profile: EncryptionProfile, key: Any, lwe: U64, tables: U64, which: Any, found: U64, figures: dict[str, Any]
) -> dict[str, Any]:
    """The same on one core of the CPU, with the same bytes; nothing where there is no native core."""
    try:
        cpu = prepare(profile, key, "native")
    except Unavailable:
        return {"ratio_vs_cpu_core": None}
    small = cpu.keyswitch(lwe)
    if not np.array_equal(cpu.bootstrap(small, tables, which), found):
        raise AssertionError("GPU and CPU give different bytes")
    seconds = _wall(lambda: cpu.bootstrap(small, tables, which)) / len(lwe)
    return {"cpu_core_ms": seconds * 1000, "ratio_vs_cpu_core": figures["bootstraps_per_s"] * seconds}


def _linear(cupy: Any, columns: Columns, copy: float) -> dict[str, Any]:
    """One output over 30 columns that are on the device, and the expansion of masks there and on the host."""
    columns = Columns(REFERENCE, trusted.trusted()[0])
    words = cupy.stack(
        [columns.masks(bytes([column] * 16), 0, COLUMN_WORDS // 2048).reshape(-1) for column in range(30)]
    )
    weights = np.random.default_rng(1).integers(-128, 128, COLUMNS)
    layer = Linear(20, np.array([0, COLUMNS]), np.arange(COLUMNS), weights, np.zeros(1, np.int64))
    scaled, sums = weights.view(np.uint64) << np.uint64(7), cupy.zeros((1, COLUMN_WORDS), cupy.uint64)
    columns.add(words, layer, scaled, sums, length=COLUMN_WORDS)
    part = words[:, :4096].get()
    if not np.array_equal(sums[0, :4096].get(), scaled @ part):
        raise AssertionError("the GPU's linear layer is wrong")
    seconds = fastest(cupy, lambda: columns.add(words, layer, scaled, sums, length=COLUMN_WORDS))
    moved = words.nbytes + 2 * sums.nbytes
    polys, seed = COLUMN_WORDS // 2048, bytes(16)
    expand = fastest(cupy, lambda: columns.masks(seed, 0, polys))
    if not np.array_equal(columns.masks(seed, 5, 2).get(), mask(seed, 5, 2, 2048)):
        raise AssertionError("the GPU's masks are wrong")
    return {
        "linear_gb_per_s": moved / seconds / 1e9,
        "linear_gb_per_s_fraction": moved / seconds / 1e9 / copy,
        "mask_gb_per_s": 8 * COLUMN_WORDS / expand / 1e9,
        "host_mask_gb_per_s": 8 * COLUMN_WORDS / _wall(lambda: mask(seed, 0, polys, 2048)) / 1e9,
    }


@dataclass(frozen=True)
class RandomWords:
    """A `ChunkSource` of uniform words."""

    size: int

    def bodies(self, input: Input, shard: int, chunks: range) -> U64:
        """Body words."""
        return mask(bytes([input.index, 1, shard] + [0] * 13), chunks.start, len(chunks), self.size)

    def mask(self, input: Input, shard: int, chunks: range) -> U64:
        """Mask words."""
        return mask(bytes([input.index, 2, shard] + [0] * 13), chunks.start, len(chunks), self.size)


def forest(trees: int, table: EncryptedTable) -> Circuit:
    """As many lookups of three bits as the demo's tree model has, summed into one score."""
    rng = np.random.default_rng(2)
    inputs = tuple(Input("c0", "bins", edge) for edge in range(30))
    reads = np.concatenate([rng.choice(len(inputs), 3, replace=False) for _ in range(trees)])
    weights, bounds = np.tile([4, 2, 1], trees), np.arange(0, 3 * trees + 1, 3)
    first = Linear(3, bounds, reads, weights, np.zeros(trees, np.int64))
    lookups = Lookup(12, np.arange(trees), rng.integers(-64, 64, (trees, 8)))
    wires = np.arange(len(inputs), len(inputs) + trees)
    last = Linear(12, np.array([0, trees]), wires, np.ones(trees, np.int64), np.zeros(1, np.int64))
    return Circuit(table.profile, table.codebook.digest, inputs, (first, lookups, last), ("score",), Readout("value"))


def table_of(profile: EncryptionProfile, rows: int) -> EncryptedTable:
    """A table of one column with 30 bins; what it holds comes from `RandomWords`."""
    edges = tuple(float(edge) for edge in range(1, 31))
    code = ColumnCode(name="c0", dtype="int", affine=Affine(low=0.0, step=1.0, levels=31), bins=edges, declared=True)
    shard = Shard.model_construct(first_row=0, rows=rows, files=())
    return EncryptedTable.model_construct(
        profile=profile.digest,
        codebook=Codebook(columns=(code,)),
        epoch=1,
        rows=rows,
        shards=(shard,),  # without files: `RandomWords` stands for them
        evaluation_key=None,
        data_root="",
    )


def _forest() -> dict[str, Any]:
    """Whole jobs, from packed columns to result bytes, on two levels."""
    case = next(case for case in conformance.vectors().cases if case.name == CASES[REFERENCE.name])
    key, table = conformance.key_of(case), table_of(REFERENCE, FOREST_ROWS)
    circuit, words = forest(FOREST_TREES, table), RandomWords(REFERENCE.polynomial_size)

    def job(rows: int, backend: Any) -> bytes:
        return evaluate(circuit, REFERENCE, table, words, 0, rows, key, 1, backend).to_bytes()

    if job(2, "cuda") != job(2, "cpu"):
        raise AssertionError("GPU and CPU give different results")
    seconds = _wall(lambda: job(FOREST_ROWS, "cuda"), 2)
    return {"xgb_rows_per_s": FOREST_ROWS / seconds, "xgb_bootstraps_per_row": FOREST_TREES}


def _wall(work: Callable[[], Any], repeats: int = 3) -> float:
    """Seconds of the fastest run by the wall's clock, after one run to warm up; results are on the host by then."""
    times = []
    work()
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
