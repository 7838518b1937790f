"""Commitments are recomputed, in the chain's order: what an auditor says of rounds that no honest contract lets by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from app.auditor.report import CheckStatus
from app.auditor.rounds import agreement, commitments
from app.chain.contracts.abi import Interface
from app.chain.contracts.entities import commitment
from app.chain.events import Event
from app.protocol.errors import NotFound
from app.protocol.ids import Address, Digest, Seconds, TxHash
from app.protocol.market.entities import ZERO, Job, JobState
from contracts import load
from tests.support.market import digest

JOB, CHAIN = 7, 31337
MARKET, FIRST, SECOND, STRANGER = (Address("0x" + letter * 40) for letter in "1234")
RECEIPT, OTHER = digest("receipt"), digest("another receipt")
JOBS = Interface(load("JobMarket").abi)


@dataclass
class Rounds:
    """A job's events and the transactions behind its reveals."""

    events: list[Event] = field(default_factory=list)
    calls: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    chain_id: int = CHAIN
    address: Address = MARKET

    def say(self, name: str, **args: object) -> Event:
        """One more event, in a block of its own."""
        block = len(self.events) + 1
        event = Event("JobMarket", name, {"job": JOB, **args}, block, f"0x{block:064x}", TxHash(f"0x{block:064x}"), 0)
        self.events.append(event)
        return event

    def promise(self, who: str, receipt: str = RECEIPT, **other: object) -> None:
        """A commitment; `other` are facts that it binds in the place of the true ones."""
        facts: dict[str, object] = {"chain_id": CHAIN, "market": MARKET, "job": JOB, "provider": who, **other}
        made = commitment(receipt=Digest(receipt), salt=digest(f"salt of {who}"), **facts)  # type: ignore[arg-type]
        self.say("Committed", provider=who, commitment=made)

    def show(self, who: str, receipt: str = RECEIPT, salt: str = "") -> None:
        """A reveal, sent to the market."""
        event = self.say("Revealed", provider=who, receipt=receipt)
        call = JOBS.encode_call("reveal", (JOB, receipt, salt or digest(f"salt of {who}")))
        self.calls[event.tx] = MARKET, call

    def reveal_call(self, job: int, receipt: Digest) -> bytes:
        """As the market's own."""
        return JOBS.encode_call("reveal", (job, receipt, ZERO))[:-32]

    def call_of(self, tx: TxHash) -> tuple[str, bytes]:
        """As a node has them."""
        if tx not in self.calls:
            raise NotFound("There is no such transaction.")
        return self.calls[tx]

    def found(self) -> list[tuple[str, str]]:
        """What is said of each reveal, and why."""
        return [(str(check.status), check.detail) for check in commitments(JOB, self.events, self)]


def honest() -> Rounds:
    """Two executors' rounds, to their end."""
    rounds = Rounds()
    rounds.say("JobOpened")
    rounds.say("JobAssigned", providers=(FIRST, SECOND))
    for who in (FIRST, SECOND):
        rounds.promise(who)
    rounds.say("RevealsOpen")
    for who in (FIRST, SECOND):
        rounds.show(who)
    rounds.say("JobComputed", receipt=RECEIPT)
    rounds.say("JobReleased")
    return rounds


