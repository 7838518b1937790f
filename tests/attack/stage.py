"""The stage of the attacks: a register of them, and what a coalition of buyers and executors can do.

Executors here agree on whatever the attack wants, so that the chain itself says COMPUTED with a forged receipt. Rows
from 45 on belong to the honest job that runs beside each attack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from app.execution.execute import Evaluation
from app.protocol.data.merkle import root as merkle_root
from app.storage.content import file_cid
from fhe.engine.output import HEADER
from tests.support.custody import MarketInMemory, linear_circuit

Attack = Callable[[MarketInMemory, np.random.Generator], list[int]]
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


def forge(world: MarketInMemory, number: int, output: bytes, **said: object) -> None:
    """Let the executors agree on another output, or on another receipt."""
    honest = world.execute(world.facts(number)).receipt
    changes = {"output": file_cid(output), "output_bytes": len(output), "output_root": merkle_root(output)}
    world.agree(number, honest.model_copy(update=changes | said), output)


def honest_output(world: MarketInMemory, number: int) -> Evaluation:
    """What honest executors compute for a job."""
    return world.execute(world.facts(number))


def with_words(output: bytes, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> bytes:
    """The output with its words changed."""
    words = np.frombuffer(output[HEADER.size :], "<u8").astype(np.uint64)
    return output[: HEADER.size] + change(words).astype("<u8").tobytes()


def simple(world: MarketInMemory, rng: np.random.Generator, rows: int = ROWS, **changes: object) -> int:
    """A job that would be released if nothing were wrong with it."""
    return world.job(linear_circuit([spread(rng)]), rows=rows, **changes)  # type: ignore[arg-type]
