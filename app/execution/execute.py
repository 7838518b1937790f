"""Evaluate a job and say what came out: the step that provider, custodian and auditor must agree on, byte for byte."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.execution.checkpoint import Checkpoints
from app.execution.inputs import JobInputs
from app.execution.runner import BlockRunner, LocalRunner, cut
from app.protocol.documents import canonical, sha256
from app.protocol.errors import BadReceipt
from app.protocol.ids import Digest
from app.protocol.market.receipt import Receipt
from app.protocol.ports import Progress, Store
from app.storage.content import file_cid
from fhe.engine.blocks import RULE, USUAL, BlockPlan, BlockSize
from fhe.engine.core import BackendName
from fhe.merkle import root_of


@dataclass(frozen=True)
class Evaluation:
    """A receipt and the output bytes that it speaks of."""

    receipt: Receipt
    output: bytes | memoryview  # of a file that is mapped: it is in memory as far as it is read


def execute(
    inputs: JobInputs,
    store: Store,
    *,
    threads: int,
    progress: Progress | None = None,
    backend: BackendName = "auto",
    runner: BlockRunner | None = None,
    checkpoints: Checkpoints | None = None,
    size: BlockSize = USUAL,
) -> Evaluation:
    """Evaluate the job's circuit on its rows, block by block. The result depends on nothing but `inputs`.

    `runner` computes blocks of about `size`; without one this process does. What is done is kept in the `checkpoints`
    until they are told to forget it (by its `evaluation_digest`), so that the same call goes on where a killed one was;
    without them nothing is kept. Progress counts rows.
    Errors: what reading the dataset's files and keys can raise (NotFound, BadBlock, BadDocument, BadModel, BadKey);
    VerificationFailed, Unavailable when `backend` is "cuda" and the GPU fails, or the runner or the disk does.
    """
    plan = plan_of(inputs, store, size)
    with ExitStack() as held:
        if checkpoints is None:
            checkpoints = Checkpoints(Path(held.enter_context(tempfile.TemporaryDirectory())), durable=False)
        kept = held.enter_context(checkpoints.open(evaluation_digest(inputs, size), plan))
        done = kept.done_rows

        def told(under_way: int = 0) -> None:
            if progress is not None:
                progress(done + under_way, plan.rows)

        told()
        for block, words in (runner or LocalRunner(store, threads, backend)).run(inputs, plan, kept.missing, told):
            kept.add(block, words, threads=threads, backend=backend)
            done += block.rows
            told()
        data = kept.output()
    return Evaluation(_receipt(inputs, plan, data), data)


def plan_of(inputs: JobInputs, store: Store, size: BlockSize = USUAL) -> BlockPlan:
    """How a job is cut into blocks. Errors: BadModel, BadKey, RowsOutsideDataset; NotFound, BadBlock for the key."""
    job = inputs.job
    return cut(inputs.circuit, inputs.profile, inputs.table, job.first_row, job.rows, store, size)


def evaluation_digest(inputs: JobInputs, size: BlockSize = USUAL) -> Digest:
    """Names an evaluation by everything that its blocks and bytes follow from. Jobs that ask the same share it."""
    facts = {
        "blocks": [RULE, size.linear_words, size.lookup_units],
        "circuit": inputs.job.circuit,
        "evaluator": inputs.table.evaluator,
        "first_row": inputs.job.first_row,
        "manifest": inputs.dataset.manifest,
        "profile": inputs.dataset.profile,
        "rows": inputs.job.rows,
    }
    return sha256(canonical(facts))


def _receipt(inputs: JobInputs, plan: BlockPlan, data: memoryview) -> Receipt:
    job = inputs.job
    return Receipt(
        chain_id=inputs.chain_id,
        market=inputs.market,
        job=job.id,
        manifest=inputs.dataset.manifest,
        data_root=inputs.dataset.data_root,
        circuit=job.circuit,
        profile=inputs.dataset.profile,
        evaluator=inputs.table.evaluator,
        first_row=job.first_row,
        rows=job.rows,
        form=plan.form,
        output=file_cid(data),
        output_bytes=len(data),
        output_root=root_of(data),
    )


def check_receipt(receipt: Receipt, recomputed: Receipt) -> None:
    """Whether a receipt says what re-execution says. Errors: BadReceipt, which names the first field that differs."""
    theirs, ours = receipt.model_dump(), recomputed.model_dump()
    for name, value in ours.items():
        if theirs[name] != value:
            raise BadReceipt(
                f"The receipt of job {recomputed.job} says another {name.replace('_', ' ')} than re-execution gives.",
                "Do not trust this result; the executors that signed it can be reported.",
            )
