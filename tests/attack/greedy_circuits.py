"""Attacks by buyers: circuits, row ranges and epsilons that ask for more than the policy lets out."""

from __future__ import annotations

import numpy as np

from app.protocol.reasons import Reason
from app.protocol.receipt import OutputPolicy
from tests.attack.stage import PRIME, ROWS, attack, independent, simple, spread
from tests.custodian.world import BUYER, OTHER, PROVIDERS, World, linear_circuit


@attack("identity model", Reason.CONCENTRATION)
def _identity(world: World, rng: np.random.Generator) -> list[int]:
    return [world.job(linear_circuit([np.eye(8, dtype=int)[rng.integers(8)].tolist()]), rows=ROWS)]


@attack("near-identity", Reason.CONCENTRATION)
def _near_identity(world: World, rng: np.random.Generator) -> list[int]:
    weights = rng.choice([-1, 1], 8)
    weights[rng.integers(8)] = 200
    return [world.job(linear_circuit([[int(w) for w in weights]]), rows=ROWS)]


@attack("identity behind a label", Reason.CONCENTRATION)
def _identity_label(world: World, rng: np.random.Generator) -> list[int]:
    license = world.license(OutputPolicy(release="label", max_rank=8))
    weights = np.eye(8, dtype=int)[rng.integers(8)].tolist()
    return [world.job(linear_circuit([weights], at=int(rng.integers(1, 255))), rows=ROWS, license=license)]


@attack("two outputs that differ by one column", Reason.CONCENTRATION)
def _difference_in_one_job(world: World, rng: np.random.Generator) -> list[int]:
    first = spread(rng)
    second = list(first)
    second[rng.integers(8)] += 1
    return [world.job(linear_circuit([first, second]), rows=ROWS)]


@attack("two jobs that differ by one column", Reason.CONCENTRATION)
def _difference_of_jobs(world: World, rng: np.random.Generator) -> list[int]:
    first = spread(rng)
    second = list(first)
    second[rng.integers(8)] -= 1
    world.agent().process(world.job(linear_circuit([first]), rows=ROWS))
    return [world.job(linear_circuit([second]), rows=ROWS, license=world.license(buyer=OTHER))]


@attack("all columns at once", Reason.RANK_BUDGET)
def _full_rank_job(world: World, rng: np.random.Generator) -> list[int]:
    return [world.job(linear_circuit([spread(rng) for _ in range(5)]), rows=ROWS)]


def _independent(world: World, rng: np.random.Generator, buyers: list[str]) -> list[int]:
    """Independent queries until the budget is full; the ones after it."""
    licenses = [world.license(buyer=buyer) for buyer in buyers]
    allowed, forms = [], independent(rng)
    for number in range(4):
        job = world.job(linear_circuit([forms[number]]), rows=ROWS, license=licenses[number % len(licenses)])
        allowed.append(world.agent().process(job).what)
    assert allowed == ["done"] * 4
    return [
        world.job(linear_circuit([forms[number]]), rows=ROWS, license=licenses[number % len(licenses)])
        for number in range(4, 8)
    ]


@attack("d independent queries by one buyer", Reason.RANK_BUDGET)
def _one_buyer(world: World, rng: np.random.Generator) -> list[int]:
    return _independent(world, rng, [BUYER])


@attack("d independent queries by colluding buyers", Reason.RANK_BUDGET)
def _colluding(world: World, rng: np.random.Generator) -> list[int]:
    return _independent(world, rng, [BUYER, OTHER, PROVIDERS[2]])


@attack("independent queries that agree modulo a prime", Reason.RANK_BUDGET)
def _modular(world: World, rng: np.random.Generator) -> list[int]:
    license, first = world.license(OutputPolicy(max_rank=4, max_concentration=1.0)), spread(rng)
    forms = [first] + [[w + PRIME * int(i == column) for i, w in enumerate(first)] for column in range(4)]
    for weights in forms[:4]:
        assert world.agent().process(world.job(linear_circuit([weights]), rows=ROWS, license=license)).what == "done"
    return [world.job(linear_circuit([forms[4]]), rows=ROWS, license=license)]


