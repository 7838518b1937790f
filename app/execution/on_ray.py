"""Blocks of rows on a Ray cluster: the caller decides, workers compute, and only bytes and documents go between them.

A worker is given one `BlockOrder`: digests, numbers, and where the store is. It reads circuit, columns and key from the
store itself, checks them like everybody, and gives back the block's words with their digest. It holds no account and no
key but the public evaluation key. A worker that dies is replaced by Ray, and the block is computed again; a caller that
dies takes its blocks along, and goes on from its checkpoint.

Ray pickles what it carries. Nothing foreign is among that: orders are made here, and what a worker says is taken as
bytes, numbers and text. Who reaches a cluster's ports can run anything on it: it must be the operator's own
(docs/operations.md).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from app import __version__
from app.execution.inputs import MAX_MANIFEST_BYTES, JobInputs, load_circuit
from app.execution.runner import RowsUnderWay, block_source, cut
from app.protocol import errors
from app.protocol.data.manifest import read_manifest
from app.protocol.documents import Document, Sha256, sha256
from app.protocol.errors import DarkroomError, Unavailable, UsageError, VerificationFailed
from app.storage.cid import digest_to_cid
from app.storage.open import open_places
from fhe.arrays import U64
from fhe.engine.blocks import BlockPlan, BlockSize, RowBlock
from fhe.engine.conformance import self_test
from fhe.engine.core import BackendName
from fhe.engine.source import ChunkSource
from fhe.profile import EncryptionProfile

if TYPE_CHECKING:
    from ray import ObjectRef

RETRIES = 3  # of a block whose worker died
WAIT_SECONDS = 1.0  # between words of progress while nothing arrives
BASE_MEMORY = 256 << 20  # bytes of a worker: interpreter, NumPy, one block of each column
LOOPBACK = ("127.0.0.1", "localhost")
CONNECT_SECONDS = 5.0
AHEAD = 2  # blocks that wait for each worker, so that none is idle while the caller keeps the last one
Number = Annotated[int, Field(ge=0)]
Answer = tuple[str, str, str, bytes]  # (error's code or "", message or digest, next step, words)


class BlockOrder(Document):
    """One block of rows to compute: everything that it depends on, and where to read it."""

    kind: Literal["darkroom/block-order"] = "darkroom/block-order"
    version: str  # of Darkroom, the same at caller and worker
    manifest: Sha256
    circuit: Sha256
    profile: EncryptionProfile
    first_row: Number  # of the job
    rows: Number
    linear_words: Number
    lookup_units: Number
    block: Number
    backend: BackendName
    places: tuple[str, ...]  # of the store


class RayRunner:
    """The workers of a cluster compute, each on one processor, or with a GPU where the cluster has any."""

    def __init__(self, address: str, places: Sequence[str], backend: BackendName = "auto") -> None:
        """`address`: host:port of a cluster that this machine belongs to. `places`: the store, as workers reach it.

        Errors: Unavailable where Ray is not installed, or nothing answers there.
        """
        self._ray, self._places, self._backend = connected(address), tuple(places), backend

    def run(
        self, inputs: JobInputs, plan: BlockPlan, blocks: Sequence[RowBlock], progress: RowsUnderWay
    ) -> Iterator[tuple[RowBlock, U64]]:
        """Each when it is there. Errors: as `BlockRunner.run`; Unavailable where workers keep dying."""
        ray, left = self._ray, iter(blocks)
        found = ray.cluster_resources()
        gpus = 0 if plan.linear or self._backend not in {"auto", "cuda"} else int(found.get("GPU", 0))
        backend: BackendName = self._backend if gpus else "cpu"
        most = AHEAD * max(1, gpus or int(found.get("CPU", 0)))
        compute = ray.remote(compute_block).options(**_needs(plan, gpu=gpus > 0))
        waiting: dict[ObjectRef[Any], RowBlock] = {}
        try:
            while True:
                for block in islice(left, most - len(waiting)):
                    waiting[compute.remote(self._order(inputs, plan, block, backend).to_bytes())] = block
                if not waiting:
                    return
                ready, _ = ray.wait(list(waiting), timeout=WAIT_SECONDS)
                progress(0)
                for each in ready:
                    block = waiting.pop(each)
                    yield block, _words(ray.get, each, plan, block)
        finally:
            for each in waiting:
                ray.cancel(each, force=True)

    def _order(self, inputs: JobInputs, plan: BlockPlan, block: RowBlock, backend: BackendName) -> BlockOrder:
        return BlockOrder(
            version=__version__,
            manifest=inputs.dataset.manifest,
            circuit=inputs.job.circuit,
            profile=inputs.profile,
            first_row=inputs.job.first_row,
            rows=inputs.job.rows,
            linear_words=plan.of.linear_words,
            lookup_units=plan.of.lookup_units,
            block=block.number,
            backend=backend,
            places=self._places,
        )


def _needs(plan: BlockPlan, *, gpu: bool) -> dict[str, Any]:
    """What Ray sets aside for one block, from its static cost."""
    words = max(8 * one * other for one, other in map(plan.shape, plan.blocks))
    memory = BASE_MEMORY + 3 * words + 3 * plan.key_bytes
    return {"num_cpus": 1, "num_gpus": int(gpu), "memory": memory, "max_retries": RETRIES}


def _words(get: Any, answer: ObjectRef[Any], plan: BlockPlan, block: RowBlock) -> U64:
    from ray.exceptions import RayError

    try:
        code, said, next_step, data = get(answer)
    except RayError as error:
        raise Unavailable(
            f"The cluster did not compute a block of rows: {type(error).__name__}.", "See the logs of Ray."
        ) from None
    if code:
        raise _error(code)(said, next_step)
    shape = plan.shape(block)
    if len(data) != 8 * shape[0] * shape[1] or sha256(data) != said:
        raise VerificationFailed("A block of rows came back damaged from the cluster.", "See the logs of Ray.")
    return np.frombuffer(data, "<u8").reshape(shape).astype(np.uint64, copy=False)


def connected(address: str) -> Any:
    """Ray, connected to the cluster at host:port; it reports nothing to anybody.

    Errors: UsageError; Unavailable without Ray, where nothing answers, or in a process that is at another cluster.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{address!r} is no host:port of a Ray cluster.", "For example ray:127.0.0.1:6379.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if host in LOOPBACK:  # else Ray takes it for the address by which others reach this machine
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        import ray
    except ImportError:
        raise Unavailable("Ray is not installed.", "pip install 'darkroom-market[ray]'") from None
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, OverflowError, RuntimeError, ValueError):
        raise Unavailable(
            f"No Ray cluster answers at {address} from this machine.", "Start it, or say local: docs/operations.md."
        ) from None
    if (other := ray.get_runtime_context().gcs_address) != address.replace("localhost", "127.0.0.1"):
        raise Unavailable(f"This process works with the Ray cluster at {other} already.", "Start another one.")
    return ray


