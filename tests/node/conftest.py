"""A running node: the real command in a process of its own, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node.worked import Worked, worked_market
from tests.support.running_node import running


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which a node made its sample once; tests run nodes in it one after the other."""
    home = tmp_path_factory.mktemp("node") / "home"
    with running(home) as node:
        node.said("sample", "part-ended", code=0)
    return home


@pytest.fixture(scope="session")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Worked:
    """A market whose agents work in this process; whoever moves its clock works on a copy."""
    return worked_market(tmp_path_factory.mktemp("worked") / "home")
