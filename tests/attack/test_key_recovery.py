"""The crafted-mask attack: one decryption would give the whole key, and the custodian never makes that decryption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from app.custodian.decryption import decrypt_output
from app.execution.execute import Evaluation
from app.execution.inputs import JobInputs
from app.protocol.data.merkle import root as merkle_root
from app.protocol.documents import sha256
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import Receipt
from app.protocol.ports import Progress
from app.storage.cid import digest_to_cid
from app.storage.content import file_cid
from fhe.circuit.circuit import Circuit, Lookup
from fhe.circuit.codec import encode
from fhe.engine.output import OutputStage, round_words
from fhe.profiles import insecure_test_profile
from tests.support.custody import OPEN_POLICY, MarketInMemory, tree_circuit

PROFILE = insecure_test_profile()
TABLE = [0, 900, 130, 720, 410, 40, 655, 1010]
BITS = [(0, 3), (1, 2), (2, 5)]
ROWS = 40
RAW = OPEN_POLICY.model_copy(update={"min_group": 2})


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> MarketInMemory:
    """A table with bits and an evaluation key, in a tiny profile: the attack is the same in every one."""
    seed = getattr(request, "param", 0)
    return MarketInMemory(tmp_path, seed, policy=RAW, insecure=PROFILE)


def crafted(honest: OutputStage) -> OutputStage:
    """Ciphertexts whose masks pick key bits: value r reads bits [8 r, 8 r + 8) of the key as an integer.

    The phase of (mask, body) is body - sum mask_i s_i, so a mask of -2^(63 - width + j) at key bit i adds bit i, worth
    2^j, to the message.
    """
    words = np.zeros((honest.values, honest.size + 1), np.uint64)
    for value in range(honest.size // 8):
        for j in range(8):
            words[value, 8 * value + j] = np.uint64((1 << 64) - (1 << (63 - honest.width + j)))
    small = round_words(words, honest.bits).astype(np.uint32)
    return OutputStage(honest.form, honest.rows, honest.outputs, honest.width, honest.size, honest.bits, small)


def forged(world: MarketInMemory, number: int) -> bytes:
    """Executors agree on crafted ciphertexts of exactly the right form and size."""
    honest = world.execute(world.facts(number))
    output = crafted(OutputStage.from_bytes(honest.output)).to_bytes()
    assert len(output) == len(honest.output)
    changes = {"output": file_cid(output), "output_root": merkle_root(output)}
    world.agree(number, honest.receipt.model_copy(update=changes), output)
    return output


def recovered(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The key's bits, from the decrypted values of the crafted ciphertexts."""
    numbers = values.reshape(-1)[: PROFILE.polynomial_size // 8] & 0xFF
    bits: npt.NDArray[Any] = (numbers[:, None] >> np.arange(8) & 1).reshape(-1).astype(np.uint8)
    return bits


def refused(world: MarketInMemory, number: int) -> None:
    """The custodian contests the result; when others agree on it too, it is refused, and no key is used."""
    agent = world.agent()
    assert agent.process(number).what == "contested"
    world.chain.jobs[number] = replace(world.chain.jobs[number], state=JobState.COMPUTED)
    assert agent.process(number).detail == "output-mismatch"
    assert world.chain.job(number).state is JobState.REFUSED
    assert world.ledger.decryptions(1, 1) == 0


@pytest.mark.parametrize("world", range(5), indirect=True)
def test_crafted_masks_are_not_decrypted(world: MarketInMemory) -> None:
    """The custodian refuses crafted ciphertexts; decrypted without its check, the same bytes give the whole key."""
    number = world.job(tree_circuit(BITS, TABLE, PROFILE), rows=ROWS)
    output = forged(world, number)
    refused(world, number)

    values = decrypt_output(world.secret, world.facts(number), world.store, output, threads=1)
    assert np.array_equal(recovered(values), world.secret.glwe)


def test_a_custodian_without_the_check_would_release_the_key(world: MarketInMemory) -> None:
    """With re-execution bypassed, the whole agent hands the key to the buyer: the check is what stands between."""
    number = world.job(tree_circuit(BITS, TABLE, PROFILE), rows=ROWS)
    output = forged(world, number)
    receipt = world.chain.job(number).receipt

    def believing(facts: object, progress: object) -> Evaluation:
        return Evaluation(Receipt.from_bytes(world.store.read(digest_to_cid(receipt), limit=1 << 20)), output)

    world.agent(execute=believing).process(number)
    assert np.array_equal(recovered(world.opened(number).values), world.secret.glwe)


FAST = insecure_test_profile(lwe_dimension=4)  # a hundred thousand bootstraps in seconds


def big_circuit(lookups: int) -> Circuit:
    """The tree of these tests, and many more lookups that nothing reads."""
    small = tree_circuit(BITS, TABLE, FAST)
    linear, lookup, last = small.layers
    assert isinstance(lookup, Lookup)
    many = Lookup(lookup.width_out, np.zeros(lookups, np.int64), np.repeat(lookup.tables, lookups, axis=0))
    return replace(small, layers=(linear, many, last))


@pytest.mark.parametrize("verify", ["self", "both"])
def test_a_big_circuit_does_not_choose_the_weaker_check(tmp_path: Path, verify: str) -> None:
    """Ordering more work than was once recomputed, 100,000 bootstraps, gives 0 of 256 key bits: it is recomputed."""
    world = MarketInMemory(tmp_path, policy=RAW, insecure=FAST)
    lookups = 2501 if verify == "self" else 50  # the size decides nothing any more, so once is enough
    license = world.license(RAW.model_copy(update={"verify": verify}))
    number = world.job(tree_circuit(BITS, TABLE, FAST), rows=ROWS, license=license)
    world.store.put(data := encode(big_circuit(lookups)))
    world.chain.jobs[number] = replace(world.chain.jobs[number], circuit=sha256(data))
    honest = Receipt.from_bytes(world.store.read(digest_to_cid(world.chain.job(number).receipt), limit=1 << 20))
    output = crafted(OutputStage.from_bytes(world.store.read(honest.output, limit=1 << 20))).to_bytes()
    said = {"circuit": sha256(data), "output": file_cid(output), "output_root": merkle_root(output)}
    world.agree(number, honest.model_copy(update=said), output)
    work: list[tuple[int, int]] = []

    def execute(facts: JobInputs, progress: Progress) -> Evaluation:
        return world.execute(facts, lambda done, total: work.append((done, total)))

    agent = world.agent(execute=execute)
    assert agent.process(number).what == "contested"
    assert work[-1] == (ROWS, ROWS)  # every row of the big circuit
    assert len(work) > 1  # in blocks
    assert world.ledger.decryptions(1, 1) == 0
    values = decrypt_output(world.secret, world.facts(number), world.store, output, threads=1)
    assert np.array_equal(recovered(values), world.secret.glwe)  # what a custodian that believed it would give away


def test_more_work_than_the_owner_recomputes_is_refused_unseen(world: MarketInMemory) -> None:
    """One bootstrap above the policy's bound is refused before anything is recomputed; the bound itself is served."""
    circuit = tree_circuit(BITS, TABLE, PROFILE)
    least, enough = (
        world.job(circuit, rows=ROWS, license=world.license(RAW.model_copy(update={"max_bootstraps": bound})))
        for bound in (ROWS - 1, ROWS)
    )
    executed: list[int] = []

    def execute(facts: JobInputs, progress: Progress) -> Evaluation:
        executed.append(facts.job.id)
        return world.execute(facts)

    outcomes = world.agent(execute=execute).step()
    assert [each.what for each in outcomes] == ["refused", "done"]
    assert executed == [enough]
    assert world.chain.job(least).reason == "too-much-work"


def test_honest_lookups_go_through(world: MarketInMemory) -> None:
    """An honest job with lookups is re-executed, decrypted and released exactly."""
    number = world.job(tree_circuit(BITS, TABLE, PROFILE), rows=ROWS)
    assert world.agent().process(number).what == "done"
    codes = world.codes[:ROWS]
    bits = [(codes[:, column] >= 32 * (edge + 1)).astype(int) for column, edge in BITS]
    expected = np.array(TABLE)[4 * bits[0] + 2 * bits[1] + bits[2]]
    assert np.array_equal(world.opened(number).values[0], expected)


@pytest.mark.parametrize("seed", range(5))
def test_tree_that_singles_out_rows(world: MarketInMemory, seed: int) -> None:
    """Lookups that answer alike for nearly every row, or that rest on one column, are refused."""
    rng = np.random.default_rng(seed)
    rare = [0, 0, 0, 0, 0, 0, 0, int(rng.integers(1, 1000))]
    columns = rng.permutation(8)[:3]
    narrow = tree_circuit([(int(c), 6) for c in columns], rare, PROFILE)
    single = world.job(narrow, rows=ROWS, license=world.license(RAW.model_copy(update={"min_group": 20})))
    copies = tree_circuit([(int(columns[0]), edge) for edge in (1, 3, 5)], [0, 0, 0, 0, 1, 0, 2, 3], PROFILE)
    copied = world.job(copies, rows=ROWS)
    honest = world.job(tree_circuit(BITS, TABLE, PROFILE), first=40, rows=20)
    outcomes = {outcome.job: outcome.detail for outcome in world.agent().step()}
    assert outcomes[single] == "singles-out"
    assert outcomes[copied] == "concentration"
    assert world.chain.job(honest).state is JobState.SETTLED


@pytest.mark.parametrize("seed", range(5))
def test_trees_that_differ_by_a_column(world: MarketInMemory, seed: int) -> None:
    """Two circuits with lookups whose difference is a function of one column do not both leave."""
    rng = np.random.default_rng(seed)
    bits = [(int(column), 3) for column in rng.permutation(8)[:3]]
    rest = rng.permutation([100, 400, 650, 200])
    first = [int(rest[i // 2]) for i in range(8)]  # does not read the last bit
    second = [int(rest[i // 2]) + 300 * (i % 2) for i in range(8)]
    agent = world.agent()
    assert agent.process(world.job(tree_circuit(bits, second, PROFILE), rows=ROWS)).what == "done"
    assert agent.process(world.job(tree_circuit(bits, first, PROFILE), rows=ROWS)).detail == "concentration"
    beside = world.job(tree_circuit(bits, first, PROFILE), first=40, rows=20)
    assert agent.process(beside).what == "done"
