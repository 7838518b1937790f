"""The canonical evaluator on one NVIDIA GPU, beside one core of the CPU: bootstraps, linear layers, a forest.

Keys and ciphertexts are uniform words, which cost what real ones cost; every figure's result is first compared with
the CPU's. `bootstraps_per_s` counts whole calls, transfers included; `kernel_` figures are the GPU's own time.
Operations are additions and multiplications of doubles, as docs/gpu.md counts them, over the measured rate of separate
ones. Without a GPU this ends with a sentence and code 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from app.protocol.errors import DarkroomError, Unavailable
from app.protocol.ports import Progress
from benchmarks.gpu_ceilings import copy_gb_per_s, double_operations_per_s, fastest
from benchmarks.gpu_forest import RandomWords, forest, table_of
from fhe.arrays import I64, U64
from fhe.circuit.circuit import Linear
from fhe.engine import vectors
from fhe.engine.backends import prepare
from fhe.engine.core import BackendName
from fhe.engine.cuda import selection
from fhe.engine.cuda.columns import Columns
from fhe.engine.cuda.core import CudaCore
from fhe.engine.cuda.device import Device
from fhe.engine.cuda.source import OPTIONS, cuda_source
from fhe.engine.evaluate import evaluate
from fhe.engine.gadget import table_polynomials
from fhe.evaluation_key import EvaluationKey
from fhe.mask import mask
from fhe.profile import EncryptionProfile
from fhe.profiles import ONE_LEVEL, REFERENCE

ONE, TWO = "", "two_level_"  # how the names of the two profiles' figures begin


@dataclass(frozen=True)
class Sizes:
    """How much is measured. `cases`: conformance cases whose keys are used, one level and two."""

    cases: Mapping[str, str]
    batch: int | None  # ciphertexts, else what a core likes to be given
    checked: int  # ciphertexts compared with the CPU
    rows: int  # of the forest
    trees: int
    columns: int
    words: int  # of a column
    rounds: int  # of the kernel that measures the rate of doubles
    repeats: int


FULL = Sizes({ONE: ONE_LEVEL.name, TWO: REFERENCE.name}, None, 16, 2048, 40, 30, 1 << 24, 4096, 3)  # 4 GB of columns
# What the emulator can do: shows that everything runs, and its figures mean nothing.
QUICK = Sizes({ONE: "small-one-level", TWO: "short-reference"}, 6, 2, 3, 4, 5, 1 << 13, 2, 1)


@dataclass(frozen=True)
class Bench:
    """One GPU that passed its self-test, and how much to measure."""

    cupy: Any
    device: Device
    sizes: Sizes

    @classmethod
    def open(cls, sizes: Sizes) -> Bench:
        """This process's first GPU. Errors: Unavailable, VerificationFailed."""
        device = selection.trusted()[0]
        import cupy

        return cls(cupy, device, sizes)

    @cached_property
    def copy(self) -> float:
        """Copy bandwidth, GB a second read and written, over 2 GB."""
        polys = self.sizes.words // REFERENCE.polynomial_size * 16
        return copy_gb_per_s(self.cupy, Columns(REFERENCE, self.device).masks(bytes(16), 0, polys))

    @cached_property
    def rate(self) -> float:
        """Separate additions and multiplications of doubles a second."""
        return double_operations_per_s(self.cupy, self.sizes.rounds)

    def case(self, level: str) -> tuple[EncryptionProfile, EvaluationKey]:
        """A profile and its key of uniform words."""
        case = next(case for case in vectors.vectors().cases if case.name == self.sizes.cases[level])
        return case.profile, vectors.key_of(case)

    def inputs(self, profile: EncryptionProfile, count: int) -> tuple[U64, U64, I64]:
        """Random ciphertexts, test polynomials and which of them is whose."""
        rng, size = np.random.default_rng(0), profile.polynomial_size
        lwe = rng.integers(0, 2**64, (count, size + 1), np.uint64)
        return lwe, table_polynomials(rng.integers(-99, 99, (4, 8)), 8, size), rng.integers(0, 4, count)


