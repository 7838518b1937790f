"""The self-test that a worker runs when it starts, before its first digest.

python -m fhe.engine.conformance      checks every case of the vectors on every backend that this machine has
"""

from __future__ import annotations

import sys
from typing import Any

from app.protocol.errors import DarkroomError
from fhe.engine.backends import prepare
from fhe.engine.core import BackendName
from fhe.engine.cuda.selection import available
from fhe.engine.vectors import check, check_roots, vectors

QUICK = ("small-two-levels", "small-one-level", "short-reference")


def self_test(backend: BackendName = "auto", threads: int = 1, cases: tuple[str, ...] = QUICK) -> None:
    """What a worker runs before its first job: a fraction of a second, so that no wrong digest is ever published.

    Errors: VerificationFailed; Unavailable when the backend is not there.
    """
    check_roots()
    for case in vectors().cases:
        if case.name in cases:
            check(case, lambda profile, key: prepare(profile, key, backend, threads))


def main() -> int:
    """Check everything on this machine and print a line for each case and backend."""
    failed = False
    backends: tuple[BackendName, ...] = ("reference", "native", *(("cuda",) if available() else ()))
    for backend in backends:
        for case in vectors().cases:
            line: dict[str, Any] = {"backend": backend, "case": case.name}
            try:
                self_test(backend, 1, (case.name,))
            except DarkroomError as error:
                failed, line["error"] = True, str(error)
            print(line)  # noqa: T201 - this is a command
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
