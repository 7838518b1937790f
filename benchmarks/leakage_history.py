"""How long the policy's decision on one job takes after ten thousand others on many row ranges.

A dataset of a million rows and 30 columns under the default policy. Earlier jobs by many licenses released labels of
fourteen forms on random ranges of 100 to 2,000 rows; the job asks for a label of a fifteenth form on all rows, so that
every earlier one counts. The median of several decisions, each from the bare list of what was released.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from app.policy.judge import decide
from app.protocol.data.dataset import EncryptedTable
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState, License
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import MICRO
from app.protocol.policy.leakage import Released
from app.protocol.policy.rules import Grant, ReleaseCase
from benchmarks import columns
from fhe.circuit.circuit import Circuit, Input, Linear, Readout
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE

EARLIER = 10_000
ROWS = 1_000_000
REPEATS, PATIENCE = 5, 2000.0  # decisions, or as many as fit into so many milliseconds
NOBODY = "0x" + "0" * 40


def budget_check_ms(earlier: int = EARLIER) -> float:
    """Milliseconds of one decision."""
    rng = np.random.default_rng(columns.SEED)
    book = columns.codebook()
    policy = OutputPolicy()
    leaks = [leakage_of(_circuit(rng), book) for _ in range(15)]
    history = []
    for number in range(earlier):
        first = int(rng.integers(0, ROWS - 2000))
        forms = leaks[int(rng.integers(14))].forms
        end = first + int(rng.integers(100, 2001))
        entry = Released(number + 2, 2 + number % 97, 1, first, end, "label", forms, (), MICRO, str(number), True)
        history.append(entry)
    table = EncryptedTable(
        profile=REFERENCE.digest, codebook=book, epoch=1, rows=ROWS, shards=(), evaluation_key=None, data_root=ZERO
    )
    dataset = DatasetRecord(
        1, Address(NOBODY), Address(NOBODY), Digest("1" * 64), ZERO, table.profile, ROWS, 1, 1, False
    )
    job = Job(
        id=1, license=1, dataset=1, buyer=Address(NOBODY), state=JobState.COMPUTED, circuit=leaks[-1].circuit,
        first_row=0,
        rows=ROWS, sealing_key=ZERO, units=1, replicas=2, executions=(), receipt=ZERO, sealed=ZERO, decision=ZERO,
        deadline=Seconds(0), opened_block=1,
    )  # fmt: skip
    license = License(
        1, 1, 1, Address(NOBODY), Seconds(0), Seconds(1), 1, ROWS, policy.digest, False, policy.micro_bits_per_license
    )
    facts = ReleaseCase(1, NOBODY, job, license, dataset, table, policy, leaks[-1], True, frozenset((1,)), 0, 1)
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < PATIENCE:
        start = time.perf_counter()
        verdict = decide(facts, {}, history, lambda _: None)
        times.append((time.perf_counter() - start) * 1e3)
        if not isinstance(verdict, Grant):
            raise TypeError(f"the benchmark's job was refused: {verdict}")
    return statistics.median(times)


def _circuit(rng: np.random.Generator) -> Circuit:
    weights = rng.integers(40, 128, columns.COLUMNS) * rng.choice([-1, 1], columns.COLUMNS)
    layer = Linear(27, np.array([0, columns.COLUMNS]), np.arange(columns.COLUMNS), weights, np.zeros(1, np.int64))
    book = columns.codebook()
    inputs = tuple(Input(column.name, "affine") for column in book.columns)
    return Circuit(REFERENCE.digest, book.digest, inputs, (layer,), ("score",), Readout("threshold"))
