"""NVIDIA's own compiler accepts the kernels, for each architecture, and fuses nothing."""

from __future__ import annotations

import re

import pytest

from fhe.engine.cuda.source import FAST_THREADS, OPTIONS, cuda_source, fast_shared_bytes
from fhe.profile import EncryptionProfile
from fhe.profiles import ONE_LEVEL, REFERENCE, insecure_test_profile
from tests.fhe.engine.cuda.nvrtc import compile_for, compiled

ARCHITECTURES = ("sm_80", "sm_89", "sm_90")
# registers and shared memory of a multiprocessor, with what the system keeps of each block
REGISTERS, SHARED_SM90, KEPT_A_BLOCK = 65536, 228 << 10, 1 << 10


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("profile", [REFERENCE, ONE_LEVEL, insecure_test_profile()], ids=lambda p: p.name)
def test_every_kernel_compiles_to_machine_code(profile: EncryptionProfile, architecture: str) -> None:
    """For A100, L4 and H100 or H200: an ELF of GPU code, no operation fused or approximated, no register spilled."""
    log, ptx, code = compile_for(profile, architecture)
    assert code.startswith(b"\x7fELF")
    used = {line.split()[0] for line in ptx.splitlines() if re.match(r"\s+[a-z]+\.", line)}
    floating = {name.rstrip(";") for name in used if re.search(r"\.f(16|32|64)", name)}
    arithmetic = {name for name in floating if name.split(".")[0] not in {"ld", "st", "mov", "cvt", "selp", "setp"}}
    assert arithmetic == {"add.rn.f64", "sub.rn.f64", "mul.rn.f64"}
    assert "cvt.rn.f64.s64" in ptx  # words of keys, halves to even
    assert "bytes stack frame" in log
    assert not re.findall(r"\b[1-9]\d* bytes spill", log)


@pytest.mark.parametrize(("profile", "resident"), [(ONE_LEVEL, 3), (REFERENCE, 2)], ids=["one level", "two levels"])
def test_the_planned_blocks_fit_a_multiprocessor(profile: EncryptionProfile, resident: int) -> None:
    """What docs/gpu.md counts on: three accumulators at once with one level, two with two levels, on sm_90."""
    log, _, _ = compile_for(profile, "sm_90")
    found = re.search(r"function 'bootstrap_2048'.*?Used (\d+) registers", log, re.DOTALL)
    assert found is not None
    assert resident * FAST_THREADS * int(found[1]) <= REGISTERS
    assert resident * (fast_shared_bytes(profile.bootstrap.levels) + KEPT_A_BLOCK) <= SHARED_SM90


def test_a_mistake_does_not_compile() -> None:
    """One wrong name in a kernel fails the check and shows in the log."""
    wrong = cuda_source(REFERENCE).replace("undo_last_levels(x, twiddles, t);", "undo_levels(x, tw, t);")
    with pytest.raises(AssertionError, match=r"bootstrap\.cu.*undo_levels"):
        compiled(wrong, (*OPTIONS, "--gpu-architecture=sm_90"))
