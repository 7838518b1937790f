"""What leaves: noise and its cost, aggregates, approval, kept answers, key epochs, licenses that are over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.custodian.agent import CHORES_EVERY
from app.custodian.evidence import JudgementLimits
from app.custodian.ledger import DecisionState
from app.custodian.noise import discrete_laplace
from app.custodian.rotation import Destroyed, retire
from app.custodian.unlocked_keys import UnlockedKeys, harden
from app.protocol.errors import NotFound, TryAgain, WrongPassphrase
from app.protocol.ids import Digest
from app.protocol.market.entities import Approval, Job, JobState
from app.protocol.market.receipt import OutputPolicy, Receipt
from app.protocol.policy.bits import noise_scale_milli, noisy_micro_bits
from app.protocol.policy.reasons import Reason
from app.storage.cid import digest_to_cid
from app.storage.content import file_cid
from fhe.keys.keyring import Keyring
from fhe.leakage import leakage_of
from fhe.profiles import REFERENCE
from tests.support.custody import NAMES, OPEN_POLICY, MarketInMemory, PlainKeys, codebook, linear_circuit, random_keys

SPREAD = [17, -4, 9, 30, 2, 8, -11, 5]
NOISY = OPEN_POLICY.model_copy(update={"epsilon_micro_per_job": 500_000})
COST = noisy_micro_bits(500_000)


def test_noise_has_the_stated_scale(tmp_path: Path) -> None:
    """Discrete Laplace noise has variance 2 b^2 for scales far above 1, and a mean of zero."""
    draws = discrete_laplace(np.zeros((2, 4000), np.int64), 50_000).astype(float)
    assert abs(draws.mean()) < 5 * 70.7 / np.sqrt(8000)
    assert draws.std() == pytest.approx(np.sqrt(2) * 50, rel=0.1)


def test_noisy_release_keeps_the_epsilon(tmp_path: Path) -> None:
    """The scale is sensitivity over epsilon, rounded up; the values are the outputs with that noise."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]), license=world.license(NOISY))
    assert world.agent().process(number).what == "done"
    result = world.opened(number)
    sensitivity = 255 * sum(abs(w) for w in SPREAD)
    assert result.header.noise_scale_milli == sensitivity * 1000 * 2
    errors = (result.values - world.clear(number)).astype(float)
    assert 0.3 < errors.std() / (np.sqrt(2) * sensitivity * 2) < 3
    leak = leakage_of(linear_circuit([SPREAD]), codebook())
    assert leak.ranges == (sensitivity,)
    odd = NOISY.model_copy(update={"epsilon_micro_per_job": 333_333})
    assert noise_scale_milli(leak, odd) * 333_333 >= sensitivity * 10**9


def test_equal_query_gets_the_equal_answer(tmp_path: Path) -> None:
    """Another buyer's equal query is served the same noisy values, for no bits and no decryption."""
    world = MarketInMemory(tmp_path)
    circuit = linear_circuit([SPREAD])
    first = world.job(circuit, license=world.license(NOISY))
    second = world.job(circuit, license=world.license(NOISY, buyer="0x" + "7" * 40))
    other = world.job(linear_circuit([SPREAD], [1]), license=world.license(NOISY))
    agent = world.agent()
    assert [outcome.what for outcome in agent.step()] == ["done"] * 3
    assert np.array_equal(world.opened(first).values, world.opened(second).values)
    assert not np.array_equal(world.opened(first).values + 1, world.opened(other).values)
    assert [entry.micro_bits for entry in world.ledger.history(1)] == [COST, 0, COST]
    assert world.ledger.decryptions(1, 1) == 2
    kept = world.ledger.kept_answer(world.ledger.history(1)[0].query)
    assert kept is not None
    assert world.opened(first).to_bytes()[-64:] not in kept


def test_exact_answers_are_kept_up_to_a_size(tmp_path: Path) -> None:
    """Without noise an equal query needs no second decryption, unless its answer is above the limit for keeping."""
    for limit, decryptions in ((320, 1), (319, 2)):
        world = MarketInMemory(tmp_path / str(limit))
        agent = world.agent(limits=JudgementLimits(kept_answer_bytes=limit))
        jobs = [world.job(linear_circuit([SPREAD])) for _ in range(2)]
        assert [outcome.what for outcome in agent.step()] == ["done", "done"]
        assert all(np.array_equal(world.opened(job).values, world.clear(job)) for job in jobs)
        assert world.ledger.decryptions(1, 1) == decryptions
        first, second = world.ledger.history(1)  # without noise it is the same answer, decrypted again or not
        assert (first.micro_bits > 0, second.micro_bits) == (True, 0)


