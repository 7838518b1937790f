"""Everything that needs an NVIDIA GPU, in one call: `python scripts/gpu_check.py [--json FILE] [--lookups 10000]`.

It compares every conformance vector, random lookups in batches of 1 to 1,000 against the CPU, and runs the small
vectors under compute-sanitizer; then it measures ceilings and speeds (`benchmarks.gpu`). A short table, then one JSON
object as the last line. It needs NumPy, CuPy, pycryptodome, pydantic, rfc8785 and rich, and a built native core
(`python -m fhe.engine.native.build`) to compare with; a part that fails is reported, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

SEED = 20
SANITIZED = ("small-two-levels", "small-one-level", "short-reference")
TOOLS = ("memcheck", "racecheck", "initcheck", "synccheck")
SANITIZER_SECONDS = 100


def vectors(names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Every stage of every case, or of `names`, on the GPU."""
    from fhe.engine import conformance
    from fhe.engine.cuda.core import CudaCore
    from fhe.engine.cuda.device import CupyDevice

    device, done = CupyDevice(), []
    conformance.check_roots()
    for case in conformance.vectors().cases:
        if names is None or case.name in names:
            conformance.check(case, partial(CudaCore, device=device))
            done.append(case.name)
    return {"gpu": device.name, "vectors": len(done)}


def lookups(total: int) -> dict[str, Any]:
    """Random keyswitches and bootstraps, half of them on each profile, in batches of sampled sizes, and packing."""
    from fhe.engine import conformance
    from fhe.engine.cuda.core import CudaCore
    from fhe.engine.cuda.device import CupyDevice
    from fhe.engine.gadget import table_polynomials
    from fhe.engine.native.core import NativeCore

    rng, compared, sizes = np.random.default_rng(SEED), 0, list[int]()
    for name in ("reference-1", "reference-2"):
        case = next(case for case in conformance.vectors().cases if case.name == name)
        key, size = conformance.key_of(case), case.profile.polynomial_size
        gpu, cpu = CudaCore(case.profile, key, CupyDevice()), NativeCore(case.profile, key, os.cpu_count() or 1)
        left = total // 2
        while left > 0:
            count = min(left, int(rng.choice([1, 2, 3, 131, 132, 133, 999, 1000, rng.integers(1, 1001)])))
            lwe = rng.integers(0, 2**64, (count, size + 1), np.uint64)
            tables, which = table_polynomials(rng.integers(-99, 99, (5, 8)), 8, size), rng.integers(0, 5, count)
            small = cpu.keyswitch(lwe)
            big = cpu.bootstrap(small, tables, which)
            if not np.array_equal(gpu.keyswitch(lwe), small) or not np.array_equal(
                gpu.bootstrap(small, tables, which), big
            ):
                raise AssertionError(f"{name}: a batch of {count} differs from the CPU")
            left, compared = left - count, compared + count
            sizes.append(count)
        if case.packing and not np.array_equal(gpu.pack(big), cpu.pack(big)):
            raise AssertionError(f"{name}: packing {len(big)} values differs from the CPU")
    return {"lookups_compared": compared, "batches": len(sizes), "batch_sizes": sorted(set(sizes))}


def sanitizer() -> dict[str, Any]:
    """The small vectors under each tool of compute-sanitizer; what it said of itself where it cannot run here."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        return {"sanitizer": "not installed"}
    found: dict[str, Any] = {}
    for tool in TOOLS:
        command = [program, "--tool", tool, "--error-exitcode", "9", sys.executable, __file__, "--only-vectors"]
        try:
            done = subprocess.run(
                command, capture_output=True, encoding="utf-8", timeout=SANITIZER_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            found[tool] = f"not done in {SANITIZER_SECONDS} s"
            continue
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("=====")]
        found[tool] = "clean" if done.returncode == 0 else "; ".join(lines[:3] + lines[-1:]) or "failed"
    if any(said != "clean" and not said.startswith("not ") for said in found.values()):
        raise AssertionError(f"compute-sanitizer: {found}")
    return {"sanitizer": found}


def speeds() -> dict[str, Any]:
    """The figures of `python -m benchmarks gpu`."""
    from benchmarks import gpu
    from benchmarks.machine import facts

    return {**gpu.run(lambda done, total: None), "machine": facts()}


def main() -> int:
    """Run the parts, print what they found; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the object to this file")
    parser.add_argument("--lookups", type=int, default=10_000, help="random lookups to compare with the CPU")
    parser.add_argument("--only-vectors", action="store_true", help="the small vectors, for compute-sanitizer")
    options = parser.parse_args()
    if options.only_vectors:
        vectors(SANITIZED)
        return 0
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "vectors": vectors,
        "speeds": speeds,
        "lookups": lambda: lookups(options.lookups),
        "sanitizer": sanitizer,
    }
    figures: dict[str, Any] = {"failed": []}
    for name, part in parts.items():
        start = time.perf_counter()
        try:
            figures |= part()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one call must tell as much as it can
            traceback.print_exc()
            figures["failed"] += [f"{name}: {error}"]
        figures[f"{name}_seconds"] = round(time.perf_counter() - start, 1)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1, default=float) + "\n")
    for name, value in figures.items():
        print(f"{name:32} {value:,.4g}" if isinstance(value, float) else f"{name:32} {value}")
    print(json.dumps(figures, default=float))
    return int(bool(figures["failed"]))


if __name__ == "__main__":
    sys.exit(main())
