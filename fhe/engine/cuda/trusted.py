"""Which GPU this process may compute on: one that is there and has given the known answers, and the core that uses it.

A GPU that fails is not asked again for that key. "auto" then goes on with the CPU, in the middle of a job if need be;
"cuda" raises, so that its caller declines the job. The known answers come before the first job, and every error of
the driver is an exception, so that what computes a digest is what passed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from app.protocol.errors import DarkroomError, Unavailable, VerificationFailed
from fhe.engine.core import Core
from fhe.engine.cuda.core import CudaCore
from fhe.engine.cuda.device import CupyDevice, Device
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

CASES: tuple[str, ...] = ("small-two-levels", "small-one-level", "short-reference", "reference-1", "reference-2")

open_device: Callable[[], Device] = CupyDevice  # the first GPU that CUDA_VISIBLE_DEVICES shows; tests put another here


@cache
def _examined() -> tuple[Device | None, DarkroomError | None]:
    """This process's GPU, or why it has none: looked for and tested once."""
    from fhe.engine.conformance import check, check_roots, vectors

    try:
        device = open_device()
        check_roots()
        for case in vectors().cases:
            if case.name in CASES:
                check(case, partial(CudaCore, device=device))
    except (Unavailable, VerificationFailed) as error:
        return None, error
    return device, None


def trusted() -> Device:
    """The GPU of this process, after its self-test. Errors: Unavailable, VerificationFailed."""
    device, error = _examined()
    if device is None:
        assert error is not None
        raise type(error)(error.message, error.next_step)
    return device


def available() -> bool:
    """Whether there is a GPU here that computes correctly. A GPU that does not gets a warning, no GPU does not."""
    device, error = _examined()
    if isinstance(error, VerificationFailed):
        warnings.warn(f"{error} The CPU computes instead.", RuntimeWarning, stacklevel=2)
    return device is not None


def prepare(profile: EncryptionProfile, key: EvaluationKey, cpu: Callable[[], Core] | None) -> Core:
    """A core on this process's GPU; `cpu` makes the one that takes over when the GPU fails, None for none.

    Errors: BadKey; Unavailable, VerificationFailed where there is no `cpu`.
    """
    try:
        core = CudaCore(profile, key, trusted())
    except (Unavailable, VerificationFailed) as error:
        if cpu is None:
            raise
        _warn(error)
        return cpu()
    return core if cpu is None else RescuedCore(core, cpu())


class RescuedCore:
    """A GPU's core that a CPU's core replaces, for good, when the GPU fails. Implements `fhe.engine.core.Core`.

    A batch is computed by one of them as a whole, and both give the same bytes, so a job may change over anywhere.
    """

    def __init__(self, gpu: Core, cpu: Core) -> None:
        self._now, self._cpu = gpu, cpu

    @property
    def name(self) -> str:
        """Of the one that computes."""
        return self._now.name

    @property
    def batch(self) -> int:
        """Of the one that computes."""
        return self._now.batch

    def keyswitch(self, lwe: U64) -> U64:
        """As `Core.keyswitch`."""
        return self._rescued(lambda core: core.keyswitch(lwe))

    def bootstrap(self, small: U64, polynomials: U64, which: I64) -> U64:
        """As `Core.bootstrap`."""
        return self._rescued(lambda core: core.bootstrap(small, polynomials, which))

    def pack(self, lwe: U64) -> U64:
        """As `Core.pack`."""
        return self._rescued(lambda core: core.pack(lwe))

    def _rescued(self, work: Callable[[Core], U64]) -> U64:
        try:
            return work(self._now)
        except Unavailable as error:
            if self._now is self._cpu:
                raise
            _warn(error)
            self._now = self._cpu
        return work(self._now)


def _warn(error: DarkroomError) -> None:
    warnings.warn(f"{error} The CPU computes instead.", RuntimeWarning, stacklevel=4)
