"""Writes the conformance vectors from the NumPy reference: `python tests/vectors/canonical/write.py`.

To be run only together with a new name (`app.protocol.vocabulary.EvaluatorName`): a changed byte is another one. It
writes fhe/engine/vectors.json (digests of every case) and, beside itself, the raw little-endian words of the small
cases, which someone who writes a second implementation can compare stage by stage.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from app.protocol.documents import sha256
from fhe.engine.backends import prepare
from fhe.engine.reference import ReferenceCore
from fhe.engine.roots import roots
from fhe.engine.vectors import VECTORS, Case, Vectors, key_of, results, vectors, words
from fhe.profile import EncryptionProfile, Gadget
from fhe.profiles import ONE_LEVEL, REFERENCE, insecure_test_profile

HERE = Path(__file__).parent


def _small(size: int, levels: int) -> EncryptionProfile:
    return insecure_test_profile(size, 8, levels)


def _short() -> EncryptionProfile:
    name = {"name": "insecure-short-reference", "lwe_dimension": 16, "security_bits": 0}
    return REFERENCE.model_copy(update=name)


def _three() -> EncryptionProfile:
    changes = {"name": "insecure-three-levels", "bootstrap": Gadget(base_log=9, levels=3)}
    return insecure_test_profile(512, 6).model_copy(update=changes)


CASES = (
    Case(name="small-two-levels", profile=_small(64, 2), batch=5, tables=2, packing=True, digests={}),
    Case(name="small-one-level", profile=_small(128, 1), batch=5, tables=2, packing=True, digests={}),
    Case(name="three-levels", profile=_three(), batch=3, tables=3, packing=True, digests={}),
    Case(name="short-reference", profile=_short(), batch=3, tables=2, packing=False, digests={}),
    Case(name="reference-2", profile=REFERENCE, batch=2, tables=2, packing=True, digests={}),
    Case(name="reference-1", profile=ONE_LEVEL, batch=2, tables=1, packing=False, digests={}),
)


SECOND = ("sum", "sum-mask", "centred", "digits", "bins", "shared", "selection")


def main() -> None:
    """Compute and write; with `second` as its argument only what the second evaluator has more than the first."""
    if sys.argv[1:] == ["second"]:
        add_second()
        return
    cases = []
    for case in CASES:
        key, digests = key_of(case), {}
        for stage, data in results(case, ReferenceCore(case.profile, key), key):
            digests[stage] = sha256(data)
            if case.name.startswith("small"):
                (HERE / f"{case.name}.{stage}.bin").write_bytes(data)
        if case.name.startswith("small"):
            inputs = words(case.name, "inputs", (case.batch, case.profile.polynomial_size + 2))
            (HERE / f"{case.name}.inputs.bin").write_bytes(inputs.astype("<u8").tobytes())
        cases.append(case.model_copy(update={"digests": digests}))
        print(case.name, digests)
    table = b"".join(part.astype("<f8").tobytes() for part in roots(4096))
    VECTORS.write_bytes(Vectors(roots_4096=sha256(table), cases=tuple(cases)).to_bytes() + b"\n")


def add_second() -> None:
    """The stages that came with the second evaluator, beside those of the first."""
    present = vectors()
    cases = []
    for case in present.cases:
        key, digests = key_of(case), dict(case.digests)
        for stage, data in results(case, prepare(case.profile, key, "native"), key):
            if stage in SECOND:
                assert digests.get(stage, sha256(data)) == sha256(data), (case.name, stage)
                digests[stage] = sha256(data)
                if case.name.startswith("small"):
                    (HERE / f"{case.name}.{stage}.bin").write_bytes(data)
            else:
                assert digests[stage] == sha256(data), (case.name, stage)
        cases.append(case.model_copy(update={"digests": digests}))
    VECTORS.write_bytes(present.model_copy(update={"cases": tuple(cases)}).to_bytes() + b"\n")


if __name__ == "__main__":
    assert np.little_endian
    main()
