"""The committed vectors, and the self-test that keeps a faulty machine from publishing digests."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.protocol.documents import sha256
from app.protocol.errors import VerificationFailed
from fhe.engine import conformance, vectors
from fhe.engine.core import BackendName
from fhe.engine.native.build import variants
from fhe.engine.native.core import NativeCore
from fhe.engine.native.library import widest
from fhe.engine.roots import roots

RAW = Path(__file__).parents[2] / "vectors" / "canonical"
CASES = {case.name: case for case in vectors.vectors().cases}


@pytest.mark.parametrize("backend", ["reference", "native"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_every_backend_gives_the_committed_digests(name: str, backend: BackendName) -> None:
    """Small and real parameters, one to three levels, every stage."""
    conformance.self_test(backend, 2, (name,))


def test_every_vector_width_gives_the_committed_digests_at_real_size() -> None:
    """SSE2, AVX2 and AVX-512 (or NEON) on polynomials of 2048 coefficients."""
    for lanes in (lanes for lanes in variants() if lanes <= widest()):
        make = partial(NativeCore, threads=1, lanes=lanes)
        vectors.check(CASES["short-reference"], make)


def test_raw_results_have_the_digests_that_the_vectors_name() -> None:
    """Each committed stage of the small cases is the one whose digest is committed."""
    found = 0
    for name, case in CASES.items():
        for stage, digest in case.digests.items():
            path = RAW / f"{name}.{stage}.bin"
            if name.startswith("small"):
                assert sha256(path.read_bytes()) == digest
                found += 1
    assert found == 24


def test_a_machine_with_other_bytes_fails_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """One wrong bit in one bootstrap, and the worker stops with an error that names the stage."""
    plain = NativeCore.bootstrap

    def faulty(self: NativeCore, *arguments: Any, **options: Any) -> npt.NDArray[Any]:
        out = plain(self, *arguments, **options)
        out[-1, 3] ^= np.uint64(1)
        return out

    monkeypatch.setattr(NativeCore, "bootstrap", faulty)
    with pytest.raises(VerificationFailed, match="small-two-levels, bootstrap"):
        conformance.self_test("native")


def test_another_table_of_roots_fails_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roots that differ in a last bit are noticed before anything is computed."""
    cosine, sine = roots(4096)
    wrong = cosine.copy()
    wrong[7] = np.nextafter(wrong[7], 2.0)
    monkeypatch.setattr(vectors, "roots", lambda order: (wrong, sine))
    with pytest.raises(VerificationFailed, match="roots"):
        conformance.self_test("reference")


def test_the_command_checks_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m fhe.engine.conformance` prints a line for each case and backend and exits with 0."""
    assert conformance.main() == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 * len(CASES)
