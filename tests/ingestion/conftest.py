"""Tables on disk, a tiny profile with its keys, and the embedded store in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.storage.folder import BlockStore
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.keys.secret_keys import SecretKeys
from fhe.profile import EncryptionProfile
from fhe.profiles import insecure_test_profile

Write = Callable[[str, str | bytes], Path]

RECIPE = """
title = "Measurements"
description = "Rows for tests."
license = "https://example.org/terms"
creator = "A laboratory"

[columns.size]
low = 0.0
high = 51.0
bins = 8

[columns.count]
low = 0
high = 9

[columns.load]
bins = [-1.0, 0.0, 2.5]
encodings = ["bins"]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of this name and content."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


@pytest.fixture
def frame() -> pl.DataFrame:
    """1,000 rows of three columns that fit RECIPE."""
    rng = np.random.default_rng(11)
    return pl.DataFrame(
        {
            "size": rng.uniform(0, 51, 1000),
            "count": rng.integers(0, 10, 1000),
            "load": rng.normal(0, 2, 1000),
        }
    )


@pytest.fixture
def table_file(frame: pl.DataFrame, tmp_path: Path) -> Path:
    """The same as CSV."""
    path = tmp_path / "measurements.csv"
    frame.write_csv(path)
    return path


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    """An empty embedded store."""
    return BlockStore(tmp_path / "blocks")


@pytest.fixture(scope="session")
def profile() -> EncryptionProfile:
    """A profile of no security, with polynomials of 256 rows."""
    return insecure_test_profile()


@pytest.fixture(scope="session")
def secret(profile: EncryptionProfile) -> SecretKeys:
    """Its secret keys, of epoch 1."""
    return insecure_test_keys(profile)[0]