@attack("queries on shifted row ranges", Reason.RANK_BUDGET)
def _shifted(world: World, rng: np.random.Generator) -> list[int]:
    forms = independent(rng)
    for number in range(4):
        assert world.agent().process(world.job(linear_circuit([forms[number]]), first=number, rows=30)).what == "done"
    return [world.job(linear_circuit([forms[5 + number]]), first=29 - number, rows=16) for number in range(3)]


def _aggregates() -> OutputPolicy:
    return OutputPolicy(release="aggregate", min_group=10, max_rank=4)


@attack("differencing of row ranges", Reason.RANGES_TOO_CLOSE)
def _differencing(world: World, rng: np.random.Generator) -> list[int]:
    license, weights = world.license(_aggregates()), spread(rng)
    assert world.agent().process(world.job(linear_circuit([weights]), rows=30, license=license)).what == "done"
    step = int(rng.integers(1, 10))
    ranges = [(0, 30 - step), (step, 30 - step), (step, 30), (30 - step, 15)]
    return [world.job(linear_circuit([weights]), first=f, rows=r, license=license) for f, r in ranges]


@attack("differencing by three ranges and two buyers", Reason.RANGES_TOO_CLOSE)
def _differencing_together(world: World, rng: np.random.Generator) -> list[int]:
    mine, theirs = world.license(_aggregates()), world.license(_aggregates(), buyer=OTHER)
    weights = spread(rng)
    for first, rows, license in [(0, 20, mine), (20, 20, theirs)]:
        assert world.agent().process(world.job(linear_circuit([weights]), first, rows, license=license)).what == "done"
    return [world.job(linear_circuit([weights]), 0, 39, license=mine)]


@attack("aggregate of a group too small", Reason.GROUP_TOO_SMALL)
def _small_group(world: World, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, rows=int(rng.integers(1, 10)), license=world.license(_aggregates()))]


@attack("circuit class that is not allowed", Reason.CIRCUIT_CLASS)
def _class(world: World, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(OutputPolicy(circuits=("trees",), max_rank=4)))]


@attack("more rows than a job may have", Reason.ROWS_PER_JOB)
def _rows(world: World, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(OutputPolicy(max_rows_per_job=44, max_rank=4)))]


@attack("weights that overflow the message space", Reason.CIRCUIT_UNSAFE)
def _overflow(world: World, rng: np.random.Generator) -> list[int]:
    return [world.job(linear_circuit([[1 << int(rng.integers(25, 40))] * 8]), rows=ROWS)]


def _epsilon(world: World, rng: np.random.Generator, job: int, budget: int) -> list[int]:
    policy = OutputPolicy(max_rank=4, epsilon_micro_per_job=job, epsilon_micro_budget=budget)
    return [simple(world, rng, license=world.license(policy))]


@attack("epsilon budget of zero", Reason.POLICY_INVALID)
def _zero_budget(world: World, rng: np.random.Generator) -> list[int]:
    return _epsilon(world, rng, int(rng.integers(1, 10**6)), 0)


@attack("negative epsilon", Reason.POLICY_INVALID)
def _negative_epsilon(world: World, rng: np.random.Generator) -> list[int]:
    return _epsilon(world, rng, -int(rng.integers(1, 10**6)), 10**6)


@attack("overflowing epsilon", Reason.POLICY_INVALID)
def _overflowing_epsilon(world: World, rng: np.random.Generator) -> list[int]:
    return _epsilon(world, rng, 2**50, 2**52)


@attack("epsilon spent by another buyer", Reason.PRIVACY_BUDGET)
def _spent_epsilon(world: World, rng: np.random.Generator) -> list[int]:
    policy = OutputPolicy(max_rank=4, epsilon_micro_per_job=600_000, epsilon_micro_budget=1_000_000)
    forms = [linear_circuit([weights]) for weights in independent(rng)]
    first = world.job(forms[0], rows=ROWS, license=world.license(policy, buyer=OTHER))
    assert world.agent().process(first).what == "done"
    return [world.job(forms[1], rows=ROWS, license=world.license(policy))]