def compute_block(order: bytes) -> Answer:
    """What a worker does with the bytes of a `BlockOrder`; an error of ours comes back in words."""
    try:
        said = BlockOrder.from_bytes(order)
        if said.version != __version__:
            raise Unavailable(f"This worker is Darkroom {__version__}, not {said.version}.", "Install the same.")
        _tested(said.backend)
        plan, source = _opened(said.model_copy(update={"block": 0}).to_bytes())
        words = plan.words(plan.blocks[said.block], source, threads=1, backend=said.backend)
    except DarkroomError as error:
        return error.code, error.message, error.next_step, b""
    data = np.ascontiguousarray(words, "<u8").tobytes()
    return "", sha256(data), "", data


@lru_cache(maxsize=1)
def _opened(job: bytes) -> tuple[BlockPlan, ChunkSource]:
    """The plan and the source of a job's blocks, opened once for as long as a worker computes that job."""
    order = BlockOrder.from_bytes(job)
    store = open_places(order.places, Path.cwd())
    manifest = read_manifest(store.read(digest_to_cid(order.manifest), limit=MAX_MANIFEST_BYTES), store=store)
    circuit, size = load_circuit(store, order.circuit), BlockSize(order.linear_words, order.lookup_units)
    plan = cut(circuit, order.profile, manifest.table, order.first_row, order.rows, store, size)
    return plan, block_source(manifest.table, order.profile, store)


@cache
def _tested(backend: BackendName) -> None:
    """Known answers, once a process, before its first block. Errors: VerificationFailed, Unavailable."""
    self_test(backend, 1)


def _error(code: str) -> type[DarkroomError]:
    """The class of an error's code; Unavailable for one that is not known here."""
    known = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, DarkroomError)]
    return next((each for each in known if each.code == code), Unavailable)
