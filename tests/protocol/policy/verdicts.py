"""What the policy says to made-up jobs: the helpers of the tests of the rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.policy.judge import judge_of
from app.protocol.data.dataset import EncryptedTable
from app.protocol.ids import Address, Digest, Seconds
from app.protocol.market.entities import ZERO, DatasetRecord, Job, JobState, License
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import MAX_MICRO_BITS
from app.protocol.policy.leakage import Leakage, Released
from app.protocol.policy.linear_forms import AFFINE, Space, form
from app.protocol.policy.reasons import Reason
from app.protocol.policy.rules import (
    Grant,
    ReleaseCase,
    check_policy,
)
from fhe.leakage import SAMPLE
from tests.support.custody import BUYER, OWNER, codebook

NAMES = [f"c{number}" for number in range(8)]
SPACE = Space(dict.fromkeys(NAMES, 256), {})
DATASET = DatasetRecord(
    1, Address(OWNER), Address(OWNER), Digest("1" * 64), Digest("2" * 64), Digest("3" * 64), 1000, 1, 1, False
)
JOB = Job(
    id=1, license=1, dataset=1, buyer=Address(BUYER), state=JobState.COMPUTED, circuit=Digest("4" * 64), first_row=0,
    rows=100,
    sealing_key="5" * 64, units=1, replicas=2, executions=(), receipt=Digest("6" * 64), sealed=ZERO, decision=ZERO,
    deadline=Seconds(0),
    opened_block=1,
)  # fmt: skip
BLOCK = 2048  # rows of a sum
TABLE = EncryptedTable(
    profile=Digest("3" * 64),
    codebook=codebook(),
    epoch=1,
    rows=1000,
    shards=(),
    evaluation_key=None,
    data_root=Digest("2" * 64),
)
HELD = License(1, 1, 1, Address(BUYER), Seconds(0), Seconds(10**9), 99, 10**6, Digest("0" * 64), False, MAX_MICRO_BITS)
BIT = 1_000_000
ROOMY = {"micro_bits_per_license": 1000 * BIT, "micro_bits_per_person": 1000 * BIT}  # bits are not what is looked at
POLICY = OutputPolicy(max_rank=2, release="score", **ROOMY)  # type: ignore[arg-type]


def leak(*rows: list[int], **changes: object) -> Leakage:
    """The report of a linear circuit with these weights."""
    forms = tuple(form({(name, AFFINE): w for name, w in zip(NAMES, row, strict=False)}) for row in rows)
    report = Leakage(
        circuit=Digest("4" * 64), profile="3" * 64, codebook=Digest("7" * 64), family="linear", labels=0,
        outputs=tuple(f"y{i}" for i in range(len(rows))), forms=forms, lows=(0,) * len(rows), highs=(1000,) * len(rows),
        shares=(("c0", 0.3),) * len(rows), rare=1.0,
    )  # fmt: skip
    return replace(report, **changes)  # type: ignore[arg-type]


def trees(**changes: object) -> Leakage:
    """The report of a circuit with lookups and one output."""
    return leak([1], **({"forms": (), "family": "trees", "rare": 0.5} | changes))


def past(*rows: list[int], first: int = 0, end: int = 100, **changes: object) -> Released:
    """A release of these forms on rows [first, end) of the first version, by another license, for no bits."""
    entry = Released(99, 2, 1, first, end, "score", leak(*rows).forms, (), 0, "q")
    return replace(entry, **changes)  # type: ignore[arg-type]


A, B, C = [17, -4, 9, 30, 2, 8, -11, 5], [3, 14, -15, 9, 26, -5, 35, 8], [2, 7, 1, 8, 2, 8, 1, 8]


def facts_of(
    policy: OutputPolicy, report: Leakage, *, table: EncryptedTable = TABLE, work: int = 0, **job: object
) -> ReleaseCase:
    """The facts of a job of this leak."""
    return ReleaseCase(
        chain_id=1, market="0x", job=replace(JOB, **job), license=HELD, dataset=DATASET, table=table, policy=policy,  # type: ignore[arg-type]
        leak=report, usable_key=True, epochs=frozenset({1}), decryptions=0, max_decryptions=9, bootstraps=work,
    )  # fmt: skip


def verdict(policy: OutputPolicy, report: Leakage, *history: Released, **changes: object) -> Reason | Grant:
    """What the policy says to a job of this leak after these releases; outputs with lookups look like noise."""
    rng = np.random.default_rng(7)

    def sampled(name: str) -> bytes:
        return bytes(rng.integers(0, 999, SAMPLE).astype("<i8").tobytes())

    judge = judge_of(codebook(), {}, sampled)
    if policy.release == "aggregate" and not report.block:
        report = replace(report, block=BLOCK)
    return check_policy(facts_of(policy, report, **changes), SPACE, history, judge)  # type: ignore[arg-type]


def aggregates(**changes: object) -> OutputPolicy:
    """A policy that sells noisy sums of at least 20 rows."""
    noisy = {"release": "aggregate", "min_group": 20, "epsilon_micro_per_job": 100_000}
    return POLICY.model_copy(update=noisy | changes)
