"""A part of a benchmark in a process for which this processor has AVX2 and nothing wider, as many machines have.

`avx2.c` answers the process's questions about the processor, for Concrete's libraries and for ours alike. It is
compiled when it is needed, and needs Linux on a 64-bit x86 processor that lets such questions fault (`cpuid_fault`).
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fhe.engine.native import build

SOURCE = Path(__file__).with_name("avx2.c")
SECONDS = 1_800


def needed() -> bool:
    """Whether this machine is wider, and can act as one that is not."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    flags = Path("/proc/cpuinfo").read_text("utf-8").partition("flags")[2].partition("\n")[0].split()
    return {"avx2", "avx512f", "cpuid_fault"} <= set(flags)


def environment(folder: Path) -> dict[str, str]:
    """The variables of a process that is to be there; what it needs is built in the folder.

    Errors: CalledProcessError, IndexError where there is no compiler.
    """
    library = folder / "avx2.so"
    words = [*build.compilers()[0], "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    subprocess.run(words, check=True, timeout=60)
    return {**os.environ, "LD_PRELOAD": str(library)}


def measured(name: str, part: str) -> dict[str, Any]:
    """The figures of a benchmark's part there. Errors: CalledProcessError, IndexError where there is no compiler."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "benchmarks", name, "--part", part, "--json"]
        there = environment(Path(folder))
        done = subprocess.run(words, env=there, stdout=subprocess.PIPE, check=True, timeout=SECONDS)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {key: value for key, value in figures.items() if key != "machine"}
