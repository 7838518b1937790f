"""The one thing kernels need of a machine: memory, compilation and launches. `CupyDevice` is a real GPU.

Arrays on a device are opaque here, so that the same host code runs on a GPU and on the tests' emulator.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.protocol.errors import Unavailable
from fhe.engine.cuda.source import OPTIONS, cuda_source
from fhe.profile import EncryptionProfile

Array = Any  # an array on the device: CuPy's, which has no types
Argument = Array | int

ASKED_ABOVE = 48 << 10  # bytes of shared memory that a kernel gets only when it is told to expect them


class Kernels(Protocol):
    """The compiled kernels of one profile."""

    def launch(
        self, name: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Argument]
    ) -> None:
        """Start a kernel; integers are passed as 8 bytes. Work of one device is done in the order it is started."""


class Device(Protocol):
    """One GPU, or what stands in for one. Errors of every method: Unavailable (no memory, driver lost, no compiler)."""

    @property
    def name(self) -> str:
        """The processor's name."""

    def compile(self, profile: EncryptionProfile) -> Kernels:
        """The kernels of a profile, compiled for this device."""

    def upload(self, array: npt.NDArray[Any]) -> Array:
        """A copy on the device of a C-contiguous array."""

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """A new array of unknown content."""

    def download(self, array: Array) -> npt.NDArray[Any]:
        """A copy on the host; waits for the work before it."""

    def start_download(self, array: Array) -> Callable[[npt.NDArray[Any]], None]:
        """Begin to copy to the host, beside work that is started later; what it returns waits and fills an array."""

    def free_bytes(self) -> int:
        """Memory that can still be allocated."""

    def shared_bytes(self) -> int:
        """The most shared memory that a block can have."""

    def multiprocessors(self) -> int:
        """How many blocks run at once, at one a multiprocessor."""


class CupyKernels:
    """Kernels of a CuPy module."""

    def __init__(self, cupy: Any, module: Any, device: CupyDevice) -> None:
        self._cupy, self._module, self._device = cupy, module, device
        self._found: dict[str, Any] = {}

    def launch(
        self, name: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Argument]
    ) -> None:
        """Start a kernel on the device's own stream."""
        with self._device.guard():
            kernel = self._found.get(name) or self._module.get_function(name)
            if name not in self._found and shared > ASKED_ABOVE:
                kernel.max_dynamic_shared_size_bytes = shared
                kernel.preferred_shared_memory_carveout = 100  # percent: as many blocks at once as can be
            self._found[name] = kernel
            words = tuple(np.int64(each) if isinstance(each, int) else each for each in arguments)
            kernel(grid, (threads,), words, shared_mem=shared)


class CupyDevice:
    """The GPU of number `number` among those that CUDA_VISIBLE_DEVICES shows to this process."""

    def __init__(self, number: int = 0) -> None:
        """Errors: Unavailable without CuPy, a driver or that GPU."""
        self._cupy, self._number = _cupy(), number
        if number >= _count(self._cupy):
            raise Unavailable(f"There is no GPU number {number} here.", "Use --device cpu.")
        with self.guard():
            facts = self._cupy.cuda.runtime.getDeviceProperties(number)
            self.name = str(facts["name"].decode())
            self._processors = int(facts["multiProcessorCount"])
            self._shared = int(self._cupy.cuda.Device(number).attributes["MaxSharedMemoryPerBlockOptin"])
            self._copies = self._cupy.cuda.Stream(non_blocking=True)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Work on this GPU; whatever CUDA says, also when the GPU is chosen or left, becomes `Unavailable`."""
        with _translated(self._cupy), self._cupy.cuda.Device(self._number):
            yield

    def compile(self, profile: EncryptionProfile) -> CupyKernels:
        """Compile with NVRTC; CuPy keeps the result in its cache on disk."""
        with self.guard():
            module = self._cupy.RawModule(code=cuda_source(profile), options=OPTIONS, backend="nvrtc")
            module.compile()
        return CupyKernels(self._cupy, module, self)

    def upload(self, array: npt.NDArray[Any]) -> Array:
        """A copy on the GPU."""
        with self.guard():
            return self._cupy.asarray(np.ascontiguousarray(array))

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """New memory from CuPy's pool."""
        with self.guard():
            return self._cupy.empty(shape, dtype)

    def download(self, array: Array) -> npt.NDArray[Any]:
        """A copy on the host."""
        with self.guard():
            host: npt.NDArray[Any] = self._cupy.asnumpy(array)
        return host

    def start_download(self, array: Array) -> Callable[[npt.NDArray[Any]], None]:
        """Through pinned memory of CuPy's pool, on a stream of its own."""
        cuda = self._cupy.cuda
        with self.guard():
            pinned = cuda.alloc_pinned_memory(array.nbytes)
            there = np.frombuffer(pinned, array.dtype, array.size).reshape(array.shape)
            self._copies.wait_event(cuda.get_current_stream().record())
            array.get(stream=self._copies, out=there, blocking=False)
            done = self._copies.record()

        def finish(out: npt.NDArray[Any], _kept: Array = array) -> None:
            with self.guard():
                done.synchronize()
            out[...] = there

        return finish

    def free_bytes(self) -> int:
        """What the driver says is free, and what CuPy's pool keeps."""
        with self.guard():
            free, _ = self._cupy.cuda.runtime.memGetInfo()
            return int(free) + int(self._cupy.get_default_memory_pool().free_bytes())

    def shared_bytes(self) -> int:
        """After opting in."""
        return self._shared

    def multiprocessors(self) -> int:
        """As the driver says."""
        return self._processors


def cupy_devices() -> list[Device]:
    """Every GPU that CUDA_VISIBLE_DEVICES shows this process, but for those that do not answer, with a warning.

    Errors: Unavailable without CuPy, driver or a GPU that answers.
    """
    found, failure = list[Device](), Unavailable("There is no GPU here.", "Use --device cpu.")
    for number in range(_count(_cupy())):
        try:
            found.append(CupyDevice(number))
        except Unavailable as error:
            failure = error
            warnings.warn(f"GPU number {number} is left out. {error}", RuntimeWarning, stacklevel=2)
    if not found:
        raise failure
    return found


def _cupy() -> Any:
    try:
        import cupy
    except ImportError:
        raise Unavailable("CuPy is not installed.", "Install it: pip install 'darkroom-market[gpu]'.") from None
    return cupy


def _count(cupy: Any) -> int:
    with _translated(cupy):
        return int(cupy.cuda.runtime.getDeviceCount())


@contextmanager
def _translated(cupy: Any) -> Iterator[None]:
    """Turns what CUDA, its compiler and its loader raise into `Unavailable`: another backend may go on."""
    try:
        yield
    except (RuntimeError, MemoryError, OSError, ImportError, cupy.cuda.compiler.CompileException) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise Unavailable(f"The GPU failed: {first}.", "Use --device cpu, or look at nvidia-smi.") from error
