"""One lookup on one ciphertext, keyswitch included: our native core against Concrete's own circuit.

Both evaluate the same table on the same number of values, on all cores, with the parameters that Concrete's optimizer
chose and keys from one Concrete client; every result of both is decrypted and checked. Runs alternate and the fastest
of each counts, so that a busy machine disturbs both alike. `ms` is wall time divided by lookups. Plain figures are for
one level of 2^23; `two_level_` ones for the reference profile, two levels of 2^15, where Concrete's circuit also adds
eight lookups (which costs it next to nothing).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from app.protocol.ports import Progress
from benchmarks.machine import cores
from fhe.arrays import I64, U64
from fhe.ciphertexts.packing import decode
from fhe.ciphertexts.packing_key import with_packing
from fhe.engine.gadget import table_polynomials
from fhe.engine.native.build import variants
from fhe.engine.native.core import NativeCore
from fhe.engine.native.library import widest
from fhe.engine.reference import ReferenceCore
from fhe.keys.secret_keys import chosen, client_keys
from fhe.profile import EncryptionProfile
from fhe.profiles import ONE_LEVEL, PROGRAMS, REFERENCE

LOOKUPS, REPEATS = 64, 5
WIDTH_IN = 3


def run(progress: Progress) -> dict[str, Any]:
    """All figures, in one run of about half a minute."""
    figures: dict[str, Any] = {"lookups": LOOKUPS, "threads": cores()}
    figures |= _compare(ONE_LEVEL, "", progress, 0)
    figures |= _compare(REFERENCE, "two_level_", progress, 1)
    return figures


def _compare(profile: EncryptionProfile, prefix: str, progress: Progress, part: int) -> dict[str, Any]:
    """Both on one profile: milliseconds a lookup, their ratio, and what our time is made of."""
    steps, done = 2 * (REPEATS + 3), part * (REPEATS + 3)
    circuit = _concrete_circuit(profile)
    circuit.client.keygen(force=True)
    secret, key = client_keys(circuit, profile, 1)
    key = with_packing(key, secret, profile)
    rng, table = np.random.default_rng(0), np.array(PROGRAMS[profile.name].table)
    messages = rng.integers(0, 1 << WIDTH_IN, LOOKUPS)
    theirs = circuit.encrypt(messages.reshape(-1, PROGRAMS[profile.name].terms))
    ours = _encrypt(secret.glwe, messages, rng)
    polynomials = table_polynomials(table[None], _width_out(profile), profile.polynomial_size)
    which = np.zeros(LOOKUPS, np.int64)
    core = NativeCore(profile, key, cores())
    small = core.keyswitch(ours)
    big = core.bootstrap(small, polynomials, which)
    _check(circuit, profile, theirs, table[messages], decode(_phase(big, secret.glwe), _width_out(profile)))
    core.pack(big[:1])
    progress(done + 1, steps)

    best: dict[str, float] = {}
    for repeat in range(REPEATS):
        _time(best, "concrete", lambda: circuit.run(theirs))
        _time(best, "keyswitch", lambda: core.keyswitch(ours))
        _time(best, "bootstrap", lambda: core.bootstrap(small, polynomials, which))
        _time(best, "whole", lambda: core.bootstrap(core.keyswitch(ours), polynomials, which))
        _time(best, "pack", lambda: core.pack(big))
        progress(done + 2 + repeat, steps)
    for lanes in (lanes for lanes in variants() if lanes <= widest()):
        narrow = NativeCore(profile, key, cores(), lanes)
        narrow.bootstrap(small[:2], polynomials, which[:2])  # transforms the key
        _time(best, f"lanes_{lanes}", partial(narrow.bootstrap, small, polynomials, which))
    progress(done + REPEATS + 2, steps)
    plain = ReferenceCore(profile, key)
    plain.bootstrap(small[:1], polynomials, which[:1])
    _time(best, "reference", lambda: plain.bootstrap(small[:4], polynomials, which[:4]))
    progress(done + REPEATS + 3, steps)
    per = 1000 / LOOKUPS
    figures = {
        "ms": best["whole"] * per,
        "concrete_ms": best["concrete"] * per,
        "ratio_vs_concrete": best["whole"] / best["concrete"],
        "keyswitch_ms": best["keyswitch"] * per,
        "bootstrap_ms": best["bootstrap"] * per,
        "reference_ms": best["reference"] * 1000 / 4,
        "pack_2048_ms": best["pack"] * 1000,
    }
    figures |= {f"bootstrap_ms_{name}": best[name] * per for name in best if name.startswith("lanes")}
    return {prefix + name: value for name, value in figures.items()}


def _width_out(profile: EncryptionProfile) -> int:
    """Bits at which one lookup is read: what the profile's noise allows."""
    return 5 if profile.bootstrap.levels == 1 else 12


def _check(circuit: Any, profile: EncryptionProfile, theirs: Any, expected: I64, found: I64) -> None:
    """Both must be right before either is timed."""
    if not np.array_equal(found, expected):
        raise AssertionError("our lookups are wrong")
    sums = expected.reshape(-1, PROGRAMS[profile.name].terms).sum(1)
    if not np.array_equal(np.ravel(circuit.decrypt(circuit.run(theirs))), sums):
        raise AssertionError("Concrete's lookups are wrong")


def _time(best: dict[str, float], name: str, work: Callable[[], Any]) -> None:
    """The time of `work`, if the shortest so far, goes to `best`."""
    start = time.perf_counter()
    work()
    best[name] = min(best.get(name, np.inf), time.perf_counter() - start)


def _phase(lwe: U64, bits: npt.NDArray[np.uint8]) -> U64:
    """Messages and noise of LWE ciphertexts under key `bits`."""
    phase: U64 = lwe[:, -1] - lwe[:, :-1] @ bits.astype(np.uint64)
    return phase


def _encrypt(bits: npt.NDArray[np.uint8], messages: npt.NDArray[np.int64], rng: np.random.Generator) -> U64:
    """LWE ciphertexts of messages of `WIDTH_IN` bits, without noise, which changes no operation."""
    lwe = rng.integers(0, 2**64, (len(messages), len(bits) + 1), np.uint64)
    lwe[:, -1] = lwe[:, :-1] @ bits.astype(np.uint64) + (messages.view(np.uint64) << np.uint64(63 - WIDTH_IN))
    return lwe


def _concrete_circuit(profile: EncryptionProfile) -> Any:
    """The profile's program on `LOOKUPS` values at once, with the profile's parameters, on all cores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Concrete's imports
        from concrete import fhe

    program = PROGRAMS[profile.name]
    table = fhe.LookupTable(list(program.table))

    def function(x: Any) -> Any:
        return np.sum(table[x], axis=1)

    shape = (LOOKUPS // program.terms, program.terms)
    configuration = fhe.Configuration(
        p_error=2.0**profile.p_error_log2,
        parameter_selection_strategy=fhe.ParameterSelectionStrategy.MONO,
        single_precision=False,
        compress_evaluation_keys=False,
        compress_input_ciphertexts=False,
        loop_parallelize=True,
    )
    inputs = [np.full(shape, value, np.int64) for value in (0, len(program.table) - 1)]
    circuit = fhe.Compiler(function, {"x": "encrypted"}).compile(inputs, configuration)
    found = chosen(circuit)
    if found != profile.model_dump(include=set(found)):
        raise AssertionError(f"Concrete chose other parameters: {found}")
    return circuit
