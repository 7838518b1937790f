"""The market as whoever asks questions meets it: real plans, real checks, the real ledger's rules, real noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from app.client.ask.plan import Plan, plan
from app.client.ask.query import parse
from app.custodian.noise import discrete_laplace
from app.custodian.readout import read_out
from app.policy.judge import decide, samples_of
from app.protocol.data.dataset import Codebook, EncryptedTable
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState, License
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import Grant, ReleaseCase, check_case
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit
from fhe.circuit.clear import evaluate_clear, gather_inputs
from fhe.circuit.cost import cost
from fhe.leakage import leakage_of
from fhe.profile import EVALUATOR
from fhe.profiles import REFERENCE

NOBODY = Address("0x" + "0" * 40)
Codes = Mapping[tuple[str, Any], I64]


@dataclass(eq=False)
class AskedDataset:
    """One dataset under one policy: its codes in the clear, and everything that was told of it, to anyone."""

    book: Codebook
    codes: Codes
    policy: OutputPolicy
    history: list[Released] = field(default_factory=list)
    answers: dict[str, I64] = field(default_factory=dict)
    samples: dict[str, bytes] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(next(iter(self.codes.values())))

    def ask(self, sql: str, *, license: int, first: int = 0, rows: int | None = None) -> I64 | Reason:
        """The released sums (outputs,) of a question on rows [first, first + rows), or why there are none."""
        asked, circuit, leak, own = compiled(sql, self.book)
        del asked
        count = self.rows - first if rows is None else rows
        job = Job(
            id=len(self.history) + 1, license=license, dataset=1, buyer=NOBODY, state=JobState.COMPUTED,
            circuit=leak.circuit, first_row=first, rows=count, sealing_key=ZERO, units=1, replicas=2, executions=(),
            receipt=ZERO, sealed=ZERO, decision=ZERO, deadline=Seconds(0), opened_block=1,
        )  # fmt: skip
        facts = self._facts(job, leak, cost(circuit, REFERENCE, count).bootstraps)
        verdict = check_case(facts) or decide(facts, own, self.history, self.samples.get)
        if not isinstance(verdict, Grant):
            return verdict
        query = verdict.entry.query
        if verdict.again:
            return self.answers[query]
        self.history.append(replace(verdict.entry, answered=True))
        self.samples.update(own)
        part = {name: codes[first : first + count] for name, codes in self.codes.items()}
        exact = evaluate_clear(circuit, gather_inputs(circuit, part)).sum(axis=0)[:, None]
        result = read_out(exact, circuit.readout, leak, self.policy, job, discrete_laplace)
        self.answers[query] = result.values[:, 0]
        return self.answers[query]

    def _facts(self, job: Job, leak: Leakage, bootstraps: int) -> ReleaseCase:
        table = EncryptedTable(
            profile=REFERENCE.digest, codebook=self.book, epoch=1, rows=self.rows, shards=(), evaluation_key="key",
            data_root=Digest("2" * 64), evaluator=EVALUATOR,
        )  # fmt: skip
        record = DatasetRecord(
            1, NOBODY, NOBODY, Digest("1" * 64), table.data_root, table.profile, table.rows, 1, 1, False
        )
        license = License(
            job.license, 1, 1, NOBODY, Seconds(0), Seconds(1000), 1000, 10**9, self.policy.digest, False,
            self.policy.micro_bits_per_license,
        )  # fmt: skip
        return ReleaseCase(
            1, NOBODY, job, license, record, table, self.policy, leak, True, frozenset((1,)), 0, 10**6, bootstraps
        )


@cache
def _compiled(sql: str, digest: str) -> tuple[Plan, Circuit, Leakage, dict[str, bytes]]:
    book = _BOOKS[digest]
    asked = plan(parse(sql), book, REFERENCE)
    assert asked.circuit is not None
    return asked, asked.circuit, leakage_of(asked.circuit, book), dict(samples_of(asked.circuit, book))


_BOOKS: dict[str, Codebook] = {}


def compiled(sql: str, book: Codebook) -> tuple[Plan, Circuit, Leakage, dict[str, bytes]]:
    """A question's plan, circuit, leak report and samples, worked out once."""
    _BOOKS[book.digest] = book
    return _compiled(sql, book.digest)


def chance_bound(micro_bits: int, before: float) -> float:
    """The promise: with so many bits of answers, the chance of a right guess is at most this (docs/leakage.md)."""
    return min(1.0, float(before * np.exp2(micro_bits / 1e6)))
