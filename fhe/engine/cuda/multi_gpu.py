"""Several GPUs behind one core: each batch is cut into one part a GPU, and a thread a GPU computes its part.

Ciphertexts of a batch do not meet, so where it is cut changes no byte. A GPU that fails is left out from then on and
its part is done by the others; the last one's failure is the caller's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from app.protocol.errors import Unavailable
from fhe.arrays import I64, U64
from fhe.engine.core import Core

Part = Callable[[Core, slice], U64]


class SharedCore:
    """Cores of several GPUs for one evaluation key. Implements `fhe.engine.core.Core`. Errors: Unavailable."""

    name = "cuda"

    def __init__(self, cores: Sequence[Core]) -> None:
        self._cores = list(cores)

    @property
    def batch(self) -> int:
        """What all of them like together."""
        return sum(core.batch for core in self._cores)

    def keyswitch(self, lwe: U64) -> U64:
        """As `Core.keyswitch`."""
        return self._shared(len(lwe), lambda core, part: core.keyswitch(lwe[part]))

    def bootstrap(self, small: U64, polynomials: U64, which: I64, *, centred: bool = False, bodies: int = 1) -> U64:
        """As `Core.bootstrap`."""
        return self._shared(
            len(small),
            lambda core, part: core.bootstrap(small[part], polynomials, which[part], centred=centred, bodies=bodies),
        )

    def pack(self, lwe: U64) -> U64:
        """As `Core.pack`; one GPU's work, since its sums have an order."""
        while True:
            try:
                return self._cores[0].pack(lwe)
            except Unavailable as error:
                self._leave_out([self._cores[0]], error)

    def pack_tables(self, lwe: U64) -> U64:
        """As `Core.pack_tables`."""
        return self._shared(len(lwe), lambda core, part: core.pack_tables(lwe[part]))

    def _shared(self, count: int, work: Part) -> U64:
        """What `work` makes of [0, count), part by part, until every part is done."""
        done: dict[int, U64] = {}
        missing = [slice(0, count)]
        while missing:
            parts = [piece for part in missing for piece in _cut(part, len(self._cores))]
            missing, failed, why = [], list[Core](), None
            with ThreadPoolExecutor(len(self._cores)) as pool:
                started: list[tuple[Core, slice, Future[U64]]] = []
                for number, part in enumerate(parts):
                    core = self._cores[number % len(self._cores)]
                    started.append((core, part, pool.submit(work, core, part)))
            for core, part, future in started:
                try:
                    done[part.start] = future.result()
                except Unavailable as error:
                    missing.append(part)
                    failed.append(core)
                    why = error
            if why is not None:
                self._leave_out(failed, why)
        return np.concatenate([done[start] for start in sorted(done)])

    def _leave_out(self, failed: list[Core], error: Unavailable) -> None:
        """Go on without these; the error where nobody is left."""
        left = [core for core in self._cores if core not in failed]
        if not left:
            raise error
        warnings.warn(f"{error} The other GPUs compute instead.", RuntimeWarning, stacklevel=4)
        self._cores = left


def _cut(part: slice, most: int) -> list[slice]:
    """A range in at most so many parts of nearly the same length, none empty unless the range is."""
    count = part.stop - part.start
    bounds = np.linspace(part.start, part.stop, max(1, min(most, count)) + 1).astype(int).tolist()
    return [slice(low, high) for low, high in pairwise(bounds)]
