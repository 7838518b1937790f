"""Evaluate a job and say what came out: the step that provider, custodian and auditor must agree on, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass

from app.execution.inputs import JobInputs, load_evaluation_key
from app.execution.source import StoreSource
from app.protocol.errors import BadReceipt
from app.protocol.market.receipt import Receipt
from app.protocol.ports import Progress, Store
from app.storage.content import file_cid
from fhe.circuit.circuit import Lookup
from fhe.engine.core import BackendName
from fhe.engine.evaluate import evaluate
from fhe.merkle import root_of


@dataclass(frozen=True)
class Evaluation:
    """A receipt and the output bytes that it speaks of."""

    receipt: Receipt
    output: bytes


def execute(
    inputs: JobInputs,
    store: Store,
    *,
    threads: int,
    progress: Progress | None = None,
    backend: BackendName = "auto",
) -> Evaluation:
    """Evaluate the job's circuit on its rows; nothing is written. The result does not depend on threads or backend.

    Errors: what reading the dataset's files and keys can raise (NotFound, BadBlock, BadDocument, BadModel, BadKey);
    Unavailable, VerificationFailed when `backend` is "cuda" and the GPU fails.
    """
    job, table, circuit = inputs.job, inputs.table, inputs.circuit
    needs_key = any(isinstance(layer, Lookup) for layer in circuit.layers)
    output = evaluate(
        circuit,
        inputs.profile,
        table,
        StoreSource(table, inputs.profile, store),
        job.first_row,
        job.rows,
        load_evaluation_key(store, table, inputs.profile) if needs_key else None,
        threads=threads,
        backend=backend,
        progress=progress,
    )
    data = output.to_bytes()
    receipt = Receipt(
        chain_id=inputs.chain_id,
        market=inputs.market,
        job=job.id,
        manifest=inputs.dataset.manifest,
        data_root=inputs.dataset.data_root,
        circuit=job.circuit,
        profile=inputs.dataset.profile,
        evaluator=table.evaluator,
        first_row=job.first_row,
        rows=job.rows,
        form=output.form,
        output=file_cid(data),
        output_bytes=len(data),
        output_root=root_of(data),
    )
    return Evaluation(receipt, data)


def check_receipt(receipt: Receipt, recomputed: Receipt) -> None:
    """Whether a receipt says what re-execution says. Errors: BadReceipt, which names the first field that differs."""
    theirs, ours = receipt.model_dump(), recomputed.model_dump()
    for name, value in ours.items():
        if theirs[name] != value:
            raise BadReceipt(
                f"The receipt of job {recomputed.job} says another {name.replace('_', ' ')} than re-execution gives.",
                "Do not trust this result; the executors that signed it can be reported.",
            )
