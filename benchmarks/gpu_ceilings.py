"""What a GPU can do at most: copy bandwidth, and the rate of separate double additions and multiplications.

The canonical evaluator forbids fused operations, so its ceiling is the rate of instructions, half of a datasheet's
"FLOP/s", which count a fused one twice.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CHAINS, ROUNDS, BLOCK, WAVES = 8, 4096, 256, 16
REPEATS = 7

# Eight independent chains a thread, each step one multiplication and one addition that no compiler may fuse.
SOURCE = """
extern "C" __global__ void rate(double *out, long long rounds) {
  double x[8];
  for (int k = 0; k < 8; k++) x[k] = threadIdx.x + k;
  for (long long j = 0; j < rounds; j++)
    _Pragma("unroll") for (int k = 0; k < 8; k++) x[k] = __dadd_rn(__dmul_rn(x[k], 0.999), 0.001);
  double sum = 0;
  for (int k = 0; k < 8; k++) sum += x[k];
  out[(long long)blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
"""


def fastest(cupy: Any, work: Any, repeats: int = REPEATS) -> float:
    """Seconds of the median run by the GPU's own clock, after one run to warm up."""
    times = []
    work()
    for _ in range(repeats):
        start, stop = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        work()
        stop.record()
        stop.synchronize()
        times.append(cupy.cuda.get_elapsed_time(start, stop) / 1000)
    return float(sorted(times)[len(times) // 2])


def copy_gb_per_s(cupy: Any, words: Any) -> float:
    """Device to device, bytes read plus bytes written; `words` is an array of gigabytes of random words."""
    target, size = cupy.empty_like(words), int(words.nbytes)
    return 2 * size / fastest(cupy, lambda: target.data.copy_from_device_async(words.data, size)) / 1e9


def double_operations_per_s(cupy: Any, rounds: int = ROUNDS) -> float:
    """Separate additions and multiplications of doubles a second, all multiprocessors together."""
    kernel = cupy.RawKernel(SOURCE, "rate", options=("--fmad=false",))
    blocks = WAVES * int(cupy.cuda.Device().attributes["MultiProcessorCount"])
    out = cupy.empty(blocks * BLOCK, cupy.float64)
    seconds = fastest(cupy, lambda: kernel((blocks,), (BLOCK,), (out, np.int64(rounds))))
    return 2 * CHAINS * rounds * BLOCK * blocks / seconds
