"""A processor that is said to be narrower than it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks import as_avx2
from fhe.engine.native.library import widest

ASK = "from fhe.engine.native.library import widest; print(widest())"


def test_a_process_finds_avx2_and_nothing_wider(tmp_path: Path) -> None:
    """Ours takes four doubles at once there; a fault of the program's own still ends it."""
    if not as_avx2.needed():  # it is so by itself, or cannot hide what it is
        assert widest() < 8 or "cpuid_fault" not in Path("/proc/cpuinfo").read_text("utf-8")
        return
    there = as_avx2.environment(tmp_path)
    asked = subprocess.run([sys.executable, "-c", ASK], env=there, capture_output=True, check=True)
    assert (int(asked.stdout), widest()) == (4, 8)
    own = [sys.executable, "-c", "import ctypes; ctypes.string_at(0)"]
    assert subprocess.run(own, env=there, capture_output=True, timeout=60, check=False).returncode == 128 + 11
