"""Attacks by executors: outputs and receipts that were not computed from the job."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.protocol.policy.reasons import Reason
from tests.attack.stage import ROWS, attack, forge, honest_output, simple, spread, with_words
from tests.support.custody import MarketInMemory, linear_circuit


@attack("random words as output", Reason.OUTPUT_MISMATCH)
def _random_words(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    output = bytes(honest_output(world, number).output)
    forge(world, number, with_words(output, lambda w: rng.integers(0, 2**64, len(w), dtype=np.uint64)))
    return [number]


@attack("chosen words as output", Reason.OUTPUT_MISMATCH)
def _chosen_words(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    output = bytes(honest_output(world, number).output)
    forge(world, number, with_words(output, lambda w: np.uint64(1) << np.arange(len(w), dtype=np.uint64)))
    return [number]


@attack("input as output", Reason.OUTPUT_MISMATCH)
def _input_as_output(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    file = world.manifest.table.shards[0].files[int(rng.integers(8))]
    column = np.frombuffer(world.store.read(file.cid, limit=1 << 20), "<u8")[:ROWS]
    forge(world, number, with_words(bytes(honest_output(world, number).output), lambda w: column.astype(np.uint64)))
    return [number]


@attack("another job's output", Reason.OUTPUT_MISMATCH)
def _other_output(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    victim, number = simple(world, rng), simple(world, rng)
    forge(world, number, bytes(honest_output(world, victim).output))
    world.chain.jobs.pop(victim)
    return [number]


@attack("another job's receipt", Reason.OUTPUT_MISMATCH)
def _replayed_receipt(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    circuit = linear_circuit([spread(rng)])
    victim, number = world.job(circuit, rows=ROWS), world.job(circuit, rows=ROWS)
    world.chain.jobs[number] = replace(world.chain.jobs[number], receipt=world.chain.jobs[victim].receipt)
    world.chain.jobs.pop(victim)
    return [number]


@attack("right shape from a wrong circuit", Reason.OUTPUT_MISMATCH)
def _wrong_circuit(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number, other = simple(world, rng), world.job(linear_circuit([[0, 1]]), rows=ROWS)
    forge(world, number, bytes(honest_output(world, other).output))
    world.chain.jobs.pop(other)
    return [number]


@attack("receipt of a wrong circuit", Reason.OUTPUT_MISMATCH)
def _receipt_of_wrong_circuit(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number, other = simple(world, rng), world.job(linear_circuit([[0, 1]]), rows=ROWS)
    output = bytes(honest_output(world, other).output)
    forge(world, number, output, circuit=world.chain.jobs[other].circuit)
    world.chain.jobs.pop(other)
    return [number]


@attack("honest plus crafted sum", Reason.OUTPUT_MISMATCH)
def _crafted_sum(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    output = bytes(honest_output(world, number).output)
    forge(world, number, with_words(output, lambda w: w + (np.uint64(1) << np.uint64(int(rng.integers(64))))))
    return [number]


@attack("reordered rows", Reason.OUTPUT_MISMATCH)
def _reordered(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    forge(
        world,
        number,
        with_words(bytes(honest_output(world, number).output), lambda w: np.roll(w, int(rng.integers(1, 44)))),
    )
    return [number]


@attack("rows of another range", Reason.OUTPUT_MISMATCH)
def _other_rows(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    circuit = linear_circuit([spread(rng)])
    number, other = world.job(circuit, first=0, rows=20), world.job(circuit, first=1, rows=20)
    forge(world, number, bytes(honest_output(world, other).output))
    world.chain.jobs.pop(other)
    return [number]


@attack("truncated output", Reason.OUTPUT_MISMATCH)
def _truncated(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    forge(world, number, bytes(honest_output(world, number).output)[: -int(rng.integers(1, 80))])
    return [number]


@attack("another evaluator's name", Reason.OUTPUT_MISMATCH)
def _other_evaluator(world: MarketInMemory, rng: np.random.Generator) -> list[int]:
    number = simple(world, rng)
    forge(world, number, bytes(honest_output(world, number).output), evaluator=f"other-{rng.integers(99)}")
    return [number]
