"""The native core's tables live as long as whoever holds a pointer to them."""

from __future__ import annotations

import gc
import weakref

from fhe.engine.native.core import NativeCore
from fhe.engine.native.library import tables
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.profiles import insecure_test_profile


def test_a_plan_keeps_its_tables_when_the_cache_lets_them_go() -> None:
    """Two threads that both find the cache empty make tables twice, and the cache forgets one pair at once."""
    profile = insecure_test_profile(128)
    core = NativeCore(profile, insecure_test_keys(profile)[1], 2)
    tables.cache_clear()
    plan = core._plan(profile.bootstrap)
    front = weakref.ref(tables(profile.polynomial_size, core.lanes)[0])
    tables.cache_clear()
    gc.collect()
    held = front()
    assert held is not None
    assert plan.front == held.ctypes.data
