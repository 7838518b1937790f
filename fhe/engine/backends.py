"""Choosing what computes: the NumPy reference, the native core, or GPUs that passed their self-test."""

from __future__ import annotations

import warnings

from app.protocol.errors import Unavailable
from fhe.engine.core import BackendName, Core, check_parameters
from fhe.engine.reference import ReferenceCore
from fhe.evaluation_key import EvaluationKey
from fhe.profile import EncryptionProfile


def prepare(profile: EncryptionProfile, key: EvaluationKey, backend: BackendName = "auto", threads: int = 1) -> Core:
    """A core for `key`, on `backend`.

    "cpu" is the native core where it can be had, else NumPy with a warning. "auto" is a GPU that passes its self-test,
    with the CPU behind it, else the CPU.
    Errors: BadKey, BadInput; Unavailable when `backend` is "native" or "cuda" and there is none (for "cuda" also later,
    when the GPU fails); VerificationFailed when "cuda" computes other bytes than the known answers.
    """
    check_parameters(profile)
    if backend == "reference":
        return ReferenceCore(profile, key)
    if backend in {"auto", "cuda"}:
        from fhe.engine.cuda import selection

        if backend == "cuda":
            return selection.prepare(profile, key, None)
        if selection.available():
            return selection.prepare(profile, key, lambda: _on_cpu(profile, key, threads))
    return _on_cpu(profile, key, threads, strict=backend == "native")


def _on_cpu(profile: EncryptionProfile, key: EvaluationKey, threads: int, *, strict: bool = False) -> Core:
    """The native core, else NumPy with a warning; `strict`: else Unavailable."""
    from fhe.engine.native.core import NativeCore

    try:
        return NativeCore(profile, key, threads)
    except Unavailable as error:
        if strict:
            raise
        warnings.warn(f"{error} The NumPy reference computes instead, much more slowly.", RuntimeWarning, stacklevel=3)
        return ReferenceCore(profile, key)
