"""Linear layers and masks by the GPU's kernels give the host's words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from Crypto.Cipher import AES

from fhe.circuit.circuit import Circuit
from fhe.engine.cuda import columns, selection
from fhe.engine.cuda.columns import Columns, mixing, round_keys, substitution
from fhe.engine.evaluate import evaluate
from fhe.keys.insecure_keys import insecure_test_keys
from fhe.mask import mask
from fhe.profiles import insecure_test_profile
from tests.fhe.engine.cuda.emulated import ROUND, EmulatedDevice
from tests.support.encrypted_tables import TableWithKeys, make_table, sparse, tree_like


@pytest.fixture(scope="module")
def world() -> TableWithKeys:
    """A table of three shards under a small profile."""
    profile = insecure_test_profile(64, 12)
    return make_table(profile, *insecure_test_keys(profile), (200, 64, 33))


def test_the_tables_of_aes_are_those_of_the_standard() -> None:
    """The S-box has no fixed point and every value; the key schedule encrypts as AES does with plain table look-ups."""
    assert sorted(substitution()) == list(range(256))
    assert not any(value == at for at, value in enumerate(substitution()))
    assert (substitution()[0], substitution()[0x53], int(mixing()[0])) == (0x63, 0xED, 0xA56363C6)
    # FIPS 197, appendix A.1: the last words of its example
    example = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    assert round_keys(example)[40:].astype("<u4").tobytes().hex() == "d014f9a8c9ee2589e13f0cc8b6630ca6"


@pytest.mark.parametrize(("first", "polys"), [(0, 1), (3, 5), (1 << 27, 2)])
def test_masks_equal_the_host_s(first: int, polys: int) -> None:
    """The key stream from any polynomial on, also where the counter has more than 32 bits."""
    profile, seed = insecure_test_profile(64, 12), bytes(range(16))
    found = Columns(profile, EmulatedDevice(ROUND)).masks(seed, first, polys)
    assert np.array_equal(found, mask(seed, first, polys, 64))
    assert AES.new(seed, AES.MODE_ECB).encrypt((first * 32).to_bytes(16, "little")) == found[0, :2].tobytes()


@pytest.mark.parametrize("inputs", [64, 2])
def test_a_linear_job_on_a_gpu_has_the_bytes_of_the_host(
    world: TableWithKeys, monkeypatch: pytest.MonkeyPatch, inputs: int
) -> None:
    """Several outputs, one of which reads nothing, over rows of several shards; columns in one part or several."""
    monkeypatch.setattr(columns, "INPUTS", inputs)
    monkeypatch.setattr(selection, "trusted", lambda: (EmulatedDevice(),))
    plain, rng = tree_like(world), np.random.default_rng(3)
    matrix = rng.integers(-(2**20), 2**20, (4, 5))
    matrix[2] = 0
    layer = sparse(20, matrix, rng.integers(-9, 9, 4))
    circuit: Circuit = replace(plain, inputs=plain.inputs[:5], layers=(layer,), outputs=tuple("abcd"))
    words = [
        evaluate(circuit, world.profile, world.table, world.source, 30, 250, None, backend=backend).to_bytes()
        for backend in ("cpu", "cuda")
    ]
    assert words[0] == words[1]
