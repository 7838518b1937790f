"""From a file to published chunks: processor time, memory and disk, beside what others' encryption alone takes.

Three tables, made under the folder for temporary files: numbers (10,000,000 x 30, one affine code each), the same with
16 bins (1,000,000 rows) and a mixed one (numbers, categories, dates, missing). A value is one encrypted integer: an
affine code, or one comparison bit. `cpu_us_per_value` counts everything, from reading the file twice (measuring, then
encrypting) to Merkle roots and hashes. `disk_factor` is the most room taken at any time, in ciphertext. `quantiles_s`
is the codebook of a recipe with `bins = { quantiles = 32 }`, as `survey` makes it once the table is measured.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.protocol.ports import Progress
from benchmarks import columns, rivals
from benchmarks.ingest_tables import MIXED, NUMBERS, TableMaker, recipe
from benchmarks.machine import cores

WATCH_S = 0.25


@dataclass(frozen=True)
class Sizes:
    """Rows of each table; `rivals` whether the others are measured too."""

    numbers: int = 10_000_000
    bins: int = 1_000_000
    mixed: int = 1_000_000
    rivals: bool = True


def run(progress: Progress, sizes: Sizes | None = None) -> dict[str, Any]:
    """The figures of the big table at the top, those of the others by name."""
    sizes = sizes or Sizes()
    with tempfile.TemporaryDirectory(prefix="darkroom-ingest-") as folder:
        work = [
            ("numbers", NUMBERS, sizes.numbers, recipe(NUMBERS, "")),
            ("bins", NUMBERS, sizes.bins, recipe(NUMBERS, "bins = 16\n")),
            ("mixed", MIXED, sizes.mixed, recipe(MIXED, "")),
        ]
        found: dict[str, dict[str, Any]] = {}
        for number, (name, kind, rows, text) in enumerate(work):
            found[name] = published(Path(folder) / name, kind, rows, text)
            progress(number + 1, len(work) + 2)
        spread = spread_s(Path(folder) / "spread", sizes.bins)
    progress(len(work) + 1, len(work) + 2)
    others = compare(found["numbers"]["cpu_us_per_value"]) if sizes.rivals else {}
    progress(len(work) + 2, len(work) + 2)
    return {**found.pop("numbers"), "quantiles_s": spread, **others, **found}


def published(folder: Path, kind: TableMaker, rows: int, text: str) -> dict[str, Any]:
    """Publish a table in a process of its own; its files are removed again."""
    folder.mkdir()
    table, rules, store = folder / "table.parquet", folder / "recipe.toml", folder / "store"
    kind.write(table, rows)
    rules.write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "benchmarks.ingest_child", str(table), str(rules), str(store)]
    scratch = folder / "scratch"
    scratch.mkdir()
    with watched(store, scratch) as most:
        done = subprocess.run(
            words, env=os.environ | {"TMPDIR": str(scratch)}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    shutil.rmtree(folder)
    return {
        "cpu_us_per_value": figures["cpu_s"] / figures["values"] * 1e6,
        "wall_us_per_value": figures["wall_s"] / figures["values"] * 1e6,
        "peak_rss_mb": figures["peak_rss_mb"],
        "disk_factor": most[0] / figures["ciphertext_bytes"],
        "bytes_per_value": figures["ciphertext_bytes"] / figures["values"],
        **{key: figures[key] for key in ("rows", "columns", "values", "survey_cpu_s", "wall_s", "manifest_bytes")},
    }


def spread_s(folder: Path, rows: int) -> float:
    """Processor seconds of all threads for a codebook with 31 edges at quantiles in each of 30 columns."""
    folder.mkdir()
    NUMBERS.write(folder / "table.parquet", rows)
    from benchmarks.ingest_child import cpu
    from ingestion.codebook import build_codebook
    from ingestion.profile import profile_table
    from ingestion.recipe import parse_recipe

    read = parse_recipe(recipe(NUMBERS, "bins = { quantiles = 32 }\n"))
    measured = profile_table(folder / "table.parquet", read.reading, skip=read.table.drop)
    start = cpu()
    built = build_codebook(measured, read)
    spent = cpu() - start
    assert all(len(column.bins or ()) == 31 for column in built.codebook.columns)
    shutil.rmtree(folder)
    return spent


def compare(ours: float) -> dict[str, float]:
    """What encryption alone costs elsewhere, in microseconds a value of one core, and how many times ours that is."""
    work = columns.work()
    sample = columns.codes(rivals.TENSEAL_ROWS).astype(np.int64)
    both = [rivals.concrete(work.compiled.model, sample, compress=compress) for compress in (False, True)]
    concrete = min(timing.encrypt_us_per_value for timing in both)
    tenseal = rivals.tenseal(work.weights, work.bias, sample, cores()).encrypt_us_per_value
    return {
        "concrete_us_per_value": concrete,
        "tenseal_us_per_value": tenseal,
        "ratio_vs_concrete": concrete / ours,
        "ratio_vs_tenseal": tenseal / ours,
    }


@contextmanager
def watched(*folders: Path) -> Iterator[list[int]]:
    """The most bytes that files under these folders took at any time, looked at a few times a second and at the end."""
    most, done = [0], threading.Event()

    def look() -> None:
        size = 0
        for folder in folders:
            for entry in folder.rglob("*"):
                try:
                    size += entry.stat().st_size if entry.is_file() else 0
                except FileNotFoundError:
                    continue
        most[0] = max(most[0], size)

    def loop() -> None:
        pause = WATCH_S
        while not done.wait(pause):
            start = time.perf_counter()
            look()
            pause = max(WATCH_S, 20 * (time.perf_counter() - start))  # so that looking costs little

    watcher = threading.Thread(target=loop)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()
        look()
