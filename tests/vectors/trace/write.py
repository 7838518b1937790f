"""Writes the roots of a trace's states, known answers of docs/trace.md: `python -m tests.vectors.trace.write`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fhe.engine.gadget import table_polynomials
from fhe.engine.trace.lookup import LookupTrace, root
from fhe.engine.trace.names import depth, stages
from fhe.engine.vectors import WIDTH_IN, WIDTH_OUT, Case, key_of, vectors, words

VECTORS = Path(__file__).with_name("vectors.json")
SMALL = ("small-two-levels", "small-one-level", "three-levels")
LARGE = ("short-reference",)


def case_of(name: str) -> Case:
    """A case of the canonical evaluator's own vectors."""
    return next(case for case in vectors().cases if case.name == name)


def trace_of(case: Case, *, centred: bool) -> LookupTrace:
    """The case's first input through its first table."""
    size = case.profile.polynomial_size
    entries = words(case.name, "tables", (case.tables, 1 << WIDTH_IN)) >> np.uint64(63 - WIDTH_OUT)
    tables = entries.view(np.int64) - np.int64(1 << WIDTH_OUT)
    lwe = words(case.name, "inputs", (case.batch, size + 2))[0, : size + 1]
    polynomial = table_polynomials(tables[:1], WIDTH_OUT, size)[0]
    return LookupTrace(case.profile, key_of(case), lwe, polynomial, centred=centred)


def names(case: Case) -> list[str]:
    """States of every kind: the first and last of each, and one whole step."""
    steps = case.profile.lwe_dimension
    top = case.profile.bootstrap.levels - 1
    return [
        "in", "test", "switch/0", f"switch/{steps}", "small", "lost", "turns", "keyswitch/1/0", f"key/1/{top}/1/0",
        *(f"key/1/{top}/1/0/stage/{number}" for number in (0, depth(case.profile))),
        *(f"step/{number}" for number in (0, 1, steps)),
        *(f"step/1/stage/{number}" for number in range(stages(case.profile))),
        "out",
    ]  # fmt: skip


def roots(name: str, *, centred: bool) -> dict[str, str]:
    """The roots of a case's named states."""
    case = case_of(name)
    trace = trace_of(case, centred=centred)
    return {each: root(trace.state(each)) for each in names(case)}


def answers(cases: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The known answers of some cases, with both modulus switches."""
    return {
        f"{name}{' centred' if centred else ''}": roots(name, centred=centred)
        for name in cases
        for centred in (False, True)
    }


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(answers(SMALL + LARGE), indent=1) + "\n", "utf-8")
