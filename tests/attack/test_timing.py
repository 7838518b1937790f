"""A refusal says nothing about the data: not by its words, its steps, its reads or its time."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fhe.circuit.circuit import Circuit
from tests.support.custody import OPEN_POLICY, MarketInMemory, linear_circuit

ROUNDS = 40
SIGNIFICANT = 5.5  # standard deviations: one false alarm in twenty million, were times independent
ATTEMPTS = 3
PROBES = {
    "concentration": lambda number: linear_circuit([[0, 3 + number]]),
    "rank-budget": lambda number: linear_circuit((np.eye(8, dtype=int)[:5] * (9 + number) + 4).tolist()),
}


class Twin:
    """A world whose refusals are watched."""

    def __init__(self, folder: Path, codes: npt.NDArray[Any]) -> None:
        folder.mkdir()
        self.world = MarketInMemory(
            folder, 1, policy=OPEN_POLICY.model_copy(update={"max_concentration": 0.999}), codes=codes
        )
        self.trace: list[str] = []
        self.opened = 0
        read = self.world.store.read

        def watched(cid: str, offset: int = 0, length: int | None = None, *, limit: int) -> bytes:
            self.trace.append(f"read {offset} {length} {limit}")
            return read(cid, offset, length, limit=limit)

        self.world.store.read = watched  # type: ignore[method-assign]
        self.agent = self.world.agent(hook=self.trace.append)
        open_key = self.world.keys.open

        def counted(epoch: int) -> object:
            self.opened += 1
            return open_key(epoch)

        self.world.keys.open = counted  # type: ignore[assignment,method-assign]

    def refuse(self, circuit: Circuit) -> tuple[list[str], str, float]:
        """(steps and reads, reason, seconds) of one refusal."""
        number = self.world.job(circuit)
        self.trace.clear()
        start = time.perf_counter()
        outcome = self.agent.process(number)
        return list(self.trace), outcome.detail, time.perf_counter() - start


def z_score(first: list[float], second: list[float]) -> float:
    """Mann-Whitney: how far the ranks of two samples are from those of one distribution, in standard deviations."""
    order = np.argsort(np.argsort([*first, *second]))
    n, m = len(first), len(second)
    statistic = order[:n].sum() - n * (n - 1) / 2
    return float((statistic - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12))


def difference(twins: list[Twin], reason: str) -> float:
    """How much the times of two worlds' refusals differ, in standard deviations; all else must be equal."""
    times: list[list[float]] = [[], []]
    for number in range(ROUNDS):
        seen = []
        for which in (0, 1) if number % 2 else (1, 0):
            trace, detail, seconds = twins[which].refuse(PROBES[reason](number))
            seen.append((trace, detail))
            times[which].append(seconds)
        assert seen[0] == seen[1]
        assert seen[0][1] == reason
    return z_score(*times)


@pytest.mark.parametrize("reason", PROBES)
def test_refusals_do_not_depend_on_the_data(tmp_path: Path, reason: str) -> None:
    """Two tables, one all zeros and one random, under one key: refusals are the same in every visible way.

    A difference in time counts when it is there again: what the machine did meanwhile goes away, a leak stays.
    """
    random = np.random.default_rng(2).integers(0, 256, (60, 8))
    twins = [Twin(tmp_path / "zeros", np.zeros((60, 8), np.int64)), Twin(tmp_path / "random", random)]
    assert any(abs(difference(twins, reason)) < SIGNIFICANT for _ in range(ATTEMPTS))
    assert twins[0].opened == twins[1].opened == 0
