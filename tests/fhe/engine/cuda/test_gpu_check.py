"""The script that one call on a borrowed GPU runs: whole on an emulated one, and whatever part of it breaks."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.fhe.engine.cuda.emulated import FOLDER

HERE = Path(__file__).parent
SCRIPT = HERE.parents[3] / "scripts" / "gpu_check.py"
PROMISED = {
    "bootstraps_per_s",
    "fraction_of_fp64_limit",
    "operations_per_bootstrap",
    "ratio_vs_cpu_core",
    "linear_gb_per_s",
    "linear_gb_per_s_fraction",
    "copy_gb_per_s",
    "double_operations_per_s",
    "xgb_rows_per_s",
    "compile_s",
    "key_upload_s",
    "first_call_s",
}


@pytest.fixture(scope="module", autouse=True)
def _shared_kernels(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Processes of these tests compile each emulated kernel once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(tmp_path_factory.mktemp("kernels")))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "emulated_cupy"), str(SCRIPT.parents[1])]))
        yield


def script() -> ModuleType:
    """scripts/gpu_check.py as a module."""
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(*options: str) -> tuple[int, list[str]]:
    """Run it with small sizes: its exit code and its lines."""
    command = [sys.executable, str(SCRIPT), "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False)
    return done.returncode, done.stdout.splitlines()


def test_one_call_measures_and_compares_everything(tmp_path: Path) -> None:
    """No part fails; every promised figure is there, and the file holds what the last line says."""
    code, lines = check("--json", str(tmp_path / "gpu.json"), "--only", "vectors", "speeds", "lookups", "tuning")
    figures = json.loads(lines[-1])
    assert (code, figures["failed"]) == (0, [])
    assert figures.keys() >= PROMISED | {f"two_level_{name}" for name in ("bootstraps_per_s", "key_upload_s")}
    assert (figures["vectors"], figures["lookups_compared"], figures["batch_sizes"], figures["most"]) == (3, 16, 8, 8)
    assert all(each["same_words"] for each in figures["two_level_variants"].values())
    assert json.loads((tmp_path / "gpu.json").read_text("utf-8")) == figures


@pytest.mark.parametrize("wrong", ["keyswitch", "bootstrap_any"])
def test_a_wrong_bit_fails_the_check(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    """Both comparisons see it, each says which stage, and the speeds of a GPU that is wrong are not measured."""
    monkeypatch.setenv("EMULATED_WRONG", wrong)
    code, lines = check("--only", "vectors", "speeds", "lookups")
    figures, stage = json.loads(lines[-1]), wrong.removesuffix("_any")
    assert code == 1
    assert [line.partition(":")[0] for line in figures["failed"]] == ["vectors", "speeds", "lookups"]
    assert all(stage in line for line in figures["failed"])
    assert "bootstraps_per_s" not in figures


def test_a_part_that_hangs_is_ended_and_has_told_what_it_knew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel that does not come back costs its part's time, not what the part had found, nor the other parts."""
    into, wait = tmp_path / "vectors.json", subprocess.Popen.wait

    def until_it_hangs(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        while timeout is not None:  # a clock that is over as soon as the part has told of two cases
            if into.exists() and json.loads(into.read_text("utf-8"))["vectors"] == 2:
                raise subprocess.TimeoutExpired("vectors", timeout)
            assert process.poll() is None
            time.sleep(0.1)
        return wait(process)

    monkeypatch.setenv("EMULATED_HANGS", "bootstrap_2048")
    monkeypatch.setattr(subprocess.Popen, "wait", until_it_hangs)
    found, reason = script().outside("vectors", 20, tmp_path, True)
    assert found["vectors"] == 2
    assert reason == "not done in 20 s"


def test_without_a_gpu_every_part_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Code 1, a reason for each part, no figure, and still one object as the last line."""
    (tmp_path / "cupy.py").write_text("raise ImportError\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, lines = check("--only", "vectors", "speeds", "lookups", "tuning")
    figures = json.loads(lines[-1])
    assert code == 1
    assert [line.partition(":")[0] for line in figures["failed"]] == ["vectors", "speeds", "lookups", "tuning"]
    assert all("CuPy is not installed" in line for line in figures["failed"])
    assert not figures.keys() & PROMISED


def test_no_part_begins_when_the_time_is_over() -> None:
    """What was left out is said."""
    code, lines = check("--seconds", "5", "--only", "vectors", "lookups")
    assert code == 1
    assert json.loads(lines[-1])["failed"] == [f"{name}: no time was left for it" for name in ("vectors", "lookups")]


@pytest.mark.parametrize(
    ("program", "found", "reason"),
    [
        ('shift 4; exec "$@"', "clean", ""),
        ("echo '========= Invalid __global__ write'; exit 9", None, "========= Invalid __global__ write"),
        ("echo '========= Error: Device not supported'; exit 1", "could not run", ""),
        (None, "compute-sanitizer is not installed", ""),
    ],
    ids=["clean", "an error", "cannot run", "not there"],
)
def test_what_compute_sanitizer_says_is_kept_apart_from_whether_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str | None, found: str | None, reason: str
) -> None:
    """Its findings fail the check; a machine on which it cannot run does not."""
    if program is not None:
        (tmp_path / "compute-sanitizer").write_text(f"#!/bin/sh\n{program}\n", "utf-8")
        (tmp_path / "compute-sanitizer").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    figures, why = script().outside("memcheck", 60, tmp_path, True)
    assert figures.get("memcheck", "").startswith(found or "")
    assert ("memcheck" in figures) == (found is not None)
    assert reason in why
    assert bool(why) == bool(reason)
