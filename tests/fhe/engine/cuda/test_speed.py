"""A provider's capacity and a buyer's estimate follow from what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.policy.quote import quote
from app.protocol.ids import Address, Seconds, Units
from app.protocol.market.entities import CAPACITY_SHARE, Offer, ProviderRecord
from app.protocol.market.fees import Draw, DrawRules
from app.provider import speed
from app.provider.speed import Speed, known
from fhe.circuit.cost import Cost
from fhe.engine import vectors
from fhe.engine.cuda import selection
from tests.fhe.engine.cuda.emulated import EmulatedDevice


def test_a_measurement_is_of_this_machine_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call reads the first one's file; other threads, another device or `again` measure anew."""
    first = known(tmp_path, 1, "cpu")
    assert (first.asked, first.computed, first.threads, first.lookups) == ("cpu", "native", 1, 16)
    assert 100 < first.units_per_second < 10**6  # a core does some two thousand
    assert Speed.from_bytes((tmp_path / speed.FILE).read_bytes()) == first
    made: list[tuple[int, str]] = []

    def measured(threads: int, device: str) -> Speed:
        made.append((threads, device))
        return first

    monkeypatch.setattr(speed, "measure", measured)
    assert known(tmp_path, 1, "cpu") == first
    assert not made
    known(tmp_path, 2, "cpu")
    known(tmp_path, 1, "cpu", again=True)
    (tmp_path / speed.FILE).write_bytes(b"{}")
    known(tmp_path, 1, "auto")
    assert made == [(2, "cpu"), (1, "cpu"), (1, "auto")]


def test_a_gpu_is_measured_in_its_own_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """`computed` says which device it was, and the batch is the device's."""
    case = next(case for case in vectors.vectors().cases if case.name == "small-one-level")
    monkeypatch.setattr(speed, "CASE", case.name)
    monkeypatch.setattr(selection, "available", lambda: True)
    monkeypatch.setattr(selection, "trusted", lambda: (EmulatedDevice(),))
    found = speed.measure(1, "auto")
    assert (found.computed, found.lookups, found.gpus) == ("cuda", 512, ("emulated GPU",))


def test_a_gpu_that_came_or_went_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The speed of a GPU is not promised without it, nor the CPU's with it."""
    here = list[EmulatedDevice]()
    monkeypatch.setattr(selection, "available", lambda: bool(here))
    monkeypatch.setattr(selection, "trusted", lambda: tuple(here))
    case = next(case for case in vectors.vectors().cases if case.name == "small-one-level")
    monkeypatch.setattr(speed, "CASE", case.name)
    found = [known(tmp_path, 1)]
    here.append(EmulatedDevice())
    found.append(known(tmp_path, 1))
    assert known(tmp_path, 1) == found[-1]
    here.append(EmulatedDevice())
    found.append(known(tmp_path, 1))
    here.clear()
    found.append(known(tmp_path, 1))
    assert [each.computed for each in found] == ["native", "cuda", "cuda", "native"]
    assert [len(each.gpus) for each in found] == [0, 1, 2, 0]


def test_a_quote_gives_the_time_that_declared_capacities_speak_of() -> None:
    """Capacity is a quarter of the commit window's work, so the slowest provider's speed is known."""
    measured = Speed(
        asked="cuda", computed="cuda", machine="m", threads=1, evaluator="e", lookups=1, units_per_second=50_000
    )
    window = 3600
    capacity = measured.capacity(window)
    assert capacity == 50_000 * window // CAPACITY_SHARE
    work = Cost(multiply_adds=0, bootstraps=0, keyswitches=0, bytes_in=0, bytes_out=0, units=100_000)
    offer = Offer.__new__(Offer)
    for name in ("price_license", "price_job", "price_row"):
        object.__setattr__(offer, name, 1)
    able = [
        ProviderRecord(
            Address("a"),
            bond=Units(10**9),
            price=Units(10**6),
            capacity=each,
            heartbeat=Seconds(0),
            unbonding=Seconds(0),
            seat=number,
        )
        for number, each in enumerate((capacity, 2 * capacity), 1)
    ]
    draw = Draw(DrawRules(heartbeat_window=3600, stake_floor=1, stake_multiple=10), now=0, parties=())
    price = quote(work, offer, able, draw, rows=1, replicas=2, commit_window=window)
    assert price.slowest_seconds == pytest.approx(2.0)
    assert quote(work, offer, able, draw, rows=1, replicas=2).slowest_seconds is None


def test_the_smallest_machine_takes_a_unit() -> None:
    """A capacity is never zero."""
    slow = Speed(asked="cpu", computed="cpu", machine="m", threads=1, evaluator="e", lookups=1, units_per_second=1)
    assert slow.capacity(2) == 1
