"""What is needed to make a GPU's kernels faster: what the driver made of them, how they scale, and what else was tried.

A variant is the same source with one line before it; all must give the same words.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import numpy as np

from benchmarks.gpu import ONE, TWO, Bench
from benchmarks.gpu_ceilings import fastest
from benchmarks.gpu_truth import Note
from fhe.engine.cuda.core import CudaCore
from fhe.engine.cuda.device import CupyDevice, CupyKernels
from fhe.engine.cuda.source import OPTIONS, cuda_source

WAVES = (1 / 132, 1, 2, 3, 4, 6, 12, 24)  # ciphertexts for each multiprocessor
SETTLED = 3  # repeats of a measurement
VARIANTS = {
    "as it is": "",
    "1 block": "#define BLOCKS 1\n",
    "2 blocks": "#define BLOCKS 2\n",
    "3 blocks": "#define BLOCKS 3\n",
    "key past L1": "#define KEY_PAST_L1\n",
}
CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu,driver_version"


def tuning(note: Note, bench: Bench) -> None:
    """Facts of the driver, then for both profiles: attributes, times over batch sizes, transfers, variants."""
    runtime = bench.cupy.cuda.runtime
    wanted = ("MultiProcessorCount", "ClockRate", "L2CacheSize", "MaxSharedMemoryPerMultiprocessor")
    attributes = bench.cupy.cuda.Device().attributes
    note({"device": {name: attributes.get(name) for name in wanted} | {"runtime": runtime.runtimeGetVersion()}})
    note({"clocks": clocks()})
    for level in (ONE, TWO):
        _profile(note, bench, level)
    note({"clocks_after": clocks()})


def _profile(note: Note, bench: Bench, level: str) -> None:
    profile, key = bench.case(level)
    assert isinstance(bench.device, CupyDevice)
    core = CudaCore(profile, key, bench.device)
    processors = bench.device.multiprocessors()
    counts = sorted({max(1, round(each * processors)) for each in WAVES})
    if bench.sizes.batch:
        counts = [1, bench.sizes.batch]
    lwe, tables, which = bench.inputs(profile, counts[-1])
    small = core.keyswitch(lwe)
    there, used, chosen = (bench.device.upload(array) for array in (small, tables, which))
    out = bench.device.empty((counts[-1], profile.polynomial_size + 1), np.uint64)
    times = {}
    for count in counts:
        seconds = fastest(bench.cupy, lambda many=count: core.start_bootstrap(there, used, chosen, out, many), SETTLED)
        times[count] = {"ms": 1000 * seconds, "per_s": count / seconds}
        note({f"{level}kernel_by_batch": times})
    expected = bench.device.download(out)
    moved = {
        "upload_gb_per_s": lwe.nbytes / fastest(bench.cupy, lambda: bench.device.upload(lwe), SETTLED) / 1e9,
        "download_gb_per_s": out.nbytes / fastest(bench.cupy, lambda: bench.device.download(out), SETTLED) / 1e9,
    }
    note({f"{level}transfers": moved})
    found: dict[str, Any] = {}
    for name in list(VARIANTS)[-1:] if bench.sizes.batch else VARIANTS:
        try:
            module = bench.cupy.RawModule(code=VARIANTS[name] + cuda_source(profile), options=OPTIONS, backend="nvrtc")
            core.kernels = CupyKernels(bench.cupy, module, bench.device)
            seconds = fastest(bench.cupy, lambda: core.start_bootstrap(there, used, chosen, out, counts[-1]), SETTLED)
            same = bool(np.array_equal(bench.device.download(out), expected))
            found[name] = {"per_s": counts[-1] / seconds, "same_words": same}
            found[name] |= _attributes(bench, module, core)
        except Exception as error:  # noqa: BLE001 - one variant that does not fit must not hide the others
            found[name] = found.get(name, {}) | {"error": str(error)}
        note({f"{level}variants": found})
    if any(each.get("same_words") is False for each in found.values()):
        raise AssertionError(f"a variant of the kernel gives other words: {found}")


def _attributes(bench: Bench, module: Any, core: CudaCore) -> dict[str, Any]:
    """What the driver says of the bootstrap's kernel: registers, spills, blocks of a multiprocessor."""
    kernel = module.get_function(core.bootstrap_kernel)
    occupancy = bench.cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor
    blocks = occupancy(kernel.kernel.ptr, core.bootstrap_threads, core.bootstrap_shared)
    return {"registers": kernel.num_regs, "spilled_bytes": kernel.local_size_bytes, "blocks": blocks}


def clocks() -> str:
    """Clocks, power and driver as nvidia-smi says them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "no nvidia-smi"
    command = [program, f"--query-gpu={CLOCKS}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stdout or done.stderr).strip()


def one_bootstrap(note: Note, bench: Bench) -> None:
    """One batch of each profile, twelve ciphertexts for each multiprocessor: what a profiler looks at."""
    for level in (ONE, TWO):
        profile, key = bench.case(level)
        core, count = CudaCore(profile, key, bench.device), bench.sizes.batch or 12 * bench.device.multiprocessors()
        lwe, tables, which = bench.inputs(profile, count)
        there, used, chosen = (bench.device.upload(array) for array in (core.keyswitch(lwe), tables, which))
        out = bench.device.empty((count, profile.polynomial_size + 1), np.uint64)
        core.start_bootstrap(there, used, chosen, out, count)
        bench.device.download(out)
        note({f"{level}profiled_batch": count})
