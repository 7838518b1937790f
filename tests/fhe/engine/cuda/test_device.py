"""What CUDA says through CuPy becomes a typed error, wherever it says it. CuPy itself needs a driver to do anything."""

from __future__ import annotations

import sys
from types import SimpleNamespace, TracebackType
from typing import Any

import numpy as np
import pytest

from app.protocol.errors import Unavailable
from fhe.engine.cuda.device import CupyDevice, cupy_devices


class Broken:
    """CuPy's outside, with errors of the driver where `fails` says: "count", "enter", "exit", "alloc".

    `silent`: the number of a GPU that does not answer.
    """

    def __init__(self, fails: str = "", gpus: int = 1, silent: int = -1) -> None:
        self.fails, self.gpus, self.silent = fails, gpus, silent
        self.empty = self.asarray = lambda *_: self.step("alloc", MemoryError)
        facts = {"name": b"GPU", "multiProcessorCount": 2}
        self.cuda = SimpleNamespace(
            compiler=SimpleNamespace(CompileException=ValueError),
            runtime=SimpleNamespace(getDeviceCount=self.count, getDeviceProperties=lambda number: facts),
            Device=self.device,
            Stream=lambda **_: None,
            alloc_pinned_memory=lambda size: self.step("alloc", MemoryError),
        )

    def step(self, name: str, error: type[Exception] = RuntimeError) -> Any:
        if self.fails == name:
            raise error(f"cudaError at {name}\nmore")

    def count(self) -> int:
        self.step("count")
        return self.gpus

    def device(self, number: int) -> Any:
        outer = self

        class Current:
            def __init__(self) -> None:
                self.attributes = {"MaxSharedMemoryPerBlockOptin": 1 << 16}

            def __enter__(self) -> None:
                outer.step("enter" if number != outer.silent else outer.fails)

            def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
                outer.step("exit")

        return Current()


@pytest.mark.filterwarnings("ignore:GPU number 0 is left out")
@pytest.mark.parametrize("fails", ["count", "enter", "exit"])
def test_a_driver_that_fails_at_once_is_no_gpu(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """Counting, choosing and leaving a GPU can each fail where a driver is broken."""
    monkeypatch.setitem(sys.modules, "cupy", Broken(fails))
    with pytest.raises(Unavailable, match=f"The GPU failed: cudaError at {fails}"):
        cupy_devices()


def test_a_gpu_that_does_not_answer_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two others are used, and the warning says which is missing."""
    monkeypatch.setitem(sys.modules, "cupy", Broken("silence", gpus=3, silent=1))
    with pytest.warns(RuntimeWarning, match="GPU number 1 is left out.*cudaError at silence"):
        assert len(cupy_devices()) == 2


@pytest.mark.parametrize("fails", ["enter", "exit", "alloc"])
def test_a_driver_that_is_lost_later_ends_in_a_typed_error(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    """So that the CPU can go on: a lost GPU may fail first where it is made current."""
    cupy = Broken()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    (device,) = cupy_devices()
    cupy.fails = fails
    with pytest.raises(Unavailable, match=f"cudaError at {fails}"):
        device.upload(np.zeros(3))
    with pytest.raises(Unavailable, match=f"cudaError at {fails}"):
        device.empty((3,), np.uint64)
    with pytest.raises(Unavailable, match=f"cudaError at {fails}"):
        device.start_download(np.zeros(3))


def test_every_visible_gpu_is_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three where the driver shows three; none is an error."""
    monkeypatch.setitem(sys.modules, "cupy", Broken(gpus=3))
    assert len(cupy_devices()) == 3
    monkeypatch.setitem(sys.modules, "cupy", Broken(gpus=0))
    with pytest.raises(Unavailable, match="no GPU here"):
        cupy_devices()
    with pytest.raises(Unavailable, match="no GPU number 0"):
        CupyDevice()
