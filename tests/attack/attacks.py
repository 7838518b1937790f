"""The attacks: each sets up jobs that must not be released, as a coalition of buyers and executors would.

Executors here agree on whatever the attack wants, so that the chain itself says COMPUTED with a forged receipt. Rows
from 45 on belong to the honest job that runs beside each attack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from app.execution.execute import Execution
from app.protocol.market import ZERO
from app.protocol.market import Execution as Part
from app.protocol.merkle import root as merkle_root
from app.protocol.reasons import Reason
from app.protocol.receipt import OutputPolicy
from app.storage.content import file_cid
from fhe.engine.output import HEADER
from tests.custodian.world import BUYER, OTHER, OWNER, PROVIDERS, World, linear_circuit

Attack = Callable[[World, np.random.Generator], list[int]]
ATTACKS: dict[str, tuple[Attack, str]] = {}  # the setup, and the reason or outcome that each job must meet
ROWS = 45  # attacked ones: [0, 45)
PRIME = (1 << 13) - 1


def attack(name: str, expected: str) -> Callable[[Attack], Attack]:
    """Register an attack, with the reason of its refusal, or "failed" or "waiting"."""

    def add(function: Attack) -> Attack:
        ATTACKS[name] = function, expected
        return function

    return add


def spread(rng: np.random.Generator, columns: int = 8) -> list[int]:
    """Weights of which no column has much more than the others."""
    return [int(w) for w in rng.integers(8, 16, columns) * rng.choice([-1, 1], columns)]


def independent(rng: np.random.Generator) -> list[list[int]]:
    """Eight independent forms of which no few nearly reproduce a column: a Hadamard matrix in a random order."""
    matrix = np.array([[1]])
    for _ in range(3):
        matrix = np.kron(matrix, np.array([[1, 1], [1, -1]]))
    mixed = 9 * matrix[rng.permutation(8)] * rng.choice([-1, 1], 8)
    return [[int(w) for w in row] for row in mixed]


def forge(world: World, number: int, output: bytes, **said: object) -> None:
    """Let the executors agree on another output, or on another receipt."""
    honest = world.execute(world.facts(number)).receipt
    changes = {"output": file_cid(output), "output_bytes": len(output), "output_root": merkle_root(output)}
    world.agree(number, honest.model_copy(update=changes | said), output)


def honest_output(world: World, number: int) -> Execution:
    """What honest executors compute for a job."""
    return world.execute(world.facts(number))


def with_words(output: bytes, change: Callable[[np.ndarray], np.ndarray]) -> bytes:
    """The output with its words changed."""
    words = np.frombuffer(output[HEADER.size :], "<u8").astype(np.uint64)
    return output[: HEADER.size] + change(words).astype("<u8").tobytes()


def simple(world: World, rng: np.random.Generator, rows: int = ROWS, **changes: object) -> int:
    """A job that would be released if nothing were wrong with it."""
    return world.job(linear_circuit([spread(rng)]), rows=rows, **changes)  # type: ignore[arg-type]


# --- outputs that were not computed ----------------------------------------------------------------------------------


@attack("random words as output", Reason.OUTPUT_MISMATCH)
def _random_words(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    output = honest_output(world, number).output
    forge(world, number, with_words(output, lambda w: rng.integers(0, 2**64, len(w), dtype=np.uint64)))
    return [number]


@attack("chosen words as output", Reason.OUTPUT_MISMATCH)
def _chosen_words(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    output = honest_output(world, number).output
    forge(world, number, with_words(output, lambda w: np.uint64(1) << np.arange(len(w), dtype=np.uint64)))
    return [number]


@attack("input as output", Reason.OUTPUT_MISMATCH)
def _input_as_output(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    file = world.manifest.table.shards[0].files[int(rng.integers(8))]
    column = np.frombuffer(world.store.read(file.cid, limit=1 << 20), "<u8")[:ROWS]
    forge(world, number, with_words(honest_output(world, number).output, lambda w: column.astype(np.uint64)))
    return [number]


@attack("another job's output", Reason.OUTPUT_MISMATCH)
def _other_output(world: World, rng: np.random.Generator) -> list[int]:
    victim, number = simple(world, rng), simple(world, rng)
    forge(world, number, honest_output(world, victim).output)
    world.chain.jobs.pop(victim)
    return [number]


@attack("another job's receipt", Reason.OUTPUT_MISMATCH)
def _replayed_receipt(world: World, rng: np.random.Generator) -> list[int]:
    circuit = linear_circuit([spread(rng)])
    victim, number = world.job(circuit, rows=ROWS), world.job(circuit, rows=ROWS)
    world.chain.jobs[number] = replace(world.chain.jobs[number], receipt=world.chain.jobs[victim].receipt)
    world.chain.jobs.pop(victim)
    return [number]


@attack("right shape from a wrong circuit", Reason.OUTPUT_MISMATCH)
def _wrong_circuit(world: World, rng: np.random.Generator) -> list[int]:
    number, other = simple(world, rng), world.job(linear_circuit([[0, 1]]), rows=ROWS)
    forge(world, number, honest_output(world, other).output)
    world.chain.jobs.pop(other)
    return [number]


@attack("receipt of a wrong circuit", Reason.OUTPUT_MISMATCH)
def _receipt_of_wrong_circuit(world: World, rng: np.random.Generator) -> list[int]:
    number, other = simple(world, rng), world.job(linear_circuit([[0, 1]]), rows=ROWS)
    output = honest_output(world, other).output
    forge(world, number, output, circuit=world.chain.jobs[other].circuit)
    world.chain.jobs.pop(other)
    return [number]


@attack("honest plus crafted sum", Reason.OUTPUT_MISMATCH)
def _crafted_sum(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    output = honest_output(world, number).output
    forge(world, number, with_words(output, lambda w: w + (np.uint64(1) << np.uint64(int(rng.integers(64))))))
    return [number]


@attack("reordered rows", Reason.OUTPUT_MISMATCH)
def _reordered(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    forge(
        world, number, with_words(honest_output(world, number).output, lambda w: np.roll(w, int(rng.integers(1, 44))))
    )
    return [number]


@attack("rows of another range", Reason.OUTPUT_MISMATCH)
def _other_rows(world: World, rng: np.random.Generator) -> list[int]:
    circuit = linear_circuit([spread(rng)])
    number, other = world.job(circuit, first=0, rows=20), world.job(circuit, first=1, rows=20)
    forge(world, number, honest_output(world, other).output)
    world.chain.jobs.pop(other)
    return [number]


@attack("truncated output", Reason.OUTPUT_MISMATCH)
def _truncated(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    forge(world, number, honest_output(world, number).output[: -int(rng.integers(1, 80))])
    return [number]


@attack("another evaluator's name", Reason.OUTPUT_MISMATCH)
def _other_evaluator(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    forge(world, number, honest_output(world, number).output, evaluator=f"other-{rng.integers(99)}")
    return [number]


# --- facts that were swapped -----------------------------------------------------------------------------------------


@attack("swapped license", Reason.WRONG_LICENSE)
def _swapped_license(world: World, rng: np.random.Generator) -> list[int]:
    roomy = world.license(OutputPolicy(max_rank=8), buyer=OTHER)
    return [_use(world, simple(world, rng), license=roomy)]


def _use(world: World, number: int, **changes: object) -> int:
    world.chain.jobs = {n: job for n, job in world.chain.jobs.items() if n == number}
    world.chain.jobs[number] = replace(world.chain.jobs[number], **changes)  # type: ignore[arg-type]
    return number


@attack("license of another dataset", Reason.WRONG_LICENSE)
def _foreign_license(world: World, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(dataset=2))]


@attack("sealing key of small order", Reason.WRONG_KEY)
def _small_order_key(world: World, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, sealing_key=("00" if rng.integers(2) else "01") + "00" * 31)]


@attack("sealing key that is none", Reason.WRONG_KEY)
def _no_key(world: World, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, sealing_key="ab" * int(rng.integers(1, 32)))]


@attack("policy digest swap", Reason.CONCENTRATION)
def _policy_swap(world: World, rng: np.random.Generator) -> list[int]:
    lax, strict = OutputPolicy(max_rank=8, max_concentration=1.0), world.manifest.policy
    license = world.license(lax)
    held = world.chain.licenses[license]
    world.chain.licenses[license] = replace(held, policy=strict.digest)
    return [world.job(linear_circuit([[0, int(rng.integers(1, 9))]]), rows=ROWS, license=license)]


@attack("policy that the store does not have", "failed")
def _absent_policy(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    license = world.chain.jobs[number].license
    world.chain.licenses[license] = replace(world.chain.licenses[license], policy=f"{int(rng.integers(9))}" * 64)
    return [number]


@attack("stale epoch", Reason.EPOCH_CLOSED)
def _stale_epoch(world: World, rng: np.random.Generator) -> list[int]:
    world.new_version(epoch=int(rng.integers(2, 99)))
    return [_use(world, simple(world, rng, version=2), version=2)]


@attack("receipt of an earlier version", Reason.OUTPUT_MISMATCH)
def _earlier_version(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    world.new_version(title="second")
    return [_use(world, number, version=2)]


@attack("tombstoned dataset", Reason.EPOCH_CLOSED)
def _tombstone(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    world.chain.datasets[1, 2] = replace(world.chain.datasets[1, 1], version=2, tombstoned=True)
    return [_use(world, number, version=2)]


@attack("rows beyond the dataset", Reason.ROWS_OUTSIDE)
def _beyond(world: World, rng: np.random.Generator) -> list[int]:
    return [_use(world, simple(world, rng), first_row=int(rng.integers(16, 60)), rows=ROWS)]


@attack("job that is not final", "waiting")
def _not_final(world: World, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    world.chain.unfinal.add(number)
    return [number]


@attack("job without a receipt", Reason.WRONG_RECEIPT)
def _no_receipt(world: World, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, receipt=ZERO)]


@attack("quorum of the buyer and one executor twice", Reason.NO_QUORUM)
def _false_quorum(world: World, rng: np.random.Generator) -> list[int]:
    license = world.license(OutputPolicy(verify="quorum", quorum=2, max_rank=4))
    number = simple(world, rng, license=license)
    forge(world, number, with_words(honest_output(world, number).output, lambda w: w + np.uint64(1)))
    agreed = world.chain.jobs[number].receipt
    names = [PROVIDERS[0], PROVIDERS[0].upper().replace("0X", "0x"), BUYER, OWNER]
    parts = tuple(Part(provider=name, commitment=ZERO, receipt=agreed) for name in names)
    world.chain.jobs[number] = replace(world.chain.jobs[number], executions=parts)
    return [number]


@attack("quorum on another job's receipt", Reason.WRONG_RECEIPT)
def _quorum_replay(world: World, rng: np.random.Generator) -> list[int]:
    license = world.license(OutputPolicy(verify="quorum", quorum=2, max_rank=4))
    number = simple(world, rng, license=license)
    forge(world, number, honest_output(world, number).output, job=number + int(rng.integers(1, 99)))
    return [number]


@attack("quorum on a root that is not the output's", Reason.WRONG_RECEIPT)
def _quorum_root(world: World, rng: np.random.Generator) -> list[int]:
    license = world.license(OutputPolicy(verify="quorum", quorum=2, max_rank=4))
    number = simple(world, rng, license=license)
    forge(world, number, honest_output(world, number).output, output_root=f"{int(rng.integers(9))}" * 64)
    return [number]


# --- circuits that ask too much --------------------------------------------------------------------------------------


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


# --- budgets ---------------------------------------------------------------------------------------------------------


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
