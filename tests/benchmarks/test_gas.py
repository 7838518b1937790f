"""The benchmark of gas: what it reports, and when it calls two chains equal."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from benchmarks import gas
from benchmarks.anvil import program
from benchmarks.gas_peers import PEERS


def unheard(done: int, total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """A small run on the embedded chain alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gas, "program", lambda: None)
        return gas.run(unheard, rounds=2)


def test_every_step_has_its_first_use_and_its_use(figures: dict[str, Any]) -> None:
    """All steps are there with whole gas, and nothing costs less than a transaction does."""
    for step in ("publish", "offer", "buy_license", "open", "draw", "commit", "reveal", "release", "withdraw"):
        assert 21_000 < figures[step]["in_use"] <= figures[step]["first"] + 200, step
    assert figures["publish"]["in_use"] < figures["publish"]["first"]


def test_a_job_s_total_is_of_two_executors(figures: dict[str, Any]) -> None:
    """The total holds two commitments and two receipts: above one executor's parts, within twice the dearer's."""
    for use in ("first", "in_use"):
        once = {step: figures[step][use] for step in gas.JOB_STEPS}
        dearest = sum(once.values()) + once["commit"] + once["reveal"]
        assert sum(once.values()) + 2 * 21_000 < figures["job_total"][use] <= dearest
    assert figures["job_total"]["in_use"] < figures["job_total"]["after_withdrawal"] < figures["job_total"]["first"]


def test_the_aims_are_held_against_every_figure(figures: dict[str, Any]) -> None:
    """What the market in use must stay below it does, and what lies above an aim is said to."""
    assert set(figures["aims_met"]) == set(gas.AIMS)
    for step, met in figures["aims_met"].items():
        assert met == {use: amount < gas.AIMS[step] for use, amount in figures[step].items()}
        assert met["in_use"]


def test_without_anvil_equality_is_unknown(figures: dict[str, Any]) -> None:
    """No second chain means null and a reason, never a guess."""
    assert figures["gas_equal"] is None
    assert "contracts/setup.sh" in figures["gas_equal_reason"]
    assert figures["anvil"] is None


@pytest.mark.anvil
def test_anvil_charges_the_same() -> None:
    """With anvil both chains tell the story, and no step differs."""
    if program() is None:
        pytest.skip("anvil is not installed: run contracts/setup.sh")
    figures = gas.run(unheard, rounds=4)
    assert figures["gas_equal"] is not False
    assert figures["gas_equal"] or "no job in the same order" in figures["gas_equal_reason"]
    assert figures["anvil"]["publish"] == figures["publish"]


def test_one_unit_of_gas_is_a_difference() -> None:
    """Equal stories are equal; one more unit in a step, or in a job drawn alike, is not; unlike draws say nothing."""
    jobs: list[tuple[tuple[int, ...], dict[str, list[int]]]] = [
        ((seats, 3 - seats), {"open": [100 + seats], "commit": [5, 6]}) for seats in (1, 1, 2, 1)
    ]
    here = gas.Costs({"publish": [9, 8], "open_by_permit": [7]}, jobs)
    there = copy.deepcopy(here)
    there.steps["open_by_permit"] = [8]  # a signature's bytes, which differ by chance
    assert gas.compare(here, there) == (True, None)
    there.jobs[1][1]["commit"][1] += 1
    assert gas.compare(here, there) == (False, None)
    there.jobs[1] = ((2, 1), there.jobs[1][1])
    assert gas.compare(here, there) == (True, None)
    there.jobs[:] = [((5, 6), parts) for _, parts in there.jobs]
    assert gas.compare(here, there)[0] is None
    there.steps["publish"][1] += 1
    assert gas.compare(here, there) == (False, None)


def test_peers_figures_name_where_they_come_from() -> None:
    """Each peer has repository, commit and day, and a total that is the sum of the transactions listed."""
    assert set(PEERS) == {"ocean", "iexec"}
    for peer in PEERS.values():
        assert peer["repository"].startswith("https://github.com/")
        assert len(bytes.fromhex(peer["commit"])) == 20
        assert peer["differences"]
        for use in ("first", "in_use"):
            assert peer["job_total"][use] == sum(each[use] for each in peer["job"].values())