def job(**changes: object) -> Job:
    """The job of these rounds."""
    made = Job(
        id=JOB, license=1, dataset=1, buyer=STRANGER, state=JobState.SETTLED, circuit=ZERO, first_row=0, rows=1,
        sealing_key="", units=1, replicas=2, executions=(), receipt=RECEIPT, sealed=ZERO, decision=ZERO,
        deadline=Seconds(0), opened_block=1,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_honest_rounds() -> None:
    """Every commitment is recomputed and the receipt was agreed on, in whatever order a node tells the events."""
    rounds = honest()
    rounds.events.reverse()
    assert [status for status, _ in rounds.found()] == ["confirmed", "confirmed"]
    assert agreement(job(), rounds.events)[0] is CheckStatus.CONFIRMED


def _swap(rounds: Rounds, first: int, second: int) -> None:
    """Two events change places in the chain."""
    one, two = rounds.events[first], rounds.events[second]
    rounds.events[first] = replace(one, block=two.block)
    rounds.events[second] = replace(two, block=one.block)


def _recommit(rounds: Rounds, other: dict[str, object]) -> None:
    """The first executor's promise binds other facts."""
    del rounds.events[2]
    kept, rounds.events = rounds.events, []
    rounds.promise(FIRST, **other)  # type: ignore[arg-type]
    rounds.events = [*kept, replace(rounds.events[0], block=3)]


def _edit(rounds: Rounds, place: int, **args: object) -> None:
    event = rounds.events[place]
    rounds.events[place] = replace(event, args={**event.args, **args})


PROMISES: dict[str, dict[str, object]] = {
    "of another receipt": {"receipt": OTHER},
    "of another provider": {"provider": SECOND},
    "of another job": {"job": JOB + 1},
    "on another chain": {"chain_id": 1},
    "on another market": {"market": STRANGER},
}
FAULTS: dict[str, tuple[Callable[[Rounds], object], str]] = {
    "a forged commitment": (lambda r: _edit(r, 2, commitment=digest("forged")), "do not give its commitment"),
    "no commitment": (lambda r: r.events.pop(2), "had committed to nothing"),
    "a reveal before the commitment": (lambda r: _swap(r, 2, 5), "had committed to nothing"),
    "a reveal before the other's commitment": (lambda r: _swap(r, 4, 5), "while others could still commit"),
    "a commitment after the other's reveal": (lambda r: _swap(r, 2, 4), "when receipts were shown already"),
    "a reveal after the agreement": (lambda r: _swap(r, 5, 7), "after the result was agreed on"),
    "a reveal after the release": (lambda r: _swap(r, 5, 8), "it revealed after"),
    "a second reveal": (lambda r: r.events.insert(6, replace(r.events[5], index=1)), "had revealed before"),
    "nobody drew it": (lambda r: _edit(r, 1, providers=(STRANGER, SECOND)), "was not drawn"),
    "it had declined": (
        lambda r: r.events.insert(2, replace(r.events[1], name="Declined", args={"provider": FIRST}, index=1)),
        "was not drawn",
    ),
    "another salt": (
        lambda r: r.calls.update({r.events[5].tx: (MARKET, r.calls[r.events[5].tx][1][:-1] + b"\0")}),
        "do not give its commitment",
    ),
    "a call of another function": (
        lambda r: r.calls.update({r.events[5].tx: (MARKET, b"1234")}),
        "do not give its commitment",
    ),
    **{f"a commitment {name}": (partial(_recommit, other=other), "do not give") for name, other in PROMISES.items()},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault: str) -> None:
    """One fault in the rounds: exactly the reveal that it concerns is wrong, for that reason."""
    spoil, why = FAULTS[fault]
    rounds = honest()
    spoil(rounds)
    wrong = [detail for status, detail in rounds.found() if status == "wrong"]
    assert wrong
    assert all(why in detail for detail in wrong)


def test_a_wallet_that_is_a_contract() -> None:
    """Where the call stands inside another one its salt is read there; where it does not, nothing is said."""
    rounds = honest()
    tx = rounds.events[5].tx
    direct = rounds.calls[tx][1]
    rounds.calls[tx] = STRANGER, b"\x01" * 36 + direct + b"\0" * 9
    assert rounds.found()[0][0] == "confirmed"
    rounds.calls[tx] = STRANGER, b"\x01" * 36
    assert rounds.found()[0] == ("open", "its transaction does not show the salt, which only the contract has compared")
    rounds.calls[tx] = STRANGER, b"\x01" * 36 + direct[:-1] + b"\0"
    assert rounds.found()[0][0] == "wrong"
    rounds.calls[tx] = MARKET, b"\x01" * 36 + direct  # the market itself takes no call inside another
    assert rounds.found()[0][0] == "wrong"


def test_a_node_that_has_no_transaction() -> None:
    """What cannot be had accuses nobody."""
    rounds = honest()
    rounds.calls.clear()
    assert {status for status, _ in rounds.found()} == {"open"}


def test_agreement() -> None:
    """Enough reveals before it, the job's own receipt, and no release without it; a contest may leave another one."""
    alone = honest()
    del alone.events[6]
    assert "only 1 executors" in agreement(job(), alone.events)[2]
    assert agreement(job(receipt=OTHER), honest().events)[0] is CheckStatus.WRONG
    early = honest()
    _swap(early, 7, 8)
    assert agreement(job(), early.events)[0] is CheckStatus.WRONG
    assert agreement(job(receipt=ZERO), Rounds().events)[0] is CheckStatus.OPEN
    contested = honest()
    contested.events.pop()
    contested.say("JobContested")
    others = [Address("0x" + letter * 40) for letter in "567"]
    contested.say("JobAssigned", providers=others)
    for who in others:
        contested.promise(who, OTHER)
    contested.say("RevealsOpen")
    for who in others:
        contested.show(who, OTHER)
    contested.say("JobComputed", receipt=OTHER)
    assert [status for status, _ in contested.found()] == ["confirmed"] * 5
    assert agreement(job(receipt=OTHER), contested.events)[0] is CheckStatus.CONFIRMED