def test_bits_are_given_back_on_failure(tmp_path: Path) -> None:
    """A job whose output is wrong gives its bits back, so that an honest one can take them."""
    world = MarketInMemory(tmp_path)
    policy = NOISY.model_copy(update={"micro_bits_per_license": COST, "micro_bits_per_person": COST})
    bad = world.job(linear_circuit([SPREAD]), license=world.license(policy), receipt="a" * 64)
    agent = world.agent()
    assert agent.process(bad).what == "contested"
    assert world.ledger.history(1) == []
    world.chain.jobs[bad] = replace(world.chain.jobs[bad], state=JobState.COMPUTED)  # they say the same
    assert agent.process(bad).detail == "output-mismatch"
    assert world.ledger.history(1) == []
    assert agent.process(world.job(linear_circuit([SPREAD]), license=world.license(policy))).what == "done"
    again = world.job(linear_circuit([SPREAD], [1]), license=world.license(policy))
    assert agent.process(again).detail == "bits-person"


def test_a_wrong_result_is_contested_once(tmp_path: Path) -> None:
    """Others are asked before anything is refused; their right result is released, and nobody is asked twice."""
    world = MarketInMemory(tmp_path)
    first, second = (world.job(linear_circuit([SPREAD], [bias]), receipt="a" * 64) for bias in range(2))
    agent = world.agent()
    assert [outcome.what for outcome in agent.step()] == ["contested", "contested"]
    assert world.chain.contested == [first, second]
    assert [outcome.what for outcome in agent.step()] == ["waiting", "waiting"]
    world.compute(first)
    world.chain.jobs[second] = replace(world.chain.jobs[second], state=JobState.COMPUTED)
    assert [(each.what, each.detail) for each in agent.step()][1] == ("refused", "output-mismatch")
    assert np.array_equal(world.opened(first).values, world.clear(first))
    assert world.chain.contested == [first, second]
    # a ledger that does not know that it asked already is told so by the contract
    third = world.job(linear_circuit([SPREAD], [2]), receipt="a" * 64)
    world.chain.contested.append(third)
    assert world.agent(world.new_ledger("other.sqlite")).process(third).detail == "output-mismatch"


def test_aggregates_are_sums_of_the_group(tmp_path: Path) -> None:
    """An aggregate policy releases one noisy sum an output, and its group; noise that hardly shows is dear."""
    world = MarketInMemory(tmp_path)
    epsilon = 1_000_000_000
    policy = OutputPolicy(
        release="aggregate", min_group=20, max_rank=4, epsilon_micro_per_job=epsilon, micro_bits_per_license=2 * 10**9,
        micro_bits_per_person=2 * 10**9,
    )  # fmt: skip
    number = world.job(linear_circuit([SPREAD, SPREAD[::-1]], block=25), license=world.license(policy))
    assert world.agent().process(number).what == "done"
    result = world.opened(number)
    assert (result.header.rows, result.header.group) == (1, 40)
    scale = result.header.noise_scale_milli / 1000
    assert scale == pytest.approx(2 * 255 * sum(abs(weight) for weight in SPREAD) / 1000)
    assert np.abs(result.values[:, 0] - world.clear(number).sum(axis=1)).max() < 40 * scale
    receipt = Receipt.from_bytes(world.store.read(digest_to_cid(world.chain.job(number).receipt), limit=1 << 20))
    assert (receipt.evaluator, receipt.form, receipt.output_bytes) == ("darkroom-canonical-2", "bodies", 24 + 2 * 2 * 8)
    assert world.ledger.history(1)[0].micro_bits == noisy_micro_bits(epsilon)


def test_manual_approval(tmp_path: Path) -> None:
    """Under manual approval a job waits, then goes on after a yes and is refused after a no."""
    world = MarketInMemory(tmp_path)
    license = world.license(OPEN_POLICY.model_copy(update={"approval": "manual"}))
    yes, no = (world.job(linear_circuit([SPREAD], [bias]), license=license) for bias in (0, 1))
    agent = world.agent()
    assert {outcome.what for outcome in agent.step()} == {"waiting"}
    assert {outcome.what for outcome in agent.step()} == {"waiting"}
    assert world.ledger.decryptions(1, 1) == 0
    assert [record.held for record in world.ledger.records()] == [True, True]
    world.say(yes, Approval.APPROVED)
    world.say(no, Approval.DENIED)
    assert [(o.what, o.detail) for o in agent.step()][1] == ("refused", "not-approved")
    assert world.chain.job(yes).state is JobState.SETTLED


