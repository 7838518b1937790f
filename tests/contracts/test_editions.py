"""Editions that were followed by another are kept for good: markets of them are on chains that nobody can change."""

from __future__ import annotations

import hashlib

import pytest

import contracts
from app.chain.contracts.abi import Interface
from app.chain.contracts.editions import CLOSED_BY_A_LATER, fees_of, said_fees
from app.protocol.errors import BadInput
from contracts import EDITION, EDITIONS, names

# SHA-256 over the code and interfaces of all contracts of an edition.
KEPT = {
    "1": "db818f8b87988e299e51868f4ddda0161f677025f4c74a8d70626b297f1737bb",
    "2": "9f5d1f27ef1eea7ef47807556b3859e99c5af2e1fd519f9a5ddf7189fed8a545",  # released with 0.2.0
}


def digest_of(edition: str) -> str:
    """What `KEPT` holds."""
    digest = hashlib.sha256()
    for name in names(edition):
        artifact = contracts.load(name, edition)
        digest.update(artifact.bytecode)
        digest.update(artifact.deployed_bytecode)
        digest.update(repr(sorted(map(str, artifact.abi))).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("edition", KEPT)
def test_what_was_released_never_changes(edition: str) -> None:
    """Each edition that was released is there, whole, as it was: another contract is another edition."""
    assert digest_of(edition) == KEPT[edition]


def test_each_edition_is_another() -> None:
    """And the present one is the last."""
    assert len({digest_of(each) for each in EDITIONS}) == len(EDITIONS)
    assert EDITIONS[-1] == EDITION
    with pytest.raises(KeyError, match="edition '99'"):
        contracts.load("JobMarket", "99")


@pytest.mark.parametrize("edition", EDITIONS)
def test_what_a_drained_market_refuses_exists(edition: str) -> None:
    """A function that was renamed would be sent."""
    for contract, function in CLOSED_BY_A_LATER:
        interface = Interface(contracts.load(contract, edition).abi)
        assert any(each.name == function for each in interface.functions.values())


@pytest.mark.parametrize("edition", EDITIONS)
def test_fees_are_read_as_they_are_written(edition: str) -> None:
    """Whatever the edition counts prices in, terms that are stated come back."""
    interface = Interface(contracts.load("ProviderRegistry", edition).abi)
    fixed = interface.takes("setTerms", 3)
    asked = (7 if fixed else 0, 3_000_000)
    (event,) = (each for each in interface.events.values() if each.name == "TermsSet")
    names = [name for name in event.plain.names if name != "capacity"]
    assert fees_of(dict(zip(names, said_fees(fixed, *asked), strict=True))) == asked
    if not fixed:
        with pytest.raises(BadInput, match="no fixed fees"):
            said_fees(fixed, 1, 1)
