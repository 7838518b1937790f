"""One table like "adult", its codebook and codes, for all tests of fits."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pytest

from app.protocol.data.dataset import Codebook
from tests.support.adults import adults, built


@dataclass(frozen=True)
class Adults:
    """The rows and their codebook."""

    frame: pl.DataFrame
    codebook: Codebook


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Adults:
    """All rows."""
    frame = adults()
    return Adults(frame, built(frame, tmp_path_factory.mktemp("adults")).codebook)
