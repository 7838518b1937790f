"""A GPU that fails: at start, at compilation, after some launches, or by a wrong bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.errors import Unavailable
from fhe.engine.cuda.device import Argument, Array, Kernels
from fhe.profile import EncryptionProfile
from tests.fhe.engine.cuda.emulated import EmulatedDevice


class FailingDevice(EmulatedDevice):
    """An emulated GPU whose faults can be switched on.

    `lost_after` so many launches every call fails; without `memory` every allocation does; kernel `flip` is wrong.
    """

    def __init__(self, flip: str = "") -> None:
        super().__init__()
        self.lost_after: int | None = None
        self.memory, self.flip = True, flip

    def check(self) -> None:
        if self.lost_after is not None and len(self.launched) >= self.lost_after:
            raise Unavailable("The GPU failed: unspecified launch failure.", "Use --device cpu.")

    def compile(self, profile: EncryptionProfile) -> Kernels:
        self.check()
        return FailingKernels(self, super().compile(profile))

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        self.check()
        if not self.memory:
            raise Unavailable("The GPU failed: out of memory.", "Use --device cpu.")
        return super().empty(shape, dtype)

    def download(self, array: Array) -> npt.NDArray[Any]:
        self.check()
        return super().download(array)


RESULTS = {"transform_key": 1, "keyswitch": 3, "bootstrap_any": 5, "pack_finish": 2}  # which argument it writes


class FailingKernels:
    """Kernels of which one (`flip`) turns a high bit in the last 8 bytes of its result."""

    def __init__(self, device: FailingDevice, kernels: Kernels) -> None:
        self._device, self._kernels = device, kernels

    def launch(
        self, name: str, grid: tuple[int, int], threads: int, shared: int, arguments: Sequence[Argument]
    ) -> None:
        self._device.check()
        self._kernels.launch(name, grid, threads, shared, arguments)
        if name == self._device.flip:
            result = arguments[RESULTS[name]]
            assert not isinstance(result, int)
            result.reshape(-1).view("u8")[-1] ^= np.uint64(1 << 60)
