"""Attacks by buyers: circuits, row ranges, bits and epsilons that ask for more than the policy lets out."""

from __future__ import annotations

import numpy as np

from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.reasons import Reason
from tests.attack.stage import PRIME, ROWS, attack, independent, simple, spread
from tests.support.custody import BUYER, OPEN_POLICY, OTHER, PROVIDERS, MarketInMemory, linear_circuit

BIT = 1_000_000


def _lax(**changes: object) -> OutputPolicy:
    """The world's policy, changed: it sells more bits than any job here takes, so that other rules are met."""
    return OPEN_POLICY.model_copy(update=changes)


@attack("identity model", Reason.CONCENTRATION)
def _identity(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [world.job(linear_circuit([np.eye(8, dtype=int)[rng.integers(8)].tolist()]), rows=ROWS)]


@attack("near-identity", Reason.CONCENTRATION)
def _near_identity(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    weights = rng.choice([-1, 1], 8)
    weights[rng.integers(8)] = 200
    return [world.job(linear_circuit([[int(w) for w in weights]]), rows=ROWS)]


@attack("identity behind a label", Reason.CONCENTRATION)
def _identity_label(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    license = world.license(_lax(release="label", raw_scores="", max_rank=8))
    weights = np.eye(8, dtype=int)[rng.integers(8)].tolist()
    return [world.job(linear_circuit([weights], at=int(rng.integers(1, 255))), rows=ROWS, license=license)]


@attack("two outputs that differ by one column", Reason.CONCENTRATION)
def _difference_in_one_job(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    first = spread(rng)
    second = list(first)
    second[rng.integers(8)] += 1
    return [world.job(linear_circuit([first, second]), rows=ROWS)]


@attack("two jobs that differ by one column", Reason.CONCENTRATION)
def _difference_of_jobs(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    first = spread(rng)
    second = list(first)
    second[rng.integers(8)] -= 1
    world.agent().process(world.job(linear_circuit([first]), rows=ROWS))
    return [world.job(linear_circuit([second]), rows=ROWS, license=world.license(buyer=OTHER))]


@attack("all columns at once", Reason.RANK_BUDGET)
def _full_rank_job(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [world.job(linear_circuit([spread(rng) for _ in range(5)]), rows=ROWS)]


def _independent(world: MarketInMemory, rng: np.random.Generator, buyers: list[str]) -> list[int]:
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
def _one_buyer(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return _independent(world, rng, [BUYER])


@attack("d independent queries by colluding buyers", Reason.RANK_BUDGET)
def _colluding(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return _independent(world, rng, [BUYER, OTHER, PROVIDERS[2]])


@attack("independent queries that agree modulo a prime", Reason.RANK_BUDGET)
def _modular(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    license, first = world.license(_lax(max_concentration=1.0)), spread(rng)
    forms = [first] + [[w + PRIME * int(i == column) for i, w in enumerate(first)] for column in range(4)]
    for weights in forms[:4]:
        assert world.agent().process(world.job(linear_circuit([weights]), rows=ROWS, license=license)).what == "done"
    return [world.job(linear_circuit([forms[4]]), rows=ROWS, license=license)]


@attack("queries on shifted row ranges", Reason.RANK_BUDGET)
def _shifted(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    forms = independent(rng)
    for number in range(4):
        assert world.agent().process(world.job(linear_circuit([forms[number]]), first=number, rows=30)).what == "done"
    return [world.job(linear_circuit([forms[5 + number]]), first=29 - number, rows=16) for number in range(3)]


def _aggregates() -> OutputPolicy:
    return _lax(release="aggregate", raw_scores="", min_group=10, epsilon_micro_per_job=1_000_000)


@attack("differencing of row ranges", Reason.RANGES_TOO_CLOSE)
def _differencing(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    license, weights = world.license(_aggregates()), spread(rng)
    assert (
        world.agent().process(world.job(linear_circuit([weights], block=2048), rows=30, license=license)).what == "done"
    )
    step = int(rng.integers(1, 10))
    ranges = [(0, 30 - step), (step, 30 - step), (step, 30), (30 - step, 15)]
    return [world.job(linear_circuit([weights], block=2048), first=f, rows=r, license=license) for f, r in ranges]


@attack("differencing by three ranges and two buyers", Reason.RANGES_TOO_CLOSE)
def _differencing_together(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    mine, theirs = world.license(_aggregates()), world.license(_aggregates(), buyer=OTHER)
    weights = spread(rng)
    for first, rows, license in [(0, 20, mine), (20, 20, theirs)]:
        assert (
            world.agent().process(world.job(linear_circuit([weights], block=2048), first, rows, license=license)).what
            == "done"
        )
    return [world.job(linear_circuit([weights], block=2048), 0, 39, license=mine)]


@attack("aggregate of a group too small", Reason.GROUP_TOO_SMALL)
def _small_group(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    few = linear_circuit([spread(rng)], block=int(rng.integers(1, 10)))  # blocks of which the owner would see the sums
    license = world.license(_aggregates())
    return [
        world.job(linear_circuit([spread(rng)], block=2048), 0, int(rng.integers(1, 10)), license=license),
        world.job(few, 0, 30, license=license),
    ]


@attack("values of rows where sums are sold", Reason.NOT_SUMMED)
def _not_summed(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, rows=30, license=world.license(_aggregates()))]


@attack("sums where values of rows are sold", Reason.SUMS_NOT_SOLD)
def _sums_not_sold(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [world.job(linear_circuit([spread(rng)], block=2048), 0, 30)]


@attack("circuit class that is not allowed", Reason.CIRCUIT_CLASS)
def _class(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(_lax(circuits=("trees",))))]


@attack("more rows than a job may have", Reason.ROWS_PER_JOB)
def _rows(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(_lax(max_rows_per_job=44)))]


@attack("weights that overflow the message space", Reason.CIRCUIT_UNSAFE)
def _overflow(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [world.job(linear_circuit([[1 << int(rng.integers(25, 40))] * 8]), rows=ROWS)]


@attack("negative epsilon", Reason.POLICY_INVALID)
def _negative_epsilon(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(_lax(epsilon_micro_per_job=-int(rng.integers(1, 10**6)))))]


@attack("overflowing epsilon", Reason.POLICY_INVALID)
def _overflowing_epsilon(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(_lax(epsilon_micro_per_job=2**50)))]


@attack("aggregate without noise", Reason.POLICY_INVALID)
def _exact_sums(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(_lax(release="aggregate", raw_scores="")))]


@attack("budgets of zero, negative and overflowing bits", Reason.POLICY_INVALID)
def _meaningless_bits(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    bits = ("micro_bits_per_license", "micro_bits_per_person")
    policies = [_lax(**{name: value}) for name in bits for value in (-1, 1 << 41)] + [_lax(micro_bits_per_license=0)]
    return [simple(world, rng, license=world.license(policy)) for policy in policies]


@attack("raw scores without the owner's words", Reason.POLICY_INVALID)
def _raw_without_words(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(_lax(raw_scores="true")))]


def _few_bits(license: int = 8, person: int = 16) -> OutputPolicy:
    """Labels and 16 levels, of which a license is told so many bits, and anyone so many in all."""
    bits = {"micro_bits_per_license": license * BIT, "micro_bits_per_person": person * BIT}
    return OutputPolicy(max_rank=8, min_group=10, **bits)  # type: ignore[arg-type]


def _thresholds(world: MarketInMemory, rng: np.random.Generator, licenses: list[int], granted: int) -> list[int]:
    """Yes-or-no questions by bisection on one score, until the bits are used up; the two after that."""
    weights, span = spread(rng), 255 * 16 * 8

    def ask(number: int) -> int:
        at = int(span * (2 * number + 1) / 64) - span // 2
        return world.job(linear_circuit([weights], at=at), rows=ROWS, license=licenses[number % len(licenses)])

    assert [world.agent().process(ask(number)).what for number in range(granted)] == ["done"] * granted
    return [ask(granted + number) for number in range(2)]


@attack("bisection on labels by one license", Reason.BITS_LICENSE)
def _bisection(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return _thresholds(world, rng, [world.license(_few_bits())], 8)


@attack("bisection on labels by colluding licenses", Reason.BITS_PERSON)
def _bisection_together(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    licenses = [world.license(_few_bits(license=8, person=9), buyer=buyer) for buyer in (BUYER, OTHER)]
    return _thresholds(world, rng, licenses, 9)


@attack("mixed radix weights that put columns side by side", Reason.BITS_LICENSE)
def _mixed_radix(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    policy = _few_bits().model_copy(update={"release": "score", "levels": 1 << 16})
    order = rng.permutation(8)
    weights = [0] * 8
    for column, weight in zip(order, (1 << 16, (1 << 16) + 1, (1 << 16) + 256), strict=False):
        weights[column] = weight
    return [world.job(linear_circuit([weights]), rows=ROWS, license=world.license(policy))]


@attack("equal answers to other queries", Reason.BITS_LICENSE)
def _equal_answers(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    license, weights = world.license(_few_bits(license=1)), spread(rng)
    assert world.agent().process(world.job(linear_circuit([weights], at=0), rows=ROWS, license=license)).what == "done"
    same = linear_circuit([weights], [5], at=5)  # another circuit that says the same of every row
    return [world.job(same, rows=ROWS, license=license)]


@attack("bits asked for again on another version", Reason.BITS_PERSON)
def _other_version(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    licenses = [world.license(_few_bits(license=2, person=2)) for _ in range(2)]
    weights = spread(rng)
    for at in (0, 50):
        job = world.job(linear_circuit([weights], at=at), rows=ROWS, license=licenses[0])
        assert world.agent().process(job).what == "done"
    world.new_version(title="the same persons")
    return [world.job(linear_circuit([spread(rng)], at=0), 20, 20, license=licenses[1], version=2)]


@attack("noise asked for by another buyer", Reason.BITS_PERSON)
def _spent_noise(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    noisy = {"epsilon_micro_per_job": 600_000, "micro_bits_per_license": BIT, "micro_bits_per_person": BIT}
    forms = [linear_circuit([weights]) for weights in independent(rng)]
    first = world.job(forms[0], rows=ROWS, license=world.license(_lax(**noisy), buyer=OTHER))
    assert world.agent().process(first).what == "done"
    return [world.job(forms[1], rows=ROWS, license=world.license(_lax(**noisy)))]
