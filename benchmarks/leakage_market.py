"""The market as an attacker meets it: circuits go through the real checks and rules, and the released values come back.

Every question is a `Circuit` that must pass `fhe.compile.check`, its leak report is the custodian's, `check_policy`
decides on the real history, and `read_out` coarsens what `fhe.circuit.clear` computes, which is what decryption gives
(tests/fhe compare the two). Only ciphertext and chain are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from app.custodian.readout import read_out
from app.policy.judge import decide, samples_of
from app.protocol.data.dataset import Carried, EncryptedTable
from app.protocol.errors import BadInput
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState, License
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import Grant, ReleaseCase, check_case
from benchmarks.leakage_tables import Table, published
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.cost import cost
from fhe.compile.check import check
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE

NOBODY = "0x" + "0" * 40
BLOCK = 16_384  # rows at a time


@dataclass(frozen=True, eq=False)
class Answer:
    """What was released: values (outputs, rows) of rows [first, first + rows) of the attacked table."""

    circuit: Circuit
    leak: Leakage
    table: Table  # as it was when this was asked
    first: int
    values: I64


@dataclass(eq=False)
class Market:
    """One dataset of one owner under one policy, and everything that it released, to anyone."""

    table: Table
    policy: OutputPolicy
    history: list[Released] = field(default_factory=list)
    samples: dict[str, bytes] = field(default_factory=dict)
    version: int = 1
    shift: int = 0  # rows in front of the attacked ones
    jobs: int = 0
    encrypted: EncryptedTable = field(init=False)
    charged: I64 = field(init=False)  # (rows,) micro-bits that releases cost each attacked row, over all versions

    def __post_init__(self) -> None:
        self.encrypted = published(self.table)
        self.charged = np.zeros(len(self.table.rows), np.int64)

    def ask(self, circuit: Circuit, first: int, rows: int, license: int) -> Answer | Reason:
        """Order a job on rows [first, first + rows) of the attacked table: its answer, or why there is none.

        Rows in front of the attacked ones have negative numbers.
        """
        codebook = self.table.codebook
        try:
            check(circuit, codebook, REFERENCE)
        except BadInput:
            return Reason.CIRCUIT_UNSAFE
        leak, own = leakage_of(circuit, codebook), samples_of(circuit, codebook)
        self.jobs += 1
        job = _job(self.jobs, license, leak.circuit, first + self.shift, rows, self.version)
        facts = self._facts(job, leak, cost(circuit, REFERENCE, rows).bootstraps)
        verdict = check_case(facts) or decide(facts, own, self.history, self.samples.get)
        if not isinstance(verdict, Grant):
            return verdict
        self.history.append(replace(verdict.entry, answered=True))
        self.samples.update(own)
        self.charged[max(first, 0) : max(first + rows, 0)] += verdict.entry.micro_bits
        new = np.resize(self.table.known, (self.shift, len(self.table.columns)))
        asked = np.concatenate([new, self.table.rows])[job.first_row : job.first_row + rows]
        values = released(circuit, leak, self.policy, self.table, asked)
        return Answer(circuit, leak, self.table, first, values)

    def publish_again(self, rows_in_front: int = 0, drop: int | None = None, *, keyed: bool = False) -> None:
        """A new version: rows inserted before the others, or a column dropped; `keyed`: the owner's home tells the
        persons apart, so that the new version states row by row what was said of them.
        """
        if drop is not None:
            self.table = self.table.without(drop)
        self.version += 1
        self.shift += rows_in_front
        said: dict[str, object] = {"rows": len(self.table.rows) + self.shift}
        if keyed:
            rows = enumerate(self.charged.tolist(), start=self.shift)
            said["carried"] = tuple(Carried(first_row=row, rows=1, micro_bits=bits) for row, bits in rows if bits)
            said["carried_jobs"] = self.jobs
        self.encrypted = published(self.table).model_copy(update=said)

    def _facts(self, job: Job, leak: Leakage, bootstraps: int) -> ReleaseCase:
        table, manifest = self.encrypted, f"{self.version:064x}"
        dataset = DatasetRecord(
            1,
            Address(NOBODY),
            Address(NOBODY),
            Digest(manifest),
            table.data_root,
            table.profile,
            table.rows,
            self.version,
            1,
            False,
        )
        license = License(
            job.license,
            1,
            1,
            Address(NOBODY),
            Seconds(0),
            Seconds(1000),
            1000,
            10**9,
            self.policy.digest,
            False,
            self.policy.micro_bits_per_license,
        )
        epochs = frozenset((table.epoch,))
        return ReleaseCase(
            1, NOBODY, job, license, dataset, table, self.policy, leak, True, epochs, 0, 10**6, bootstraps
        )


def released(circuit: Circuit, leak: Leakage, policy: OutputPolicy, table: Table, rows: I64) -> I64:
    """What a release under this policy says of any rows (n, columns): values (outputs, n)."""
    parts = []
    for start in range(0, len(rows), BLOCK):
        inputs = gather_inputs(circuit, table.codes(rows[start : start + BLOCK]))
        parts.append(evaluate_clear(circuit, inputs).T)
    values = np.concatenate(parts, axis=1)
    job = _job(0, 0, leak.circuit, 0, len(rows), 1)
    return read_out(values, circuit.readout, leak, policy, job, lambda exact, _: exact).values


def _job(number: int, license: int, circuit: str, first: int, rows: int, version: int) -> Job:
    return Job(
        id=number, license=license, dataset=1, buyer=Address(NOBODY), state=JobState.COMPUTED,
        circuit=Digest(circuit), first_row=first,
        rows=rows, sealing_key=ZERO, units=1, replicas=2, executions=(), receipt=ZERO, sealed=ZERO, decision=ZERO,
        deadline=Seconds(0), opened_block=1, version=version,
    )  # fmt: skip
