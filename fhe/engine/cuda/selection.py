"""Which GPUs this process may compute on: those that are there and have given the known answers; the core on them.

Several GPUs share each batch (`several`). One that fails is not asked again for that key; when all have, "auto" goes on
with the CPU, in the middle of a job if need be; "cuda" raises, so that its caller declines the job. The known answers
come before the first job, and every error of the driver is an exception, so that what computes a digest is what passed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial

from app.protocol.errors import DarkroomError, Unavailable, VerificationFailed
from fhe.arrays import I64, U64
from fhe.engine.core import Core
from fhe.engine.cuda.core import CudaCore
from fhe.engine.cuda.device import Device, cupy_devices
from fhe.engine.cuda.multi_gpu import SharedCore
from fhe.engine.vectors import check, check_roots, vectors
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile

CASES: tuple[str, ...] = ("small-two-levels", "small-one-level", "short-reference", "reference-1", "reference-2")

open_devices: Callable[[], list[Device]] = cupy_devices  # tests put others here


@cache
def _examined() -> tuple[tuple[Device, ...], DarkroomError | None]:
    """This process's GPUs that passed, looked for and tested once; where there is none, why."""
    passed, failure = list[Device](), None
    try:
        devices = open_devices()
        check_roots()
    except (Unavailable, VerificationFailed) as error:
        return (), error
    for device in devices:
        try:
            for case in vectors().cases:
                if case.name in CASES:
                    check(case, partial(CudaCore, device=device))
            passed.append(device)
        except (Unavailable, VerificationFailed) as error:
            failure = failure or error
    if failure is not None and passed:
        _warn(failure, "The other GPUs compute")
        failure = None
    return tuple(passed), failure


def trusted() -> tuple[Device, ...]:
    """The GPUs of this process that passed their self-test, at least one. Errors: Unavailable, VerificationFailed."""
    devices, error = _examined()
    if not devices:
        assert error is not None
        raise type(error)(error.message, error.next_step)
    return devices


def available() -> bool:
    """Whether there is a GPU here that computes correctly. One that does not gets a warning, having none does not."""
    devices, error = _examined()
    if isinstance(error, VerificationFailed):
        _warn(error)
    return bool(devices)


def prepare(profile: EncryptionProfile, key: EvaluationKey, cpu: Callable[[], Core] | None) -> Core:
    """A core on this process's GPUs; `cpu` makes the one that takes over when they fail, None for none.

    Errors: BadKey; Unavailable, VerificationFailed where there is no `cpu`.
    """
    try:
        cores = [CudaCore(profile, key, device) for device in trusted()]
    except (Unavailable, VerificationFailed) as error:
        if cpu is None:
            raise
        _warn(error)
        return cpu()
    core: Core = SharedCore(cores) if len(cores) > 1 else cores[0]
    return core if cpu is None else FallbackCore(core, cpu())


class FallbackCore:
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

    def bootstrap(self, small: U64, polynomials: U64, which: I64, *, centred: bool = False, bodies: int = 1) -> U64:
        """As `Core.bootstrap`."""
        return self._rescued(lambda core: core.bootstrap(small, polynomials, which, centred=centred, bodies=bodies))

    def pack(self, lwe: U64) -> U64:
        """As `Core.pack`."""
        return self._rescued(lambda core: core.pack(lwe))

    def pack_tables(self, lwe: U64) -> U64:
        """As `Core.pack_tables`."""
        return self._rescued(lambda core: core.pack_tables(lwe))

    def _rescued(self, work: Callable[[Core], U64]) -> U64:
        try:
            return work(self._now)
        except Unavailable as error:
            if self._now is self._cpu:
                raise
            _warn(error)
            self._now = self._cpu
        return work(self._now)


def _warn(error: DarkroomError, instead: str = "The CPU computes") -> None:
    warnings.warn(f"{error} {instead} instead.", RuntimeWarning, stacklevel=4)
