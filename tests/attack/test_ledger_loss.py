"""Ledgers that forget: an old copy, none, a second one, one without its log. The chain remembers: 0 bits too many."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.custodian.attempts import FIRST_RETRY
from app.custodian.backup import back_up, restore
from app.custodian.ledger import Ledger
from app.custodian.ledger_file import put_aside
from app.protocol.documents import sha256
from app.protocol.errors import BadDocument
from app.protocol.ids import Digest
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import Decision, OutputPolicy
from app.protocol.policy.bits import noisy_micro_bits
from app.storage.cid import digest_to_cid, parse
from fhe.profiles import insecure_test_profile
from tests.support.custody import OPEN_POLICY, OTHER, MarketInMemory, linear_circuit, tree_circuit

BIT = 1_000_000
FOUR_BITS = OutputPolicy(max_rank=8, micro_bits_per_license=4 * BIT, micro_bits_per_person=4 * BIT)
SPREAD = [9, 12, -11, 8, 15, -9, 10, 13]
NAME = "ledger.sqlite"


def ask(world: MarketInMemory, at: int, license: int, first: int = 0, rows: int = 40) -> int:
    """One yes-or-no question about each row."""
    return world.job(linear_circuit([SPREAD], at=at), first, rows, license=license)


def copied(world: MarketInMemory, name: str, *, log: bool = True) -> None:
    """A copy of the ledger as it is now, with its log or without."""
    for suffix in ("", "-wal") if log else ("",):
        shutil.copy(world.folder / (NAME + suffix), world.folder / (name + suffix))


def restored(world: MarketInMemory) -> Ledger:
    """The backup that was made after the first release."""
    restore(world.folder / "backup", world.folder / "again", "restored")
    return world.new_ledger("again")


def lost(world: MarketInMemory) -> Ledger:
    """Nothing is left of the ledger."""
    put_aside(world.folder / NAME, "lost")
    return world.new_ledger()


def second(world: MarketInMemory) -> Ledger:
    """Another machine with the same keys and a ledger of its own."""
    return world.new_ledger("second")


FORGETFUL = {"restored": restored, "lost": lost, "second": second}


@pytest.mark.parametrize("how", FORGETFUL)
def test_no_ledger_grants_bits_again(tmp_path: Path, how: str) -> None:
    """Of four bits three are spent; whatever ledger goes on, one more leaves and not two, and other rows are served."""
    world = MarketInMemory(tmp_path)
    license = world.license(FOUR_BITS)
    agent = world.agent()
    assert agent.process(ask(world, 0, license)).what == "done"
    back_up(world.folder / NAME, world.folder / "backup")
    for at in (100, 200):
        assert agent.process(ask(world, at, license)).what == "done"
    other = world.agent(FORGETFUL[how](world))
    more = [ask(world, 300 + at, world.license(FOUR_BITS, buyer=OTHER)) for at in range(3)]
    honest = ask(world, 300, license, first=40, rows=20)
    assert [each.what for each in other.step()] == ["done", "refused", "refused", "done"]
    assert {world.chain.job(job).reason for job in more[1:]} == {"bits-person"}
    assert np.array_equal(world.opened(honest).values[0], world.clear(honest)[0] >= 300)
    assert sum(entry.micro_bits for entry in other.ledger.history(1) if entry.first == 0) == 4 * BIT
    # and the first ledger, should it come back, knows what the other one released
    if how == "second":
        assert agent.process(ask(world, 900, license)).detail == "bits-person"
        assert sum(entry.micro_bits for entry in world.ledger.history(1) if entry.first == 0) == 4 * BIT


@pytest.mark.parametrize("log", [True, False])
def test_a_file_copied_by_hand_is_no_ledger(tmp_path: Path, log: bool) -> None:
    """Without its witness it may lack what was in its log, and without its log it does: it is refused, not believed."""
    world = MarketInMemory(tmp_path)
    assert world.agent().process(ask(world, 0, world.license(FOUR_BITS))).what == "done"
    copied(world, "copy", log=log)
    with pytest.raises(BadDocument, match="darkroom custodian restore"):
        world.new_ledger("copy")


def test_two_ledgers_at_once_release_no_bit_too_many(tmp_path: Path) -> None:
    """Two custodians decide on the same head, each for itself; the chain takes one, and the other decides again."""
    world = MarketInMemory(tmp_path)
    policy = OutputPolicy(max_rank=8, micro_bits_per_license=BIT, micro_bits_per_person=BIT)
    first, late = (ask(world, at, world.license(policy)) for at in (0, 100))
    beside = ask(world, 100, world.license(policy), first=40, rows=20)
    other = world.agent(world.new_ledger("other"))
    sealed: list[str] = []

    def meanwhile(step: str) -> None:
        if step == "release" and not sealed:
            record = world.ledger.record(late)
            assert record is not None
            assert record.ciphertext is not None
            sealed.append(sha256(record.ciphertext))
            assert other.process(first).what == "done"

    agent = world.agent(hook=meanwhile)
    outcome = agent.process(late)
    assert (outcome.what, outcome.detail) == ("refused", "bits-person")
    assert not world.store.has(digest_to_cid(Digest(sealed[0])))  # what was sealed for it never left
    assert agent.process(beside).what == "done"
    assert [entry[0] for entry in world.chain.of(first)] == ["release"]


def test_a_stale_head_is_sent_again(tmp_path: Path) -> None:
    """A release that another decision overtook, and that is still allowed, follows it: once, with the same bytes."""
    world = MarketInMemory(tmp_path)
    first, late = (ask(world, at, world.license(FOUR_BITS)) for at in (0, 100))
    other = world.agent(world.new_ledger("other"))
    done: list[str] = []

    def meanwhile(step: str) -> None:
        if step == "release" and not done:
            done.append(other.process(first).what)

    assert world.agent(hook=meanwhile).process(late).what == "done"
    assert done == ["done"]
    record = world.ledger.record(late)
    assert record is not None
    assert record.document is not None
    assert world.chain.job(late).sealed == sha256(record.document)
    assert [entry[:2] for entry in world.chain.transactions] == [("release", first), ("release", late)]
    assert world.ledger.decryptions(1, 1) == 2  # its own, and the one that it learned of


def test_noise_is_not_drawn_again_for_nothing(tmp_path: Path) -> None:
    """Who lost the answer to a noisy query charges its next asker; who has it serves the same answer for nothing."""
    world = MarketInMemory(tmp_path)
    cost = noisy_micro_bits(500_000)
    noisy = {"epsilon_micro_per_job": 500_000, "micro_bits_per_license": 3 * cost, "micro_bits_per_person": 3 * cost}
    policy = OPEN_POLICY.model_copy(update=noisy)
    jobs = [world.job(linear_circuit([SPREAD]), license=world.license(policy)) for _ in range(5)]
    agent, forgetful = world.agent(), world.agent(world.new_ledger("second"))
    assert [agent.process(job).what for job in jobs[:2]] == ["done", "done"]
    assert [forgetful.process(job).what for job in jobs[2:4]] == ["done", "done"]
    values = [world.opened(job).values for job in jobs[:4]]
    assert np.array_equal(values[0], values[1])
    assert not np.array_equal(values[1], values[2])
    assert np.array_equal(values[2], values[3])
    for ledger in (forgetful.ledger, world.ledger):
        agent.follow(1)
        assert [entry.micro_bits for entry in ledger.history(1)] == [cost, 0, cost, 0]
    assert agent.process(jobs[4]).what == "done"  # it still has its own answer
    assert np.array_equal(world.opened(jobs[4]).values, values[0])


def test_exact_answers_are_still_free_after_a_loss(tmp_path: Path) -> None:
    """Without noise an equal query has an equal answer, whatever was lost: it is decrypted again and costs no bits."""
    world = MarketInMemory(tmp_path)
    jobs = [ask(world, 0, world.license(FOUR_BITS)) for _ in range(2)]
    assert world.agent().process(jobs[0]).what == "done"
    agent = world.agent(lost(world))
    assert agent.process(jobs[1]).what == "done"
    assert [entry.micro_bits for entry in agent.ledger.history(1)] == [BIT, 0]
    decision = world.store.read(digest_to_cid(world.chain.job(jobs[1]).decision), limit=1 << 20)
    assert Decision.from_bytes(decision).again


def gone(world: MarketInMemory, digest: str) -> Callable[[], None]:
    """Take an object out of the store; what brings it back."""
    path = world.store._blocks._file(parse(digest_to_cid(Digest(digest))))  # type: ignore[attr-defined]
    away = path.rename(path.with_suffix(".away"))
    return lambda: away.rename(path) and None


def test_a_dataset_is_not_served_while_its_past_cannot_be_told(tmp_path: Path) -> None:
    """Without the circuit of a release that it does not know the custodian decides nothing, and says what it lacks."""
    world = MarketInMemory(tmp_path)
    license = world.license(FOUR_BITS)
    old = ask(world, 0, license)
    assert world.agent().process(old).what == "done"
    bring_back = gone(world, world.chain.job(old).circuit)
    agent = world.agent(lost(world))
    new = ask(world, 100, license)
    (outcome,) = agent.step()
    assert outcome.what == "failed"
    assert f"Job {old} was released and this ledger does not know it" in outcome.detail
    assert "rebuild --charge-missing" in outcome.detail
    assert world.chain.job(new).state is JobState.COMPUTED
    bring_back()
    world.time += FIRST_RETRY
    assert [each.what for each in agent.step()] == ["done"]


def test_a_circuit_that_is_gone_for_good_costs_all_that_its_license_had(tmp_path: Path) -> None:
    """An owner who says so goes on: its rows are charged the license's whole guarantee, other rows are served."""
    world = MarketInMemory(tmp_path)
    license = world.license(FOUR_BITS)
    old = ask(world, 0, license)
    assert world.agent().process(old).what == "done"
    gone(world, world.chain.job(old).circuit)
    agent = world.agent(lost(world), charge_missing=True)
    new, beside = ask(world, 100, license), ask(world, 100, license, first=40, rows=20)
    assert [each.what for each in agent.step()] == ["refused", "done"]
    assert world.chain.job(new).reason == "bits-license"
    assert [entry.micro_bits for entry in agent.ledger.history(1)] == [4 * BIT, BIT]
    assert world.chain.job(beside).state is JobState.SETTLED


