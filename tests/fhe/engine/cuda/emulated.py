"""A `Device` without a GPU: the kernels' own source, compiled as C++ and run by the fibers of emulator.cc.

What it shows: index logic, the order of operations, barriers (by running threads in several orders), bounds of shared
memory and of every array, and the host code around the kernels. What it cannot show: that NVIDIA's compiler and chip do
the same, and any time.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import Unavailable
from fhe.engine.cuda.device import Argument, Array, Kernels
from fhe.engine.cuda.source import source
from fhe.profile import EncryptionProfile

HERE = Path(__file__).parent
FOLDER = "DARKROOM_EMULATOR"  # names a folder of compiled kernels
EXACT = ("-ffp-contract=off", "-fno-sanitize=undefined", "-fno-strict-aliasing")
FLAGS = ("-O2", "-std=c++17", *EXACT, "-fno-exceptions", "-w", "-shared", "-fPIC")
FAILURES = {1: "threads wait at a barrier for others that ended", 2: "a write past shared memory", 3: "no memory"}
GUARD = 64  # words of a pattern at both ends of each array
PATTERN = 0xA5A5A5A5A5A5A5A5
ONE_AT_A_TIME = threading.Lock()  # the runtime of emulator.cc is one machine
ASCENDING, DESCENDING, ROUND = 0, 1, 2  # orders in which a block's threads run


def compiler() -> list[str]:
    """A C++ compiler: the system's, else that of the ziglang wheel."""
    found = which("g++") or which("clang++") or which("c++")
    return [found] if found else [sys.executable, "-m", "ziglang", "cc", "-x", "c++"]


@cache
def folder() -> Path:
    """Where compiled kernels live: as long as this process, or for several processes where one has said so."""
    if FOLDER in os.environ:
        return Path(os.environ[FOLDER])
    made = tempfile.TemporaryDirectory(prefix="darkroom-emulator-")
    atexit.register(made.cleanup)
    return Path(made.name)


@cache
def library(text: str, without_barrier: int = -1) -> ctypes.CDLL:
    """The kernels of this source, compiled; `without_barrier` leaves out one of its barriers."""
    name = folder() / hashlib.sha256(f"{without_barrier}{text}".encode()).hexdigest()[:16]
    name.with_suffix(".cu").write_text(text)
    defines = [f'-DKERNELS="{name}.cu"', f"-DNO_BARRIER={without_barrier}"]
    target = name.with_suffix(".so")
    if target.exists():
        return ctypes.CDLL(str(target))
    command = [*compiler(), *FLAGS, *defines, str(HERE / "emulator.cc"), "-o", str(target)]
    subprocess.run(command, check=True, timeout=300)
    return ctypes.CDLL(str(target))


class EmulatedKernels:
    """Kernels that run at once, thread after thread."""

    def __init__(self, device: EmulatedDevice, loaded: ctypes.CDLL) -> None:
        self._device, self._library = device, loaded

    def launch(
        self, name: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Argument]
    ) -> None:
        self._device.launched.append(name)
        if shared > self._device.shared_bytes():
            raise Unavailable(f"{name} wants {shared} bytes of shared memory.")
        words = [each if isinstance(each, int) else each.ctypes.data for each in arguments]
        values = (ctypes.c_int64 * 8)(*words)
        kernel = ctypes.cast(getattr(self._library, name), ctypes.c_void_p)
        with ONE_AT_A_TIME:
            code = self._library.launch(
                kernel, grid[0], grid[1], threads, ctypes.c_int64(shared), values, self._device.order
            )
        if code:
            raise AssertionError(f"{name}: {FAILURES[code]}")
        self._device.check_guards()


class EmulatedDevice:
    """Arrays are NumPy's, between guards. `free`: memory it claims to have; `shared`: shared memory of a block."""

    name = "emulated GPU"

    def __init__(self, order: int = ASCENDING, shared: int = 232448, free: int = 1 << 40, without: int = -1) -> None:
        self.order, self.launched = order, list[str]()
        self._shared, self._free, self._without = shared, free, without
        self._guarded: list[npt.NDArray[np.uint64]] = []

    def compile(self, profile: EncryptionProfile) -> Kernels:
        return EmulatedKernels(self, library(source(profile), self._without))

    def upload(self, array: npt.NDArray[Any]) -> Array:
        assert array.flags.c_contiguous
        out = self.empty(array.shape, array.dtype)
        out[...] = array
        return out

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array full of a pattern, with more of it before and behind."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        words = np.full(-(-size // 8) + 2 * GUARD + 2, PATTERN, np.uint64)
        start = -words[GUARD:].ctypes.data % 16 // 8 + GUARD
        self._guarded = [*self._guarded[-32:], words]
        return words[start : start + -(-size // 8)].view(np.uint8)[:size].view(dtype).reshape(shape)

    def check_guards(self) -> None:
        """No kernel has written outside of an array."""
        for words in self._guarded:
            assert (words[:GUARD] == PATTERN).all()
            assert (words[-GUARD + 1 :] == PATTERN).all()

    def download(self, array: Array) -> npt.NDArray[Any]:
        return np.array(array)

    def start_download(self, array: Array) -> Callable[[npt.NDArray[Any]], None]:
        def finish(out: npt.NDArray[Any]) -> None:
            out[...] = self.download(array)

        return finish

    def free_bytes(self) -> int:
        return self._free

    def shared_bytes(self) -> int:
        return self._shared

    def multiprocessors(self) -> int:
        return 2
