"""Blocks on a Ray cluster of two nodes on this machine: same bytes, whoever is killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.execution.checkpoint import Checkpoints
from app.execution.execute import evaluation_digest, execute, plan_of
from app.execution.on_ray import BlockOrder, RayRunner, compute_block
from app.protocol.errors import BadBlock, NotFound, Unavailable, UsageError
from tests.execution.jobs import SMALL, StoredJob, linear_job, lookup_job

ROOT = Path(__file__).parents[2]
NODES = 2
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "PYTHONPATH": str(ROOT)}

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of two nodes with one processor each, on 127.0.0.1, that report nothing."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=False)
        for _ in range(NODES):
            made.add_node(
                num_cpus=1, memory=2 << 30, object_store_memory=100 << 20, include_dashboard=False,
                node_ip_address="127.0.0.1",
            )  # fmt: skip
        yield made.address
        ray.shutdown()
        made.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def lookups(tmp_path_factory: pytest.TempPathFactory) -> StoredJob:
    return lookup_job(tmp_path_factory.mktemp("lookups"), rows=150)


def runner(job: StoredJob, address: str) -> RayRunner:
    return RayRunner(address, [f"folder:{job.folder / 'store'}"], "cpu")


def test_two_nodes_give_the_same_bytes(cluster: str, lookups: StoredJob, tmp_path: Path) -> None:
    """With lookups and without, whatever order blocks come in."""
    for job in (lookups, linear_job(tmp_path, rows=2000)):
        expected = execute(job.inputs, job.store, threads=1)
        told: list[int] = []

        def progress(done: int, _total: int, told: list[int] = told) -> None:
            told.append(done)

        on_cluster = runner(job, cluster)
        found = execute(job.inputs, job.store, threads=1, runner=on_cluster, size=SMALL, progress=progress)
        assert (found.receipt, bytes(found.output)) == (expected.receipt, bytes(expected.output))
        assert told[-1] == job.inputs.job.rows
        assert told == sorted(told)


def test_a_killed_worker_loses_nothing(cluster: str, lookups: StoredJob) -> None:
    """SIGKILL to workers in the middle of blocks: Ray starts others, and the bytes are the same."""
    expected, killed, over = execute(lookups.inputs, lookups.store, threads=1), set[int](), threading.Event()

    def kill() -> None:
        while not over.is_set() and len(killed) < 2:
            for pid in set(workers()) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                break
            time.sleep(0.2)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = execute(lookups.inputs, lookups.store, threads=1, runner=runner(lookups, cluster), size=SMALL)
    finally:
        over.set()
        killer.join()
    assert killed
    assert (found.receipt, bytes(found.output)) == (expected.receipt, bytes(expected.output))


def workers() -> list[int]:
    """Processes that compute a block now; they name themselves after it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::compute_block"):
            found.append(int(folder.name))
    return found


def test_a_killed_caller_goes_on_where_it_was(cluster: str, lookups: StoredJob, tmp_path: Path) -> None:
    """The blocks that it had are kept, those under way end with it, and the next caller computes the rest."""
    log, kept = tmp_path / "log", tmp_path / "kept"
    command = [sys.executable, "-m", "tests.execution.victim", str(lookups.folder), str(kept), str(log), cluster]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    while not (log.exists() and len(log.read_text().split()) > 5):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    checkpoints = Checkpoints(kept)
    plan = plan_of(lookups.inputs, lookups.store, SMALL)
    with checkpoints.open(evaluation_digest(lookups.inputs, SMALL), plan) as before:
        missing = len(before.missing)
    assert 0 < missing <= len(plan.blocks) - 5
    found = execute(
        lookups.inputs, lookups.store, threads=1, runner=runner(lookups, cluster), checkpoints=checkpoints, size=SMALL
    )
    assert bytes(found.output) == bytes(execute(lookups.inputs, lookups.store, threads=1).output)


def test_what_a_worker_meets_comes_back_as_it_is(cluster: str, lookups: StoredJob, tmp_path: Path) -> None:
    """A worker without the store's objects, or with damaged ones, says so in the words of everybody."""
    empty = RayRunner(cluster, [f"folder:{tmp_path / 'empty'}"], "cpu")
    with pytest.raises(NotFound):
        execute(lookups.inputs, lookups.store, threads=1, runner=empty, size=SMALL)
    bad = tmp_path / "bad"
    for block in (lookups.folder / "store").rglob("*"):
        if block.is_file():
            copy = bad / block.relative_to(lookups.folder / "store")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(block.read_bytes()[:-1] + b"?")
    with pytest.raises(BadBlock):
        execute(lookups.inputs, lookups.store, threads=1, runner=RayRunner(cluster, [f"folder:{bad}"], "cpu"))


def test_a_worker_of_another_version_computes_nothing(lookups: StoredJob) -> None:
    """It says what it is; other versions may cut blocks otherwise."""
    plan, own = plan_of(lookups.inputs, lookups.store), object.__new__(RayRunner)
    own._places = ()
    order = own._order(lookups.inputs, plan, plan.blocks[0], "cpu")
    code, said, _, data = compute_block(order.model_copy(update={"version": "0.0.1"}).to_bytes())
    assert (code, data) == ("unavailable", b"")
    assert "0.0.1" in said
    assert compute_block(b"no order")[0] == "bad-document"
    assert BlockOrder.from_bytes(order.to_bytes()) == order


def test_no_cluster_is_told_as_what_it_is(lookups: StoredJob) -> None:
    """An address where nothing answers is an error that passes when something does."""
    with pytest.raises(Unavailable, match="No Ray cluster"):
        runner(lookups, "127.0.0.1:9")
    with pytest.raises(UsageError, match="host:port"):
        runner(lookups, "somewhere")
