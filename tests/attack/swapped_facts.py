"""Attacks on the facts: licenses, keys, policies, epochs, rows and quorums that are not the job's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.protocol.ids import Address, Digest
from app.protocol.market.entities import ZERO
from app.protocol.market.entities import Execution as Part
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.reasons import Reason
from tests.attack.stage import ROWS, attack, forge, honest_output, simple
from tests.support.custody import BUYER, OPEN_POLICY, OTHER, OWNER, PROVIDERS, MarketInMemory, linear_circuit


def _lax(**changes: object) -> OutputPolicy:
    return OPEN_POLICY.model_copy(update=changes)


@attack("swapped license", Reason.WRONG_LICENSE)
def _swapped_license(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    roomy = world.license(_lax(max_rank=8), buyer=OTHER)
    return [_use(world, simple(world, rng), license=roomy)]


def _use(world: MarketInMemory, number: int, **changes: object) -> int:
    world.chain.jobs = {n: job for n, job in world.chain.jobs.items() if n == number}
    world.chain.jobs[number] = replace(world.chain.jobs[number], **changes)  # type: ignore[arg-type]
    return number


@attack("license of another dataset", Reason.WRONG_LICENSE)
def _foreign_license(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, license=world.license(dataset=2))]


@attack("sealing key of small order", Reason.WRONG_KEY)
def _small_order_key(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, sealing_key=("00" if rng.integers(2) else "01") + "00" * 31)]


@attack("sealing key that is none", Reason.WRONG_KEY)
def _no_key(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, sealing_key="ab" * int(rng.integers(1, 32)))]


@attack("policy digest swap", Reason.CONCENTRATION)
def _policy_swap(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    lax, strict = _lax(max_rank=8, max_concentration=1.0), world.manifest.policy
    license = world.license(lax)
    held = world.chain.licenses[license]
    world.chain.licenses[license] = replace(held, policy=strict.digest)
    return [world.job(linear_circuit([[0, int(rng.integers(1, 9))]]), rows=ROWS, license=license)]


@attack("policy that the store does not have", "failed")
def _absent_policy(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    license = world.chain.jobs[number].license
    world.chain.licenses[license] = replace(
        world.chain.licenses[license], policy=Digest(f"{int(rng.integers(9))}" * 64)
    )
    return [number]


@attack("stale epoch", Reason.EPOCH_CLOSED)
def _stale_epoch(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    world.new_version(epoch=int(rng.integers(2, 99)))
    return [_use(world, simple(world, rng, version=2), version=2)]


@attack("receipt of an earlier version", Reason.OUTPUT_MISMATCH)
def _earlier_version(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    world.new_version(title="second")
    return [_use(world, number, version=2)]


@attack("tombstoned dataset", Reason.EPOCH_CLOSED)
def _tombstone(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    world.chain.datasets[1, 2] = replace(world.chain.datasets[1, 1], version=2, tombstoned=True)
    return [_use(world, number, version=2)]


@attack("rows beyond the dataset", Reason.ROWS_OUTSIDE)
def _beyond(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [_use(world, simple(world, rng), first_row=int(rng.integers(16, 60)), rows=ROWS)]


@attack("job that is not final", "waiting")
def _not_final(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    world.chain.unfinal.add(number)
    return [number]


@attack("job without a receipt", Reason.WRONG_RECEIPT)
def _no_receipt(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    return [simple(world, rng, receipt=ZERO)]


@attack("quorum of the buyer and one executor twice", Reason.NO_QUORUM)
def _false_quorum(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    license = world.license(_lax(verify="both", quorum=2))
    number = simple(world, rng, license=license)
    agreed = world.chain.jobs[number].receipt
    names = [PROVIDERS[0], PROVIDERS[0].upper().replace("0X", "0x"), BUYER, OWNER]
    parts = tuple(Part(provider=Address(name), commitment=ZERO, receipt=agreed) for name in names)
    world.chain.jobs[number] = replace(world.chain.jobs[number], executions=parts)
    return [number]


@attack("quorum on another job's receipt", Reason.OUTPUT_MISMATCH)
def _quorum_replay(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    license = world.license(_lax(verify="both", quorum=2))
    number = simple(world, rng, license=license)
    forge(world, number, bytes(honest_output(world, number).output), job=number + int(rng.integers(1, 99)))
    return [number]


@attack("quorum on a root that is not the output's", Reason.OUTPUT_MISMATCH)
def _quorum_root(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    license = world.license(_lax(verify="both", quorum=2))
    number = simple(world, rng, license=license)
    forge(world, number, bytes(honest_output(world, number).output), output_root=f"{int(rng.integers(9))}" * 64)
    return [number]
