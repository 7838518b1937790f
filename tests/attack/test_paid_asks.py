"""What is tried on payments of single asks (x402): nothing is taken, nobody pays twice, the honest payer goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.paid_ask_attacks import ATTACKS, PaidAskAttack, honest, taken_by
from tests.support.paid_asks import PaidAskWorld, paid_asks


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaidAskWorld]:
    """One world for all attacks."""
    with paid_asks(tmp_path_factory.mktemp("paid")) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.name)
def test_nothing_is_taken(world: PaidAskWorld, attack: PaidAskAttack) -> None:
    """An attack costs the payer at most the one job that it paid for, and brings nobody anything."""
    assert taken_by(attack, world) == 0


def test_the_honest_payer_goes_on(world: PaidAskWorld) -> None:
    """After all of them the payer's own ask goes through, for its price."""
    assert honest(world)
