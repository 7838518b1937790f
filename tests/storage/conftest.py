"""A block store in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.storage.folder import BlockStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store keeps its blocks."""
    return tmp_path / "blocks"


@pytest.fixture
def store(folder: Path) -> BlockStore:
    """An empty embedded store."""
    return BlockStore(folder)
