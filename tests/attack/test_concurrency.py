"""Many releases at once on one ledger, in threads and from two agents: budgets hold, and each job is released once."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from app.custodian.attempts import FIRST_RETRY, LONGEST_RETRY
from app.protocol.errors import TryAgain
from app.protocol.market.entities import JobState
from app.protocol.policy.bits import noisy_micro_bits
from tests.attack.stage import independent
from tests.support.custody import OPEN_POLICY, MarketInMemory, linear_circuit


def test_fifty_releases_at_once_never_overdraw(tmp_path: Path) -> None:
    """Fifty noisy jobs on bits for five, all at once: five are released, and five are charged."""
    world = MarketInMemory(tmp_path)
    cost = noisy_micro_bits(200_000)
    bits = {"epsilon_micro_per_job": 200_000, "micro_bits_per_license": 5 * cost, "micro_bits_per_person": 5 * cost}
    policy = OPEN_POLICY.model_copy(update=bits)
    license, weights = world.license(policy), independent(np.random.default_rng(1))[0]
    jobs = [world.job(linear_circuit([weights], [bias]), license=license) for bias in range(50)]
    agent = world.agent()

    def take(job: int) -> None:
        with contextlib.suppress(TryAgain):
            agent.process(job)

    with ThreadPoolExecutor(50) as pool:
        list(pool.map(take, jobs))
    for _ in range(3):  # who lost a race with others' decisions is done later
        world.time += LONGEST_RETRY
        agent.step()
    states = [world.chain.job(job).state for job in jobs]
    assert states.count(JobState.SETTLED) == 5
    assert states.count(JobState.REFUSED) == 45
    assert sum(entry.micro_bits for entry in world.ledger.history(1)) == 5 * cost


def test_two_agents_release_each_job_once(tmp_path: Path) -> None:
    """Two custodians on one ledger file, whose leases are always over, fight for ten jobs: one release each."""
    world = MarketInMemory(tmp_path)
    weights = independent(np.random.default_rng(2))[0]
    jobs = [world.job(linear_circuit([weights], [bias])) for bias in range(10)]
    agents = [world.agent(world.new_ledger()) for _ in range(2)]

    def insist(which: int, job: int) -> None:
        for _ in range(50):
            with contextlib.suppress(TryAgain):
                agents[which].process(job)
            world.time += FIRST_RETRY << 10
            if world.chain.job(job).state is JobState.SETTLED:
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(insist, [0, 1] * len(jobs), [job for job in jobs for _ in range(2)]))
    for job in jobs:
        assert [entry[0] for entry in world.chain.of(job)] == ["release"]
        assert np.array_equal(world.opened(job).values, world.clear(job))
    assert world.ledger.decryptions(1, 1) == len(jobs)
