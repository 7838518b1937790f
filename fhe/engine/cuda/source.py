"""The CUDA C++ text of one profile's kernels, how it is compiled, and the constant tables that kernels read."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fhe.engine.transform import levels
from fhe.profile import EncryptionProfile

FOLDER = Path(__file__).parent
PARTS = ("arithmetic", "transform", "bootstrap", "keyswitch", "packing", "linear")

# No fused operations: the sources use rounding intrinsics, so this says it twice. CuPy adds its own --ftz, which
# concerns single precision only and may not be given twice.
OPTIONS = ("--std=c++17", "--fmad=false")
# STREAMED reads 16 bytes of the key, which no kernel writes that reads it so: the compiler may begin it before a
# barrier. Blocks of one multiprocessor find one another's key points in L1.
MACROS = """
#define SHARED(type, name) \\
  extern __shared__ __align__(16) unsigned char shared_bytes[]; \\
  type *name = (type *)shared_bytes
#define UNKNOWN(number) asm volatile("" : "+r"(number))
#ifdef KEY_PAST_L1
#define STREAM "ld.global.nc.L1::no_allocate.v2.f64"
#else
#define STREAM "ld.global.nc.v2.f64"
#endif
template <class T> static __device__ __forceinline__ T streamed(const T *at) {
  double x, y;
  asm(STREAM " {%0, %1}, [%2];" : "=d"(x), "=d"(y) : "l"(at));
  return {x, y};
}
#define STREAMED(at) streamed(at)
"""

FAST_SIZE = 2048  # the polynomial size that bootstrap.cu is written for
FAST_THREADS = 128
_EXCHANGE = 16 * 68  # points, bootstrap.cu


def defines(profile: EncryptionProfile) -> str:
    """The parameters of a profile, as preprocessor lines."""
    values = {
        "SIZE": profile.polynomial_size,
        "DIMENSION": profile.lwe_dimension,
        "LEVELS": profile.bootstrap.levels,
        "BASE": profile.bootstrap.base_log,
        "SWITCH_LEVELS": profile.keyswitch.levels,
        "SWITCH_BASE": profile.keyswitch.base_log,
    }
    return "".join(f"#define {name} {value}\n" for name, value in values.items())


def source(profile: EncryptionProfile) -> str:
    """All kernels for a profile, but for the macros of CUDA's own syntax, which `cuda_source` adds."""
    parts = (f'#line 1 "{name}.cu"\n{(FOLDER / f"{name}.cu").read_text(encoding="utf-8")}' for name in PARTS)
    return defines(profile) + "".join(parts)


def cuda_source(profile: EncryptionProfile) -> str:
    """All kernels for a profile, for NVRTC."""
    return MACROS + source(profile)


@cache
def twiddles(size: int) -> npt.NDArray[np.float64]:
    """Of each level of the tree from the root down, of each node: t, t^2, t^3 (or t alone): (count, 2), re and im."""
    found = []
    for level in levels(size // 2):
        parts = [np.stack([re[:, 0], im[:, 0]], axis=-1) for re, im in level.twiddles]
        found.append(np.stack(parts, axis=1).reshape(-1, 2))
    return np.concatenate(found)


@cache
def register_twiddles() -> npt.NDArray[np.float64]:
    """The same of N = 2048 in the order in which bootstrap.cu's threads read them, (1023, 2)."""
    tree = twiddles(FAST_SIZE)
    two, three, four = tree[15:63], tree[63:255], tree[255:]
    return np.concatenate(
        [
            tree[:15],
            two.reshape(16, 3, 2).transpose(1, 0, 2).reshape(-1, 2),  # (hi, i) -> (i, hi)
            three.reshape(16, 4, 3, 2).transpose(1, 2, 0, 3).reshape(-1, 2),  # (hi, k, i) -> (k, i, hi)
            four.reshape(16, 4, 4, 3, 2)
            .transpose(1, 3, 0, 2, 4)
            .reshape(-1, 2),  # (hi, k, lane, i) -> (k, i, hi, lane)
        ]
    )


def fast_shared_bytes(levels: int) -> int:
    """Shared memory of one block of `bootstrap_2048`: words, two exchanges, points of all levels but the last."""
    return 16 * (FAST_SIZE + 2 * _EXCHANGE + (levels - 1) * FAST_SIZE)


def any_shared_bytes(size: int, levels: int) -> int:
    """Shared memory of one block of `bootstrap_any`: words, and the points of every level."""
    return 16 * size * (1 + levels)
