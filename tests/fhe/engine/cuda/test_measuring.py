"""What measures a GPU refuses plainly without one, and its own parts are right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import gpu
from benchmarks.__main__ import main
from benchmarks.gpu_ceilings import SOURCE
from benchmarks.gpu_forest import RandomWords, forest, table_of
from fhe.engine.cuda import selection
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import ONE_LEVEL, REFERENCE, insecure_test_profile
from tests.fhe.engine.cuda.emulated import EmulatedDevice
from tests.fhe.engine.cuda.nvrtc import compiled

ROOT = Path(__file__).parents[4]


@pytest.fixture
def _no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which CuPy cannot be imported."""
    monkeypatch.setitem(sys.modules, "cupy", None)
    selection._examined.cache_clear()


@pytest.mark.usefixtures("_no_cupy")
def test_the_benchmark_says_that_it_needs_a_gpu() -> None:
    """One sentence and code 1, no figure."""
    with pytest.raises(SystemExit, match="needs an NVIDIA GPU"):
        main(["gpu", "--json"])
    selection._examined.cache_clear()


def test_operations_are_counted_as_documented() -> None:
    """161 and 255 million additions and multiplications a bootstrap: docs/gpu.md gives the same numbers."""
    assert (gpu.operations(ONE_LEVEL), gpu.operations(REFERENCE)) == (160_950_272, 255_489_024)
    text = (ROOT / "docs" / "gpu.md").read_text("utf-8")
    assert "160,950,272" in text
    assert "255,489,024" in text


def test_the_measured_forest_is_a_job_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark's circuit and table evaluate to the same bytes on the CPU and on an emulated GPU."""
    monkeypatch.setattr(selection, "trusted", lambda: (EmulatedDevice(),))
    profile = insecure_test_profile(64, 6)
    _, key = insecure_test_keys(profile)
    table = table_of(profile, 5)
    circuit = forest(7, table)
    results = [evaluate(circuit, profile, table, RandomWords(64), 0, 5, key, 1, backend) for backend in ("cpu", "cuda")]
    assert results[0].to_bytes() == results[1].to_bytes()


def test_the_kernel_that_measures_the_ceiling_compiles_unfused() -> None:
    """It would be no ceiling of ours if its additions and multiplications were one instruction."""
    _, ptx, code = compiled(SOURCE, ("--fmad=false", "--gpu-architecture=sm_90"))
    assert code.startswith(b"\x7fELF")
    assert ptx.count("mul.rn.f64") >= 8
    assert "fma." not in ptx
