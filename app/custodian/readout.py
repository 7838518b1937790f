"""From decrypted integers to what the policy lets out. Pure; the only place between decryption and the seal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.custodian.noise import Noise
from app.protocol.market.entities import Job
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import noise_scale_milli, release_kind
from app.protocol.policy.leakage import Leakage
from app.seal.result import Result, ResultHeader
from fhe.arrays import I64
from fhe.circuit.circuit import Mix, Readout


def read_out(
    values: I64,
    readout: Readout,
    leakage: Leakage,
    policy: OutputPolicy,
    job: Job,
    noise: Noise,
    rows_per_person: int = 1,
    mix: Mix | None = None,
) -> Result:
    """The result to seal, from outputs (outputs, rows), or (outputs, blocks) of a circuit that sums.

    Noise comes first, on the sum of all blocks for an aggregate, as the circuit's `mix` combines them, and on each row
    otherwise; labels and rounding follow
    it, so that they add nothing to what the noise protects. One row changes the outputs by at most the report's
    sensitivity, and a person by that times the person's rows in an aggregate: what the noise is scaled to.
    """
    kind, group, scale_milli = release_kind(policy, leakage), 1, 0
    if kind == "aggregate":
        group = job.rows
        values = values.sum(axis=1, keepdims=True)
        if mix is not None:
            values = mix.apply(values[:, 0])[:, None]
    if policy.epsilon_micro_per_job:
        scale_milli = noise_scale_milli(leakage, policy, rows_per_person if kind == "aggregate" else 1)
        values = noise(values, scale_milli)
    outputs, levels = leakage.outputs, 0
    if kind == "label":
        values, outputs = readout.label(values), ("label",)
    elif kind == "score" and not policy.raw_scores:
        levels = policy.levels
        values = to_levels(values, leakage.lows, leakage.highs, levels)
    header = ResultHeader(
        released=kind,
        outputs=outputs,
        first_row=job.first_row,
        rows=values.shape[1],
        group=group,
        levels=levels,
        lows=leakage.lows if levels else (),
        highs=leakage.highs if levels else (),
        noise_scale_milli=scale_milli,
    )
    return Result(header, values)


def to_levels(values: I64, lows: Sequence[int], highs: Sequence[int], levels: int) -> I64:
    """Each output (outputs, rows) rounded to the middle of its level, of `levels` that divide [low, high] evenly.

    An output with no more values than levels stays as it is. Values outside of the range (noise) go to its ends.
    """
    rounded = []
    for one, low, high in zip(values, lows, highs, strict=True):
        count = high - low + 1
        inside = np.clip(one, low, high) - low
        if count > levels:
            # in Python's integers where a product could leave 64 bits
            wide = inside.astype(object) if count * levels * 2 >= 1 << 63 else inside
            inside = ((wide * levels // count * 2 + 1) * count // (2 * levels)).astype(np.int64)
        rounded.append(inside + low)
    return np.stack(rounded)