def test_lookups_are_judged_together_with_what_a_lost_ledger_released(tmp_path: Path) -> None:
    """Two circuits with lookups whose difference copies a column do not both leave, also across a loss."""
    profile = insecure_test_profile()
    world = MarketInMemory(tmp_path, policy=OPEN_POLICY.model_copy(update={"min_group": 2}), insecure=profile)
    bits = [(0, 3), (1, 3), (2, 3)]
    rest = [100, 400, 650, 200]
    first = tree_circuit(bits, [rest[i // 2] for i in range(8)], profile)
    shifted = tree_circuit(bits, [rest[i // 2] + 300 * (i % 2) for i in range(8)], profile)
    assert world.agent().process(world.job(shifted)).what == "done"
    agent = world.agent(lost(world))
    assert agent.process(world.job(first)).detail == "concentration"
    assert agent.process(world.job(first, first=40, rows=20)).what == "done"


def test_a_dropped_column_stops_nobody(tmp_path: Path) -> None:
    """A new version without a column that was released on is served; what was said of the old one is not looked up."""
    world = MarketInMemory(tmp_path)
    wide = OPEN_POLICY.model_copy(update={"max_concentration": 0.99})
    assert world.agent().process(ask(world, 0, world.license(wide))).what == "done"
    world.new_version(columns=7)
    circuit = linear_circuit([SPREAD[:7]], width=7)
    narrow = world.job(circuit, license=world.license(wide), version=2)
    assert world.agent().process(narrow).what == "done"
    assert world.agent(world.new_ledger("second")).process(ask(world, 50, world.license(wide))).what == "done"
