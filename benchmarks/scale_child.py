"""The processes of the scale benchmark: `python -m benchmarks.scale_child WHAT FOLDER ...` prints what it took.

`job` is a provider's whole work on the folder's job: read and check every block, evaluate, checkpoint, digest, and
keep the output. `read` reads the same blocks with SHA-256 and does nothing else. `blocks` computes every N-th row block
after each line of stdin, as one of N bare processes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from app.execution.checkpoint import Checkpoints
from app.execution.execute import execute, plan_of
from app.execution.runner import block_source
from app.provider.journal import Journal
from app.storage.folder import BlockStore
from app.storage.unixfs import LEAF_BYTES
from benchmarks.linear_job import peak_rss_mb
from benchmarks.scale_work import opened
from fhe.engine.blocks import BlockSize


def job(folder: Path) -> None:
    """A provider's work, in CPU seconds of this process, all threads together."""
    inputs, store, aside = opened(folder), BlockStore(folder / "store"), folder / "work"
    base, start = peak_rss_mb(), time.process_time()
    done = execute(inputs, store, threads=1, backend="cpu", checkpoints=Checkpoints(aside))
    Journal(aside).remember(1, done.receipt, done.output)
    seconds = time.process_time() - start
    shutil.rmtree(aside)
    _say(seconds=seconds, peak_mb=peak_rss_mb(), base_mb=base, root=done.receipt.output_root)


def read(folder: Path) -> None:
    """Reading every block of the job's columns, with SHA-256, into one buffer."""
    inputs, store = opened(folder), BlockStore(folder / "store")
    names = [each for file in inputs.table.shards[0].files for each in store.tree(file.cid)]
    found = {path.name: path for path in (folder / "store").rglob("*") if path.is_file()}
    paths = [(name.digest, found[name.text]) for name in names]
    leaf, start = memoryview(bytearray(LEAF_BYTES)), time.process_time()
    for digest, path in paths:
        with path.open("rb", buffering=0) as file:
            size = file.readinto(leaf)
        if hashlib.sha256(leaf[:size]).digest() != digest:
            raise AssertionError("a block is damaged")
    _say(seconds=time.process_time() - start)


def blocks(folder: Path, units: int, first: int, of: int) -> None:
    """Row blocks first, first + of, ... at each line of stdin, warmed up before the first."""
    inputs, store = opened(folder), BlockStore(folder / "store")
    plan = plan_of(inputs, store, BlockSize(lookup_units=units))
    source = block_source(inputs.table, inputs.profile, store)
    plan.words(plan.blocks[0], source, backend="cpu")
    _say(ready=True)
    for _ in sys.stdin:
        start = time.process_time()
        for block in plan.blocks[first::of]:
            plan.words(block, source, backend="cpu")
        _say(seconds=time.process_time() - start)


def _say(**figures: object) -> None:
    print(json.dumps(figures), flush=True)


WHAT: dict[str, Callable[..., None]] = {"job": job, "read": read, "blocks": blocks}

if __name__ == "__main__":
    what, where, *numbers = sys.argv[1:]
    WHAT[what](Path(where), *map(int, numbers))
