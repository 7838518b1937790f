"""One table like "adult", its codebook and codes, for all tests of fits."""

from __future__ import annotations

import pytest

from tests.support.adults import adults, built
from tests.support.fits import Adults


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Adults:
    """All rows."""
    frame = adults()
    return Adults(frame, built(frame, tmp_path_factory.mktemp("adults")).codebook)
