"""The small world of the engine's tests, made once."""

from __future__ import annotations

import pytest

from fhe.ciphertexts.packing_key import with_packing
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import insecure_test_profile
from tests.engine.worlds import World, make_world


@pytest.fixture(scope="session")
def world() -> World:
    """Three shards under a small profile of two levels, with a packing key."""
    profile = insecure_test_profile()
    secret, key = insecure_test_keys(profile)
    return make_world(profile, secret, with_packing(key, secret, profile, 1), (300, 40, 260))
