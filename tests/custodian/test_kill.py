"""SIGKILL before and after each effect: nothing is lost, nothing is doubled, no budget is overdrawn."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from app.custodian.ledger import DecisionState
from app.protocol.documents import sha256
from app.protocol.market.entities import JobState
from app.protocol.policy.bits import noisy_micro_bits
from tests.custodian.filechain import FileChain, reopen
from tests.support.custody import OPEN_POLICY, MarketInMemory, linear_circuit

RELEASE = (
    "claim", "gather", "follow", "reserve", "verify", "count", "decrypt", "seal", "keep", "decide", "send",
    "store document", "store decision", "release", "store result", "record",
)  # fmt: skip
REFUSAL = ("refuse with reason", "store refusal", "refuse", "record refusal")
SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]
SEED = 4


def follow(folder: Path, plan: list[tuple[int, str]]) -> list[list[int]]:
    """How the processes of a plan ended."""
    program = [sys.executable, "-m", "tests.custodian.killed", str(folder), str(SEED)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        program, check=False, input=json.dumps(plan), capture_output=True, text=True, cwd=root, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_killed_anywhere(tmp_path: Path) -> None:
    """A custodian killed at each of twenty points goes on to exactly one release or refusal of each job."""
    world = MarketInMemory(tmp_path, SEED)
    scores, cost = OPEN_POLICY.model_copy(update={"max_rank": 2}), noisy_micro_bits(1_000_000)
    noisy = scores.model_copy(
        update={"epsilon_micro_per_job": 1_000_000, "micro_bits_per_license": cost * len(RELEASE[2:])}
    )
    exact, budget = world.license(scores), world.license(noisy)
    plain = {step: world.job(linear_circuit([SPREAD], [n]), license=exact) for n, step in enumerate(RELEASE)}
    charged = {
        step: world.job(linear_circuit([SPREAD], [100 + n]), license=budget) for n, step in enumerate(RELEASE[2:])
    }
    refused = {step: world.job(linear_circuit([[0, 3 + n]]), license=exact) for n, step in enumerate(REFUSAL)}
    late = world.job(linear_circuit([SPREAD], [-1]), license=budget)
    FileChain.save(world.chain, tmp_path)
    plan = [(job, step) for jobs in (plain, charged, refused) for step, job in jobs.items()]
    ends = follow(tmp_path, [*plan, (late, "nowhere")])
    assert all(killed == signal.SIGKILL and recovered == 0 for killed, recovered in ends[:-1]), ends

    world = reopen(world)
    entries = world.chain.entries()  # type: ignore[attr-defined]
    assert sorted(entry["job"] for entry in entries) == sorted([job for job, _ in plan] + [late])
    for job in plain.values():
        assert np.array_equal(world.opened(job).values, world.clear(job))
    for job in (*plain.values(), *charged.values()):
        record = world.ledger.record(job)
        assert record is not None
        assert record.state == DecisionState.DONE
        assert record.document is not None
        assert world.chain.job(job).sealed == sha256(record.document)
    assert all(world.chain.job(job).reason == "concentration" for job in refused.values())
    spent = {entry.job: entry.micro_bits for entry in world.ledger.history(1) if entry.license == budget}
    assert spent == dict.fromkeys(charged.values(), cost)
    assert world.chain.job(late).state is JobState.REFUSED
    assert world.chain.job(late).reason == "bits-license"
    assert world.ledger.decryptions(1, 1) == len(plain) + len(charged)
