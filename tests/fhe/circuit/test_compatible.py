"""A circuit belongs to one dataset's codes and profile: one rule, one error, on every way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.protocol.errors import BadModel, DarkroomError, MessageOverflow
from fhe.circuit.circuit import Linear
from fhe.circuit.compatible import check_compatible, check_widths
from fhe.compile.check import check
from fhe.engine.linear import evaluate_bodies, mask_batches
from tests.fhe.linear_case import CIRCUIT, DATA, PROFILE

ROOT = Path(__file__).parents[3]
TABLE = DATA.table
RULE = re.compile(r"(!=|==)[^\n]*\bcodebook\.digest|\bcodebook\.digest[^\n]*(!=|==)|\.codebook (!=|==) ")


@pytest.mark.parametrize("field", ["codebook", "profile"])
@pytest.mark.parametrize(
    "way",
    [
        lambda circuit: check_compatible(circuit, TABLE.profile, TABLE.codebook.digest),
        lambda circuit: check(circuit, TABLE.codebook, PROFILE),
        lambda circuit: evaluate_bodies(circuit, PROFILE, TABLE, DATA, 0, 1),
        lambda circuit: mask_batches(circuit, PROFILE, TABLE, 0, 1),
    ],
    ids=["ordering", "compiling", "evaluating", "opening"],
)
def test_a_circuit_of_another_dataset_has_one_error(way: Callable[..., object], field: str) -> None:
    """Whoever meets it says BadModel, and the same sentence."""
    way(CIRCUIT)
    what = {"codebook": "codes", "profile": "encryption profile"}[field]
    other: dict[str, Any] = {field: "0" * 64}
    with pytest.raises(BadModel, match=f"compiled for another dataset's {what}"):
        way(replace(CIRCUIT, **other))


@pytest.mark.parametrize("refuse", [check_widths, lambda circuit, profile: check(circuit, TABLE.codebook, profile)])
def test_a_circuit_wider_than_the_profile_has_one_error(refuse: Callable[..., object]) -> None:
    """Compiling and evaluating say alike which layer reads more bits than a word has."""
    layer = CIRCUIT.layers[0]
    assert isinstance(layer, Linear)
    wide = replace(CIRCUIT, layers=(replace(layer, width=PROFILE.message_width + 1),))
    errors: list[DarkroomError] = []
    with pytest.raises(MessageOverflow, match="Layer 0 reads") as caught:
        refuse(wide, PROFILE)
    errors.append(caught.value)
    with pytest.raises(MessageOverflow) as caught:
        evaluate_bodies(wide, PROFILE, TABLE, DATA, 0, 1)
    assert str(caught.value) == str(errors[0])


def test_nobody_else_compares_codes() -> None:
    """The rule is written in `fhe.circuit.compatible`, and once more over public facts in the release rules."""
    files = [each for folder in ("app", "fhe", "ingestion") for each in sorted((ROOT / folder).rglob("*.py"))]
    found = {each.relative_to(ROOT).as_posix() for each in files if RULE.search(each.read_text("utf-8"))}
    assert found <= {"app/protocol/policy/rules.py"}
