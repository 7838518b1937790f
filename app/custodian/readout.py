"""From decrypted integers to what the policy lets out. Pure; the only place between decryption and the seal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.custodian.noise import Noise
from app.protocol.leak import Leak
from app.protocol.market import Job
from app.protocol.receipt import OutputPolicy
from app.seal.result import Result, ResultHeader
from fhe.circuit import Readout

I64 = npt.NDArray[np.int64]


def read_out(values: I64, readout: Readout, leak: Leak, policy: OutputPolicy, job: Job, noise: Noise) -> Result:
    """The result to seal, from outputs (outputs, rows).

    Noise comes first, on the sum of the group for an aggregate and on each row otherwise; labels and rounding follow
    it, so that they add nothing to what the noise protects. One row changes the outputs by at most the sum of their
    ranges, which is the sensitivity that the noise is scaled to.
    """
    group = 1
    if policy.release == "aggregate":
        group = values.shape[1]
        values = values.sum(axis=1, keepdims=True)
    scale_milli = 0
    if policy.epsilon_micro_per_job:
        scale_milli = noise_scale_milli(leak, policy)
        values = noise(values, scale_milli)
    outputs = leak.outputs
    if policy.release == "label":
        values, outputs = label(values, readout), ("label",)
    else:
        values = to_step(values, policy.score_step)
    header = ResultHeader(
        released=policy.release,
        outputs=outputs,
        first_row=job.first_row,
        rows=values.shape[1],
        group=group,
        step=1 if policy.release == "label" else policy.score_step,
        noise_scale_milli=scale_milli,
    )
    return Result(header, values)


def noise_scale_milli(leak: Leak, policy: OutputPolicy) -> int:
    """Thousandths of the discrete Laplace scale: sensitivity / epsilon, rounded up so that epsilon is kept."""
    sensitivity = max(1, sum(leak.ranges))
    return -(-sensitivity * 10**9 // policy.epsilon_micro_per_job)


def label(values: I64, readout: Readout) -> I64:
    """Class of each row (1, rows): the threshold's 0 or 1, or the first greatest output."""
    if readout.kind == "threshold":
        return np.where(values >= readout.at, np.int64(1), np.int64(0))
    best: I64 = np.argmax(values, axis=0, keepdims=True)
    return best


def to_step(values: I64, step: int) -> I64:
    """The nearest multiples of `step`, halves up."""
    return (values + step // 2) // step * step