def run(progress: Progress) -> dict[str, Any]:
    """All figures, in one run."""
    start = time.perf_counter()
    try:
        bench = Bench.open(FULL)
    except DarkroomError as error:
        raise SystemExit(f"This benchmark needs an NVIDIA GPU. {error}") from None
    figures: dict[str, Any] = {"gpu": bench.device.name, "self_test_s": time.perf_counter() - start}
    for done, part in enumerate(PARTS.values(), 1):
        figures |= part(bench)
        progress(done, len(PARTS))
    return figures


def operations(profile: EncryptionProfile) -> int:
    """Additions and multiplications of doubles in one bootstrap of N = 2048, steps with c_i = 0 included.

    A transform is log4(N/2) levels of N/8 nodes of 34 operations; a step has 2 (levels + 1) of them, products of 6 and
    sums of 2 for both columns at N/2 points, one subtraction for each digit and one addition for each word.
    """
    half, levels = profile.polynomial_size // 2, profile.bootstrap.levels
    transform = (half.bit_length() - 1) // 2 * (half // 4) * 34
    products = 2 * half * (2 * levels * 6 + (2 * levels - 1) * 2)
    return profile.lwe_dimension * (2 * (levels + 1) * transform + products + 2 * (levels + 1) * 2 * half)


def ceilings(bench: Bench) -> dict[str, Any]:
    """What the device can do at most."""
    return {"copy_gb_per_s": bench.copy, "double_operations_per_s": bench.rate}


def bootstraps(bench: Bench, level: str) -> dict[str, Any]:
    """Keyswitches and bootstraps of one profile, from a compilation that no cache knows to whole batches."""
    profile, key = bench.case(level)
    compiling = _compile_seconds(bench.cupy, profile)
    core = CudaCore(profile, key, bench.device)
    uploading = _seconds(bench.cupy, lambda: (core.bootstrap_key(), core.keyswitch_key()))
    count = bench.sizes.batch or core.batch
    lwe, tables, which = bench.inputs(profile, count)
    first = _seconds(bench.cupy, lambda: core.bootstrap(core.keyswitch(lwe[:1]), tables, which[:1]))
    small = core.keyswitch(lwe)
    big = core.bootstrap(small, tables, which)
    repeats = bench.sizes.repeats
    seconds = _wall(lambda: core.bootstrap(small, tables, which), repeats)
    there, used, chosen = (bench.device.upload(array) for array in (small, tables, which))
    out, words = bench.device.empty(big.shape, np.uint64), bench.device.upload(lwe)
    switched = bench.device.empty(small.shape, np.uint64)
    alone = fastest(bench.cupy, lambda: core.start_bootstrap(there, used, chosen, out, count), repeats)
    switching = fastest(bench.cupy, lambda: core.start_keyswitch(words, switched, count), repeats)
    figures: dict[str, Any] = {
        "bootstraps_per_s": count / seconds,
        "kernel_bootstraps_per_s": count / alone,
        "fraction_of_fp64_limit": count / alone * operations(profile) / bench.rate,
        "operations_per_bootstrap": operations(profile),
        "keyswitches_per_s": count / _wall(lambda: core.keyswitch(lwe), repeats),
        "kernel_keyswitches_per_s": count / switching,
        "compile_s": compiling,
        "key_upload_s": uploading,
        "first_call_s": first,
        "batch": count,
    }
    if key.packing is not None:
        values = big[: profile.polynomial_size]
        figures["pack_key_s"] = _seconds(bench.cupy, lambda: core.pack(values))
        figures["pack_ms"] = 1000 * _wall(lambda: core.pack(values), repeats)
    some = slice(0, bench.sizes.checked)
    figures |= _beside_cpu(profile, key, lwe[some], tables, which[some], big[some], figures["bootstraps_per_s"])
    return {level + name: value for name, value in figures.items()}


def _compile_seconds(cupy: Any, profile: EncryptionProfile) -> float:
    """Of a source that nobody compiled before, so that neither memory nor disk has it."""
    text = f"{cuda_source(profile)}// {time.time_ns()}\n"
    return _seconds(cupy, lambda: cupy.RawModule(code=text, options=OPTIONS, backend="nvrtc").compile())