def test_a_denied_job_is_refused_under_every_policy(tmp_path: Path) -> None:
    """The contract takes no release of it, so the buyer has the price back at once; nothing is decrypted."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]), approval=Approval.DENIED)
    assert world.agent().process(number).detail == "not-approved"
    assert (world.ledger.decryptions(1, 1), world.ledger.history(1)) == (0, [])


def test_a_denial_that_comes_after_the_seal_is_heeded(tmp_path: Path) -> None:
    """A job that is sealed, or half sent, is refused; nothing of it has left, so nothing is charged."""
    for step in ("keep", "release"):
        world = MarketInMemory(tmp_path / step)
        number = world.job(linear_circuit([SPREAD]))

        def deny(name: str, world: MarketInMemory = world, number: int = number, step: str = step) -> None:
            if name == step:
                world.say(number, Approval.DENIED)

        assert world.agent(hook=deny).process(number).what == "waiting"
        record = world.ledger.record(number)
        assert record is not None
        assert record.ciphertext is not None
        assert not world.store.has(file_cid(record.ciphertext))
        assert world.chain.job(number).state is JobState.COMPUTED
        assert world.agent().process(number).detail == "not-approved"
        assert (world.chain.job(number).state, world.ledger.history(1)) == (JobState.REFUSED, [])
        assert [entry[0] for entry in world.chain.of(number)] == ["refuse"]


def test_hopeless_jobs_do_not_ask_the_owner(tmp_path: Path) -> None:
    """What no approval could save is refused at once."""
    world = MarketInMemory(tmp_path)
    license = world.license(OutputPolicy(approval="manual", max_rank=4))
    assert world.agent().process(world.job(linear_circuit([[1]]), license=license)).detail == "concentration"


def test_chain_that_moved_on(tmp_path: Path) -> None:
    """A job that expired between sealing and sending is dropped; nothing of it has left, so nothing is charged."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]))

    def expire(step: str) -> None:
        if step == "release":
            world.chain.jobs[number] = replace(world.chain.jobs[number], state=JobState.EXPIRED)

    assert world.agent(hook=expire).process(number).what == DecisionState.DROPPED
    assert world.ledger.history(1) == []
    assert world.chain.of(number) == []


def test_open_job_is_left_alone(tmp_path: Path) -> None:
    """A job that executors still work on is not touched, and leaves no trace in the ledger."""
    world = MarketInMemory(tmp_path)
    number = world.job(linear_circuit([SPREAD]), state=JobState.ASSIGNED)
    assert world.agent().process(number).what == "waiting"
    assert world.ledger.records() == []


def test_epoch_limit(tmp_path: Path) -> None:
    """An epoch serves as many decryptions as its limit says."""
    world = MarketInMemory(tmp_path)
    jobs = [world.job(linear_circuit([SPREAD], [bias])) for bias in range(3)]
    outcomes = world.agent(limits=JudgementLimits(decryptions_per_epoch=2)).step()
    assert [outcome.what for outcome in outcomes] == ["done", "done", "refused"]
    assert world.chain.job(jobs[2]).reason == Reason.EPOCH_LIMIT


def test_old_jobs_finish_and_then_the_key_dies(tmp_path: Path) -> None:
    """An epoch's key is kept while a job on it is open; then it is destroyed, the chain told, and nothing served."""
    world = MarketInMemory(tmp_path)
    keyring = Keyring(tmp_path / "keys")
    keyring.add(world.secret, "correct horse", work=1 << 15)
    keyring.add(random_keys(9, epoch=2), "correct horse", work=1 << 15)
    world.keys = UnlockedKeys(keyring, lambda: "correct horse")  # type: ignore[assignment]
    number = world.job(linear_circuit([SPREAD]))
    told: list[tuple[int, int, str]] = []

    class Jobs:
        chain_id, address = world.chain.chain_id, world.chain.address

        def open_jobs(self, dataset: int) -> list[tuple[Job, int]]:
            return [(job, 1) for job in world.chain.jobs.values() if not job.state.terminal]

    def say(dataset: int, epoch: int, digest: str) -> str:
        told.append((dataset, epoch, digest))
        return "0xtx"

    def end() -> str:
        return retire(Jobs(), world.store, keyring, 1, 1, lambda: 5, say)

    with pytest.raises(TryAgain):
        end()
    assert world.agent().process(number).what == "done"
    assert end() == "0xtx"
    assert keyring.epochs() == [2]
    assert end() == "0xtx"  # a crash before the transaction: the key is gone, the chain is told again
    assert [entry[:2] for entry in told] == [(1, 1)] * 2
    said = Destroyed.from_bytes(world.store.read(digest_to_cid(Digest(told[0][2])), limit=9999))
    assert (said.dataset, said.epoch) == (1, 1)
    late = world.job(linear_circuit([SPREAD], [1]))
    assert world.agent().process(late).detail == "epoch-closed"
    with pytest.raises(NotFound):
        retire(Jobs(), world.store, keyring, 1, 9, lambda: 5, say)


