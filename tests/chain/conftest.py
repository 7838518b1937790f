"""Chains to test on: an embedded one in a file, and anvil in a process of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.node import DevNode
from app.chain.rpc.node import AnvilNode
from tests.support.anvil import anvils, start_anvil
from tests.support.market import MarketOnChain, open_market, set_stage, staged

__all__ = ["start_anvil"]


@pytest.fixture(scope="session")
def embedded_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an embedded chain and its deployment, everything up to a bought license."""
    folder = tmp_path_factory.mktemp("stage")
    chain = EmbeddedChain(folder / "chain.sqlite")
    set_stage(open_market(chain, folder / "deployment.json"))
    chain.close()
    return folder


@pytest.fixture(scope="session")
def anvil_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AnvilNode, Path]]:
    """The same on an anvil that tests share, each undoing what it did."""
    path = tmp_path_factory.mktemp("stage") / "deployment.json"
    with anvils() as start:
        node = start()
        set_stage(open_market(node, path))
        yield node, path


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[EmbeddedChain]:
    """A new embedded chain."""
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    yield chain
    chain.close()


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def node(request: pytest.FixtureRequest) -> DevNode:
    """Both kinds of chain, one after the other."""
    if request.param == "anvil":
        chain = request.getfixturevalue("start_anvil")()
    else:
        chain = request.getfixturevalue("embedded")
    assert isinstance(chain, DevNode)
    return chain


@pytest.fixture
def market(node: DevNode, tmp_path: Path) -> Market:
    """The contracts, on both kinds of chain."""
    return open_market(node, tmp_path / "deployment.json")


@pytest.fixture
def staged_chain(embedded_template: Path, tmp_path: Path) -> Iterator[EmbeddedChain]:
    """A copy of the embedded chain on which everything up to a bought license is done."""
    shutil.copytree(embedded_template, tmp_path, dirs_exist_ok=True)
    chain = EmbeddedChain(tmp_path / "chain.sqlite")
    yield chain
    chain.close()


@pytest.fixture
def embedded_stage(staged_chain: EmbeddedChain, tmp_path: Path) -> MarketOnChain:
    """The market on it."""
    return staged(Market.open(staged_chain, tmp_path / "deployment.json"))


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil)])
def stage(request: pytest.FixtureRequest) -> Iterator[MarketOnChain]:
    """The same, on both kinds of chain."""
    if request.param == "embedded":
        yield request.getfixturevalue("embedded_stage")
        return
    node, path = request.getfixturevalue("anvil_template")
    snapshot = node.request("evm_snapshot")
    yield staged(Market.open(node, path))
    assert node.request("evm_revert", snapshot) is True