def _beside_cpu(
    profile: EncryptionProfile, key: EvaluationKey, lwe: U64, tables: U64, which: I64, found: U64, speed: float
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
    return {"cpu_core_ms": seconds * 1000, "ratio_vs_cpu_core": speed * seconds}


def linear(bench: Bench) -> dict[str, Any]:
    """One output, and four, over columns that are on the device; the expansion of masks there and on the host."""
    sizes, cupy, columns = bench.sizes, bench.cupy, Columns(REFERENCE, bench.device)
    polys, seed = sizes.words // REFERENCE.polynomial_size, bytes(16)
    words = columns.masks(seed, 0, sizes.columns * polys).reshape(sizes.columns, sizes.words)
    figures: dict[str, Any] = {}
    for outputs, name in ((1, "linear_gb_per_s"), (4, "linear_4_outputs_gb_per_s")):
        weights = np.random.default_rng(1).integers(-128, 128, (outputs, sizes.columns))
        bounds, wires = sizes.columns * np.arange(outputs + 1), np.tile(np.arange(sizes.columns), outputs)
        layer = Linear(20, bounds, wires, weights.reshape(-1), np.zeros(outputs, np.int64))
        scaled = weights.view(np.uint64) << np.uint64(7)
        sums = bench.device.upload(np.zeros((outputs, sizes.words), np.uint64))

        def add(layer: Linear = layer, scaled: U64 = scaled, sums: Any = sums) -> None:
            columns.add(words, layer, scaled.reshape(-1), sums, length=sizes.words)

        add()
        part, total = (np.stack([bench.device.download(row[:4096]) for row in array]) for array in (words, sums))
        if not np.array_equal(total, scaled @ part):
            raise AssertionError("the GPU's linear layer is wrong")
        # what is moved at least: every column once, every sum read and written
        figures[name] = (words.nbytes + 2 * sums.nbytes) / fastest(cupy, add) / 1e9
    expand = fastest(cupy, lambda: columns.masks(seed, 0, polys))
    if not np.array_equal(bench.device.download(columns.masks(seed, 5, 2)), mask(seed, 5, 2, 2048)):
        raise AssertionError("the GPU's masks are wrong")
    host = _wall(lambda: mask(seed, 0, polys, REFERENCE.polynomial_size), sizes.repeats)
    return figures | {
        "linear_gb_per_s_fraction": figures["linear_gb_per_s"] / bench.copy,
        "mask_gb_per_s": 8 * sizes.words / expand / 1e9,
        "host_mask_gb_per_s": 8 * sizes.words / host / 1e9,
    }


def trees(bench: Bench) -> dict[str, Any]:
    """Whole jobs, from packed columns to result bytes, on two levels, on all GPUs of this process."""
    sizes = bench.sizes
    profile, key = bench.case(TWO)
    table = table_of(profile, sizes.rows)
    circuit, words = forest(sizes.trees, table), RandomWords(profile.polynomial_size)

    def job(rows: int, backend: BackendName) -> bytes:
        return evaluate(circuit, profile, table, words, 0, rows, key, 1, backend).to_bytes()

    if job(2, "cuda") != job(2, "cpu"):
        raise AssertionError("GPU and CPU give different results")
    seconds = _wall(lambda: job(sizes.rows, "cuda"), min(2, sizes.repeats))
    return {
        "xgb_rows_per_s": sizes.rows / seconds,
        "xgb_bootstraps_per_row": sizes.trees,
        "xgb_gpus": len(selection.trusted()),
    }


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "ceilings": ceilings,
    "one level": lambda bench: bootstraps(bench, ONE),
    "two levels": lambda bench: bootstraps(bench, TWO),
    "linear": linear,
    "forest": trees,
}


def _wall(work: Callable[[], Any], repeats: int = 3) -> float:
    """Seconds of the fastest run by the wall's clock, after one run to warm up; results are on the host by then."""
    times = []
    work()
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _seconds(cupy: Any, work: Callable[[], Any]) -> float:
    """Seconds of one run, everything on the device included."""
    start = time.perf_counter()
    work()
    cupy.cuda.Device().synchronize()
    return time.perf_counter() - start