def test_vault_opens_and_forgets(tmp_path: Path) -> None:
    """A vault asks once an epoch, forgets destroyed epochs, and shows no key when printed."""
    keyring = Keyring(tmp_path / "keys")
    keyring.add(random_keys(1), "right", work=1 << 15)
    asked: list[str] = []

    def passphrase() -> str:
        asked.append("asked")
        return "right"

    vault = UnlockedKeys(keyring, passphrase)
    assert vault.open(1) is vault.open(1)
    assert asked == ["asked"]
    assert repr(vault) == "Vault(epochs=[1])"
    with pytest.raises(WrongPassphrase):
        UnlockedKeys(keyring, lambda: "wrong").open(1)
    keyring.destroy(1)
    with pytest.raises(NotFound):
        vault.open(1)


def test_no_core_dumps() -> None:
    """A hardened process has no core file, shown in a process of its own."""
    import subprocess
    import sys

    program = "import resource; from app.custodian.unlocked_keys import harden; harden(); print(resource.getrlimit(4))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=root)
    assert done.stdout.strip() == "(0, 0)"
    assert harden.__doc__


def test_secrets_stay_out_of_errors(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Outcomes, errors, decisions, the ledger's rows and logs hold no key bit string and no decrypted value."""
    world = MarketInMemory(tmp_path)
    jobs = [world.job(linear_circuit([SPREAD])), world.job(linear_circuit([[1]])), world.job(linear_circuit([SPREAD]))]
    world.chain.licenses[world.chain.jobs[jobs[2]].license] = replace(world.chain.licenses[3], policy=Digest("0" * 64))
    outcomes = world.agent().step()
    key = world.secret.glwe.tobytes()
    ledger = (tmp_path / "ledger.sqlite").read_bytes() + (tmp_path / "ledger.sqlite-wal").read_bytes()
    assert key[:32] not in ledger
    assert world.clear(jobs[0]).astype("<i8").tobytes()[:32] not in ledger
    shown = repr(outcomes) + caplog.text + repr(world.keys.secret) + repr(world.opened(jobs[0]))
    assert "".join(str(bit) for bit in world.secret.glwe[:24]) not in shown
    assert str(int(world.clear(jobs[0])[0, 0])) not in shown


def test_licenses_that_are_over_give_back_what_they_did_not_use(tmp_path: Path) -> None:
    """The agent tells the chain the most bits that a license was told of one person, once its jobs are over."""
    world = MarketInMemory(tmp_path)
    policy = OutputPolicy(max_rank=4)
    used, unused, running = (world.license(policy) for _ in range(3))
    for first, rows in ((0, 20), (10, 20), (40, 10)):  # two of them on rows 10 to 19
        world.job(linear_circuit([SPREAD], [first]), first, rows, license=used)
    world.job(linear_circuit([SPREAD], [77]), license=running, state=JobState.ASSIGNED)
    agent = world.agent()
    agent.step()
    for number in (used, unused, running):
        world.chain.licenses[number] = replace(world.chain.licenses[number], revoked=True)
    agent.step()
    assert world.chain.settled == {}  # not at every step
    world.time += CHORES_EVERY
    agent.step()
    assert world.chain.settled == {used: 8_000_000, unused: 0}


def test_world_keys_are_of_the_reference_profile() -> None:
    """These tests run on the real profile's sizes: the keys have its dimensions."""
    keys = PlainKeys(random_keys(1)).open(1)
    keys.check(REFERENCE)
    assert len(NAMES) == 8
