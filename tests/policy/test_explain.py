"""What is told before anybody pays, and to the owner afterwards: explain, levels, the statement of budgets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from app.custodian.readout import to_levels
from app.policy.explain import explain
from app.policy.statement import statement
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import describe_bits, micro_bits, noisy_micro_bits
from app.protocol.policy.reasons import Reason
from fhe.circuit.circuit import Circuit
from fhe.leakage import space_of
from fhe.profiles import REFERENCE, insecure_test_profile
from tests.support.custody import OPEN_POLICY, MarketInMemory, codebook, linear_circuit, tree_circuit

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]
NOISY = OPEN_POLICY.model_copy(update={"epsilon_micro_per_job": 500_000})
COST = noisy_micro_bits(500_000)


def test_explain_agrees_with_the_agent(tmp_path: Path) -> None:
    """For circuits of every kind explain foretells exactly what the agent then decides on untouched rows."""
    policy = OPEN_POLICY.model_copy(update={"max_rank": 2, "min_group": 20})
    world = MarketInMemory(tmp_path, insecure=insecure_test_profile(), policy=policy)
    profile = world.profile

    def linear(rows: list[list[int]]) -> Circuit:
        return linear_circuit(rows, profile=profile, bins=True)

    circuits = {
        "good": linear([SPREAD]),
        "copy": linear([[5]]),
        "many": linear([SPREAD, SPREAD[::-1], [1, 2, 3, 4, 4, 3, 2, 1]]),
        "pair": linear([SPREAD, [*SPREAD[:7], SPREAD[7] + 1]]),
        "huge": linear([[1 << 40] * 8]),
        "tree": tree_circuit([(0, 3), (1, 2), (2, 5)], [0, 900, 130, 720, 410, 40, 655, 1010], profile),
        "rare": tree_circuit([(0, 6), (1, 6), (2, 6)], [0] * 7 + [1], profile),
    }
    seen = {}
    for index, (name, circuit) in enumerate(circuits.items()):
        told = explain(circuit, world.manifest.table, profile, policy, 5, first_row=5 * index)
        outcome = world.agent().process(world.job(circuit, first=5 * index, rows=5))
        assert (outcome.what == "done") == told.allowed
        assert told.allowed or outcome.detail == told.reason
        assert told.sentences()
        seen[name] = told.reason
    assert seen == {
        "good": None,
        "copy": Reason.CONCENTRATION,
        "many": Reason.RANK_BUDGET,
        "pair": Reason.CONCENTRATION,
        "huge": Reason.CIRCUIT_UNSAFE,
        "tree": None,
        "rare": Reason.SINGLES_OUT,
    }


def test_explain_counts_bits(tmp_path: Path) -> None:
    """A label says a yes or no, a score as much as its levels, a raw one its range; what is left is told beforehand."""
    table = MarketInMemory(tmp_path).manifest.table
    circuit = linear_circuit([[1] * 8], at=900)

    def cost(policy: OutputPolicy) -> int:
        return explain(circuit, table, REFERENCE, policy, 10).micro_bits

    assert cost(OutputPolicy()) == 1_000_000
    assert cost(OutputPolicy(release="score")) == 4_000_000
    assert cost(OPEN_POLICY) == micro_bits(8 * 255 + 1)
    told = explain(circuit, table, REFERENCE, OutputPolicy(), 10)
    assert "A release says at most one yes-or-no fact (1 bit) about each person." in told.sentences()
    assert "After it the license has 7 of its 8 bits left." in told.sentences()
    assert describe_bits(told.limit_person) == "16"
    words = "Each result stands beside its row's key, a text of the owner's of at most 24 bytes."
    assert words not in told.sentences()
    named = explain(circuit, table, REFERENCE, OutputPolicy(row_keys=24), 10)
    assert words in named.sentences()
    assert (named.micro_bits, named.limit_license) == (told.micro_bits, told.limit_license)


def test_levels_divide_each_outputs_own_range() -> None:
    """Scores keep their order and are off by at most half a level, whatever the scale of their weights."""
    rng = np.random.default_rng(3)
    for low, high in ((0, 1), (-7, 7), (0, 254), (-(1 << 40), 1 << 62)):
        values = np.sort(rng.integers(low, high, 500, endpoint=True))
        rounded = to_levels(values[None, :], (low,), (high,), 16)[0]
        assert len(np.unique(rounded)) <= 16
        assert np.all(np.diff(rounded) >= 0)
        width = (high - low + 1) / 16
        assert np.abs((rounded - values).astype(float)).max() <= max(width / 2 + 1, 0)
        if high - low < 16:
            assert np.array_equal(rounded, values)
    assert to_levels(np.array([[-50, 50]]), (-7,), (7,), 16).tolist() == [[-7, 7]]  # noise stays inside


def test_statement_of_budgets(tmp_path: Path) -> None:
    """The owner sees, for each stretch of rows, which jobs took what and what is left."""
    world = MarketInMemory(tmp_path)
    policy = NOISY.model_copy(update={"micro_bits_per_license": 2 * COST, "micro_bits_per_person": 2 * COST})
    first = world.job(linear_circuit([SPREAD]), 0, 30, license=world.license(policy))
    second = world.job(linear_circuit([SPREAD[::-1]]), 20, 30, license=world.license(policy))
    world.agent().step()
    rows = statement(world.ledger.history(1), policy, space_of(codebook()), world.manifest.table, 1)
    assert [(s.first, s.end, s.jobs, s.rank, s.rank_left, s.micro_bits, s.micro_bits_left) for s in rows] == [
        (0, 20, (first,), 1, 3, COST, COST),
        (20, 30, (first, second), 2, 2, 2 * COST, 0),
        (30, 50, (second,), 1, 3, COST, COST),
        (50, 60, (), 0, 4, 0, 2 * COST),
    ]
