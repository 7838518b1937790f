"""What the compiler made of the bootstrap on sm_90, read back by NVIDIA's disassembler."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.gpu import operations
from fhe.engine.cuda.source import FAST_THREADS
from fhe.profile import EncryptionProfile
from fhe.profiles import ONE_LEVEL, REFERENCE
from tests.fhe.engine.cuda.nvrtc import compile_for


@pytest.mark.parametrize("profile", [ONE_LEVEL, REFERENCE], ids=["one level", "two levels"])
def test_the_machine_code_fuses_nothing_and_has_the_operations_that_were_counted(
    profile: EncryptionProfile, tmp_path: Path
) -> None:
    """Disassembled: no fused operation, no spill, no branch where words are made, and the operations of docs/gpu.md."""
    code = tmp_path / "kernels.cubin"
    code.write_bytes(compile_for(profile, "sm_90")[2])
    command = [str(disassembler()), "-sass", "-fun", "bootstrap_2048", str(code)]
    text = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=True).stdout
    counts = Counter(re.findall(r"^\s+/\*[0-9a-f]+\*/\s+(?:@\S+\s+)?([A-Z0-9]+)", text, re.MULTILINE))
    steps = text.partition("BAR.SYNC")[2].rpartition("BAR.SYNC")[0]
    branches = 1 + (profile.bootstrap.levels > 1)  # an empty step, the loop over levels; none where words are made
    assert len(re.findall(r"\bBRA\b", steps)) == branches
    key_loads = [part.count("LDG.E.128.CONSTANT") for part in text.split("BAR.SYNC")]  # twiddles are not read-only
    assert sum(key_loads) == 32 * profile.bootstrap.levels
    *early, product = [count for count in key_loads if count]
    assert sum(early) > product / 4  # some are under way before the barrier that the product waits for
    assert not {"DFMA", "FFMA", "STL", "LDL", "LD", "ST"} & counts.keys()
    again = (profile.bootstrap.levels - 1) * (2 * 5 * 256 * 34 + 2 * profile.polynomial_size)  # rows of later levels
    found = FAST_THREADS * (counts["DADD"] + counts["DMUL"])
    assert found == operations(profile) // profile.lwe_dimension - again  # one loop over levels has them all


def disassembler() -> Path:
    """cuobjdump, which Triton's wheel carries; torch brings Triton."""
    spec = importlib.util.find_spec("triton")
    assert spec is not None, "install triton"
    (folder,) = spec.submodule_search_locations or [""]
    (found,) = Path(folder).glob("third_party/cuda/bin/cuobjdump")
    return found
