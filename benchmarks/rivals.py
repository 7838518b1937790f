"""The same linear model in the tools people use today, timed on this machine: Concrete ML and TenSEAL."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fhe.arrays import I64

CONCRETE_ROWS = 128  # rows in one call of Concrete's circuit
TENSEAL_ROWS = 4096  # slots of a CKKS vector at degree 8192
TENSEAL_MODULUS = (60, 40, 60)  # bits; the smallest chain at this degree whose sums are right to the unit


@dataclass(frozen=True)
class Timing:
    """Microseconds of a tool."""

    encrypt_us_per_value: float
    evaluate_us_per_row: float
    bytes_per_value: float


def fastest(work: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of some runs."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def concrete(model: Any, codes: I64, *, compress: bool, repeats: int = 3) -> Timing:
    """Concrete ML's own circuit of a fitted linear model, on 128 rows at once, its result checked against the clear.

    With `compress`, its input ciphertexts carry a seed in place of their masks: smaller, and expanded by the server.
    """
    quantized = model.quantize_input(codes[:CONCRETE_ROWS].astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        circuit = model._get_module_to_compile().compile(
            [quantized, np.full_like(quantized, quantized.min())], compress_input_ciphertexts=compress
        )
    circuit.keygen()
    encrypted: Any = None

    def encrypt() -> None:
        nonlocal encrypted
        encrypted = circuit.encrypt(quantized)

    encrypt_s = fastest(encrypt, repeats)
    result: Any = None

    def run() -> None:
        nonlocal result
        result = circuit.run(encrypted)

    run_s = fastest(run, repeats)
    if not np.array_equal(circuit.decrypt(result), model._inference(quantized)):
        raise AssertionError("Concrete's circuit does not agree with the model in the clear")
    return Timing(
        encrypt_s / quantized.size * 1e6,
        run_s / len(quantized) * 1e6,
        len(encrypted.serialize()) / quantized.size,
    )


def tenseal(weights: I64, bias: int, codes: I64, threads: int, repeats: int = 5) -> Timing:
    """CKKS with one vector a column, 4,096 rows each: products with plain weights, their sum, checked to the unit."""
    import tenseal as ts

    context = ts.context(
        ts.SCHEME_TYPE.CKKS,
        poly_modulus_degree=2 * TENSEAL_ROWS,
        coeff_mod_bit_sizes=list(TENSEAL_MODULUS),
        n_threads=threads,
    )
    context.global_scale = 2.0**40
    part = codes[:TENSEAL_ROWS]
    lists = [column.astype(np.float64).tolist() for column in part.T]
    columns: list[Any] = []

    def encrypt() -> None:
        columns[:] = [ts.ckks_vector(context, values) for values in lists]

    encrypt_s = fastest(encrypt, repeats)
    total: Any = None

    def evaluate() -> None:
        nonlocal total
        total = columns[0] * float(weights[0])
        for column, weight in zip(columns[1:], weights[1:].tolist(), strict=True):
            total = total + column * float(weight)
        total = total + float(bias)

    evaluate_s = fastest(evaluate, repeats)
    if np.abs(np.array(total.decrypt()) - (part @ weights + bias)).max() > 0.5:
        raise AssertionError("TenSEAL's sum is not right to the unit")
    return Timing(encrypt_s / part.size * 1e6, evaluate_s / len(part) * 1e6, len(columns[0].serialize()) / len(part))
