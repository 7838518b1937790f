"""As much of CuPy as the project uses, on the emulator: with this folder on the path, what needs a GPU needs none.

Arrays are NumPy's and kernels are done when a launch returns, so times mean nothing. Two variables of the environment
break it: EMULATED_WRONG names a kernel that turns a bit of its result, EMULATED_HANGS one that does not come back.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from fhe.engine.cuda.source import MACROS, source
from fhe.profiles import insecure_test_profile
from tests.fhe.engine.cuda.emulated import EmulatedKernels, library
from tests.fhe.engine.cuda.faults import FailingDevice, FailingKernels

float64, uint64 = np.float64, np.uint64
_device = FailingDevice(os.environ.get("EMULATED_WRONG", ""))


class Array(np.ndarray[Any, Any]):
    """An array "on the device"."""

    @property
    def data(self) -> Any:  # type: ignore[override]
        def copy(source: Any, size: int) -> None:
            assert size == self.nbytes
            self[...] = source.array

        return SimpleNamespace(array=self, copy_from_device_async=copy)

    def get(self, *, stream: _Stream, out: Any, blocking: bool) -> None:
        """A copy to the host."""
        assert stream.non_blocking
        assert not blocking
        out[...] = self


def _there(array: Any) -> Array:
    return np.asarray(array).view(Array)


def asarray(array: Any) -> Array:
    """A copy, between guards."""
    return _there(_device.upload(np.ascontiguousarray(array)))


def empty(shape: Any, dtype: Any) -> Array:
    """An array full of a pattern, between guards."""
    return _there(_device.empty((shape,) if isinstance(shape, int) else tuple(shape), dtype))


def empty_like(array: Any) -> Array:
    """As `empty`."""
    return empty(array.shape, array.dtype)


def asnumpy(array: Any) -> Any:
    """A copy on the host."""
    return np.array(array)


class _Kernel:
    """One kernel, as CuPy's RawKernel."""

    num_regs, local_size_bytes, kernel = 0, 0, SimpleNamespace(ptr=0)

    def __init__(self, kernels: EmulatedKernels, name: str) -> None:
        self._kernels, self._name = FailingKernels(_device, kernels), name
        self.max_dynamic_shared_size_bytes, self.preferred_shared_memory_carveout = 48 << 10, -1

    def __call__(self, grid: Any, block: Any, arguments: Any, *, shared_mem: int = 0) -> None:
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise RuntimeError("CUDA_ERROR_INVALID_VALUE: invalid argument")  # as a driver says it
        if os.environ.get("EMULATED_HANGS") == self._name:
            time.sleep(3600)
        words = [int(each) if isinstance(each, np.integer) else each for each in arguments]
        columns, rows = (*grid, 1)[:2]
        self._kernels.launch(self._name, (columns, rows), block[0], shared_mem, words)


class RawModule:
    """A translation unit of the project's kernels; lines before it are kept."""

    def __init__(self, *, code: str, options: tuple[str, ...], backend: str) -> None:
        assert backend == "nvrtc"
        assert "--fmad=false" in options
        before, found, after = code.partition(MACROS)
        assert found
        self._text = before + re.sub(r"// \d+\n$", "", after)  # a mark against caches needs no compilation here

    def compile(self) -> None:
        """Compile now."""
        library(self._text)

    def get_function(self, name: str) -> _Kernel:
        """One of its kernels."""
        return _Kernel(EmulatedKernels(_device, library(self._text)), name)


def RawKernel(code: str, name: str, *, options: tuple[str, ...]) -> _Kernel:
    """One kernel; the emulator's runtime expects the project's own beside it."""
    assert "--fmad=false" in options
    return _Kernel(EmulatedKernels(_device, library(source(insecure_test_profile()) + code)), name)


class _Device:
    """The only GPU."""

    attributes = {"MaxSharedMemoryPerBlockOptin": 232448, "MultiProcessorCount": 2, "ClockRate": 1}  # noqa: RUF012

    def __init__(self, number: int = 0) -> None:
        assert number == 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def synchronize(self) -> None:
        """Nothing is under way."""


class _Event:
    """A point in time."""

    def record(self) -> None:
        """It is now."""
        self.when = time.perf_counter()

    def synchronize(self) -> None:
        """It has been."""


class _Stream:
    """Work that is done at once."""

    def __init__(self, *, non_blocking: bool = False) -> None:
        self.non_blocking = non_blocking

    def record(self) -> _Event:
        """A point in time, at which all before it is done."""
        (event := _Event()).record()
        return event

    def wait_event(self, event: _Event) -> None:
        """It has been."""


def _elapsed(start: _Event, stop: _Event) -> float:
    return max(1e-6, 1000 * (stop.when - start.when))


_pool: Callable[[], Any] = lambda: SimpleNamespace(free_bytes=lambda: 0)  # noqa: E731
get_default_memory_pool = _pool
cuda = SimpleNamespace(
    compiler=SimpleNamespace(CompileException=ValueError),
    runtime=SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda number: {"name": b"emulated GPU", "multiProcessorCount": 2},
        memGetInfo=lambda: (1 << 40, 1 << 40),
        runtimeGetVersion=lambda: 0,
    ),
    driver=SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=lambda *_: 1),
    Device=_Device,
    Event=_Event,
    Stream=_Stream,
    get_current_stream=_Stream,
    alloc_pinned_memory=bytearray,
    get_elapsed_time=_elapsed,
)
