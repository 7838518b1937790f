"""Evaluation at scale: a linear job of ten million rows in one process, and row blocks on one and two Ray workers.

`read_fraction` is the job's rows per CPU second, from blocks of a store to a kept output with its receipt, over those
of reading the same bytes with SHA-256; both run in fresh processes by turns, and the best of each counts, since other
work on the machine only slows. `peak_mb` is the job's largest resident memory, mapped files included.

`efficiency` is how much faster two Ray workers are than one, over how much faster two bare processes are than one, on
the same row blocks with lookups of the reference profile; a Ray run and a bare one stand side by side each time.
`equal_bytes` is 1 when one process, one worker and two workers give the same receipt. Seconds are wall time.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.execution.execute import execute
from app.protocol.ports import Progress
from app.storage.folder import BlockStore
from benchmarks import scale_work
from fhe.engine.blocks import BlockSize

ROWS = 10_000_000
TURNS = 5
LOOKUPS = 512
UNITS = 1200  # thirty-two lookups a row block
ROUNDS = 4
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
STEPS = TURNS + 2 * ROUNDS + 2


def run(progress: Progress) -> dict[str, Any]:
    """All figures, in some minutes; 2.5 GB of disk."""
    secret = scale_work.random_secret()
    with tempfile.TemporaryDirectory() as name:
        job = Path(name) / "linear"
        scale_work.linear(job, ROWS, secret, lambda *_: None)
        progress(1, STEPS)
        linear = _linear(job, progress)
    with tempfile.TemporaryDirectory() as name:
        return {**linear, **_on_ray(Path(name), progress)}


def _linear(folder: Path, progress: Progress) -> dict[str, Any]:
    reads, jobs = [], []
    for turn in range(TURNS):
        reads.append(_ask("read", folder))
        jobs.append(_ask("job", folder))
        progress(2 + turn, STEPS)
    read, job = (min(each["seconds"] for each in found) for found in (reads, jobs))
    if len({each["root"] for each in jobs}) != 1:
        raise AssertionError("two runs of one job gave different bytes")
    return {
        "rows": ROWS,
        "read_fraction": read / job,
        "job_rows_per_cpu_s": ROWS / job,
        "read_rows_per_cpu_s": ROWS / read,
        "peak_mb": max(each["peak_mb"] for each in jobs),
    }


def _ask(what: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale_child", what, str(folder)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _on_ray(folder: Path, progress: Progress) -> dict[str, Any]:
    inputs = scale_work.lookups(folder, LOOKUPS, scale_work.random_secret())
    store, size = BlockStore(folder / "store"), BlockSize(lookup_units=UNITS)
    expected, ratios, walls = execute(inputs, store, threads=1, backend="cpu", size=size).receipt, [], {}
    receipts = {expected.digest}
    with _cluster() as cluster:
        from app.execution.on_ray import RayRunner

        for workers in (1, 2):
            if workers == 2:
                cluster.add_node(**_NODE)
            runner = RayRunner(cluster.address, [f"folder:{folder / 'store'}"], "cpu")
            with _bare(folder, workers) as bare:
                found = []
                for turn in range(ROUNDS + 1):
                    start = time.perf_counter()
                    receipts.add(
                        execute(inputs, store, threads=1, runner=runner, backend="cpu", size=size).receipt.digest
                    )
                    on_ray, start = time.perf_counter() - start, time.perf_counter()
                    for each in bare:
                        _say(each)
                    for each in bare:
                        _hear(each)
                    if turn:  # the first warms the workers up
                        found.append((on_ray, time.perf_counter() - start))
                        progress(TURNS + 1 + (workers - 1) * ROUNDS + turn, STEPS)
            ratios.append(statistics.median(plain / on_ray for on_ray, plain in found))
            walls[workers] = [min(each) for each in zip(*found, strict=True)]
    return {
        "efficiency": ratios[1] / ratios[0],
        "ray_over_bare_1": ratios[0],
        "ray_over_bare_2": ratios[1],
        "speedup_ray": walls[1][0] / walls[2][0],
        "speedup_bare": walls[1][1] / walls[2][1],
        "ray_2_lookups_per_s": LOOKUPS / walls[2][0],
        "equal_bytes": int(len(receipts) == 1),
    }


_NODE: dict[str, Any] = {
    "num_cpus": 1, "memory": 3 << 30, "object_store_memory": 200 << 20, "include_dashboard": False,
    "node_ip_address": "127.0.0.1",
}  # fmt: skip


@contextmanager
def _cluster() -> Iterator[Any]:
    """One node of one processor, on 127.0.0.1; it reports nothing."""
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "PYTHONPATH")}
    os.environ.update(ENVIRONMENT, PYTHONPATH=str(Path(__file__).parents[1]))
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=False)
    try:
        cluster.add_node(**_NODE)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _bare(folder: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that share the same row blocks among them, warmed up."""
    command = [sys.executable, "-m", "benchmarks.scale_child", "blocks", str(folder), str(UNITS)]
    pipe = subprocess.PIPE
    found = [
        subprocess.Popen([*command, str(number), str(count)], stdin=pipe, stdout=pipe, text=True)
        for number in range(count)
    ]
    try:
        for each in found:
            _hear(each)
        yield found
    finally:
        for each in found:
            each.kill()
            each.communicate()


def _say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError("a process of the benchmark ended early")
    found: dict[str, Any] = json.loads(line)
    return found
