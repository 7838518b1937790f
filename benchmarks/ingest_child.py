"""One publication in a process of its own, so that its processor time and memory are its alone; figures as JSON.

`python -m benchmarks.ingest_child TABLE RECIPE STORE`: from the file to published chunks, as `darkroom dataset publish`
prepares them. Keys are random ones of the reference profile; making real ones through Concrete is no part of it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from app.storage.folder import BlockStore
from benchmarks.machine import cores
from fhe.keys.secret_keys import SecretKeys
from fhe.profiles import REFERENCE
from ingestion.publish import prepare, survey
from ingestion.recipe import parse_recipe


def main(table: str, recipe: str, store: str) -> dict[str, float]:
    """Measure, code, encrypt, keep."""
    rng = np.random.default_rng(1)
    bits = [rng.integers(0, 2, size).astype(np.uint8) for size in (REFERENCE.polynomial_size, REFERENCE.lwe_dimension)]
    secret = SecretKeys(REFERENCE.digest, 1, *bits)
    read = parse_recipe(Path(recipe).read_text("utf-8"))
    start, began = time.perf_counter(), cpu()
    surveyed = survey(table, read)
    measured = cpu()
    done = prepare(
        table,
        read,
        secret,
        REFERENCE,
        BlockStore(store),
        epoch=1,
        published="2026-01-01",
        surveyed=surveyed,
        threads=cores(),
    )
    ended, wall = cpu(), time.perf_counter() - start
    shards = done.manifest.table.shards
    chunks = sum(file.polys for shard in shards for file in shard.files)
    columns = {file.column for file in shards[0].files}
    rows = done.manifest.table.rows
    return {
        "rows": rows,
        "columns": len(columns),
        "values": rows * sum(file.polys for file in shards[0].files) // -(-shards[0].rows // REFERENCE.polynomial_size),
        "survey_cpu_s": measured - began,
        "cpu_s": ended - began,
        "wall_s": wall,
        "peak_rss_mb": peak_mb(),
        "ciphertext_bytes": chunks * REFERENCE.polynomial_size * 8,
        "manifest_bytes": len(done.manifest.to_bytes()),
    }


def cpu() -> float:
    """Processor seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """The most memory that this program held: getrusage would count what its parent held when it started it."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
