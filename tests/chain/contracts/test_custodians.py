"""What custodians put up, and how their answers hang together."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.chain.contracts.client import ContractClient
from app.chain.contracts.entities import content_of, next_head
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.node import ChainNode, DevNode, Log, Topics
from app.client.custody import ensure_custody
from app.protocol.errors import NotFound, Reverted, VerificationFailed
from app.protocol.ids import Address, Seconds, Units
from app.protocol.market.entities import ZERO, BitBudget, Custody, JobState
from tests.support.market import BITS, DOLLAR, HOUR, MICRO, MarketOnChain, crowd, digest, open_market, set_stage


class Forgetful:
    """A node that keeps back the last event of one kind."""

    def __init__(self, node: ChainNode, topic: bytes) -> None:
        self._node, self._topic = node, topic
        self.begun: list[int] = []  # the first block of each question

    def __getattr__(self, name: str) -> object:
        return getattr(self._node, name)

    def logs(self, first: int, last: int, addresses: Collection[str], topics: Topics = ()) -> Sequence[Log]:
        """All but one."""
        self.begun.append(first)
        found = self._node.logs(first, last, addresses, topics)
        return found[:-1] if topics and topics[0] == self._topic else found


def test_answers_form_one_chain_on_each_dataset(stage: MarketOnChain) -> None:
    """Each answer goes on from the one before, wherever they are read from; another dataset's do not count."""
    market = stage.market
    assert (market.decision_head(stage.dataset), market.decisions(stage.dataset)) == (ZERO, [])
    first, second = stage.compute("first"), stage.compute("second")
    stage.release(second)
    market.refuse(stage.owner, first, reason="rank-budget", decision=digest("refusal"))
    released, refused = market.decisions(stage.dataset)
    assert (released.job, released.sealed, released.reason) == (second, digest(f"sealed {second}"), "")
    assert (refused.job, refused.sealed, refused.reason) == (first, ZERO, "rank-budget")
    assert released.head == next_head(ZERO, second, digest(f"decision {second}"))
    assert refused.head == next_head(released.head, first, digest("refusal")) == market.decision_head(stage.dataset)
    assert released.block < refused.block
    assert market.decisions(stage.dataset, after=released.head) == [refused]
    assert market.decisions(stage.dataset, after=released.head, first=released.block) == [refused]
    assert market.decisions(stage.dataset, after=refused.head, first=refused.block) == []
    other = market.publish_dataset(
        stage.owner, manifest=digest("m"), data_root=digest("r"), profile=digest("p"), rows=5
    ).value
    assert market.decisions(other) == []
    assert market.decision_head(other) == ZERO


def test_a_second_ledger_cannot_answer(stage: MarketOnChain) -> None:
    """Who goes on from a head that is not the present one is refused, in words that name the present one."""
    first, second = stage.compute("first"), stage.compute("second")
    restored = stage.market.decision_head(stage.dataset)
    stage.release(first, head=restored)
    with pytest.raises(Reverted, match="came first") as caught:
        stage.release(second, head=restored)
    assert caught.value.reason == "StaleHead"
    assert stage.market.decision_head(stage.dataset) in caught.value.message
    stage.release(second)


def test_no_node_can_leave_an_answer_out(embedded_stage: MarketOnChain) -> None:
    """A missing event, and a head that this dataset never had, are VerificationFailed, read from the start or later."""
    market, dataset = embedded_stage.market, embedded_stage.dataset
    for label in ("one", "two"):
        embedded_stage.release(embedded_stage.compute(label))
    one, _ = market.decisions(dataset)
    topic = market.client.contracts["JobMarket"].interface.topic("JobReleased")
    node: Any = Forgetful(market.node, topic)
    forgetful = Market(ContractClient(node, list(market.client.contracts.values())), market.deployment)
    known: tuple[dict[str, Any], ...] = ({}, {"after": one.head}, {"after": one.head, "first": one.block})
    for place in known:
        with pytest.raises(VerificationFailed):
            forgetful.decisions(dataset, **place)
    foreign: tuple[dict[str, Any], ...] = (
        {"after": digest("another's")},
        {"after": digest("another's"), "first": one.block},
    )
    for place in foreign:
        with pytest.raises(VerificationFailed):
            market.decisions(dataset, **place)


def test_the_next_answers_are_read_from_the_last_known_one_on(embedded_stage: MarketOnChain) -> None:
    """A custodian asks after each of its answers; what it asks does not grow with those before, nor with all jobs."""
    market, dataset = embedded_stage.market, embedded_stage.dataset
    for label in ("one", "two", "three"):
        embedded_stage.release(embedded_stage.compute(label))
    known, second, third = market.decisions(dataset)
    node: Any = Forgetful(market.node, b"")
    asked = Market(ContractClient(node, list(market.client.contracts.values())), market.deployment)
    assert asked.decisions(dataset, after=known.head, first=known.block) == [second, third]
    assert min(node.begun) == known.block


def test_the_bond_holds_what_open_jobs_may_cost(stage: MarketOnChain) -> None:
    """Each open job holds its fees of the bond; what is free can be taken back, and the job's end frees the rest."""
    market, dataset = stage.market, stage.dataset
    assert market.custody(dataset) == Custody(Units(100 * DOLLAR), Units(0))
    assert ensure_custody(market, stage.owner, dataset, 100 * DOLLAR) is None
    job = stage.compute()
    assert market.custody(dataset) == Custody(Units(100 * DOLLAR), Units(6000))
    with pytest.raises(Reverted, match="99994000 token units free"):
        market.unbond_custodian(stage.owner, dataset, 100 * DOLLAR)
    assert market.unbond_custodian(stage.owner, dataset, 100 * DOLLAR - 6000).value == 6000
    assert market.claims(stage.owner.address)["JobMarket"] == 100 * DOLLAR - 6000
    stage.release(job)
    assert market.custody(dataset) == Custody(Units(6000), Units(0))
    topped = ensure_custody(market, stage.owner, dataset, 7000)
    assert topped is not None
    assert topped.value == 7000


def test_a_silent_custodian_pays_the_buyers_lost_fees(stage: MarketOnChain) -> None:
    """The executors keep their fees, the buyer has price and fees back, and the bond bears it."""
    market, job = stage.market, stage.compute()
    assert isinstance(market.node, DevNode)
    market.node.advance(3 * HOUR + 60)
    assert market.expire(stage.buyer, job).value is JobState.EXPIRED
    assert market.claim(stage.buyer.address) == DOLLAR + 100 * 100 + 2 * 3000
    assert sum(market.claim(each.address) for each in stage.providers) == 2 * 3000
    assert market.custody(stage.dataset) == Custody(Units(100 * DOLLAR - 6000), Units(0))


@pytest.mark.parametrize("honest", [True, False])
def test_a_contest_is_decided_by_others(embedded: EmbeddedChain, tmp_path: Path, honest: bool) -> None:
    """When others agree with the first result the custodian's bond pays them; when not, the liars' stakes do."""
    market = open_market(embedded, tmp_path / "deployment.json")
    stage = set_stage(market, providers=5)
    job = stage.open()
    drawn = stage.draw(job)
    truth = digest("true receipt")
    stage.answer(job, drawn, truth if honest else digest("an agreed lie"))
    assert market.contest(stage.owner, job).value is market.job(job).state is JobState.DISPUTED
    assert (market.job(job).contested_from, market.job(job).receipt) == (2, ZERO)
    others = stage.draw(job)
    assert not set(others) & set(drawn)
    assert len(others) == 3
    stage.answer(job, others, truth)
    assert (market.job(job).state, market.job(job).receipt) == (JobState.COMPUTED, truth)
    stage.release(job)
    assert [market.claim(each) for each in others] == [3000] * 3
    assert [market.claim(each) for each in drawn] == [3000 if honest else 0] * 2
    assert [market.provider(Address(each)).bond for each in drawn] == [(1000 if honest else 900) * DOLLAR] * 2
    assert market.custody(stage.dataset) == Custody(Units(100 * DOLLAR - (3 * 3000 if honest else 0)), Units(0))


def test_an_order_is_for_the_version_it_was_quoted_for(stage: MarketOnChain) -> None:
    """A dataset that moved on refuses an order quoted before, and takes the same order for what is there now."""
    market = stage.market
    quoted = market.dataset(stage.dataset)
    publication = {"manifest": digest("m2"), "data_root": digest("r2"), "profile": digest("profile")}
    market.new_version(stage.owner, stage.dataset, rows=1000, **publication)
    with pytest.raises(Reverted, match="version 2 now") as caught:
        stage.open(version=quoted.version, content=content_of(quoted))
    assert caught.value.reason == "OrderOutdated"
    present = market.dataset(stage.dataset)
    assert market.job(stage.open(version=2, content=content_of(present))).version == 2
    assert market.job(stage.open()).version == 2


def test_bits_are_sold_once_and_what_is_unused_returns(stage: MarketOnChain) -> None:
    """Offers reserve what their licenses guarantee; closing one, and settling a license that is over, give back."""
    market, dataset = stage.market, stage.dataset
    sold = BITS["micro_bits"] * BITS["licenses"]
    assert market.budget(dataset) == BitBudget(BITS["budget"], sold)
    offer = stage.sell(micro_bits=3 * MICRO, licenses=2, budget=None)
    assert (market.offer(offer).micro_bits, market.offer(offer).licenses_left) == (3 * MICRO, 2)
    assert market.budget(dataset).reserved == sold + 6 * MICRO
    license = market.buy_license(stage.buyer, offer).value
    assert (market.license(license).micro_bits, market.license(license).settled) == (3 * MICRO, False)
    market.deactivate_offer(stage.owner, offer)
    assert (market.offer(offer).active, market.offer(offer).licenses_left) == (False, 0)
    assert market.budget(dataset).reserved == sold + 3 * MICRO
    market.revoke_license(stage.owner, license)
    assert market.settle_license(stage.owner, license, MICRO).value == 2 * MICRO
    assert market.license(license).settled
    assert market.budget(dataset) == BitBudget(BITS["budget"], sold + MICRO)
    with pytest.raises(Reverted, match="settled before"):
        market.settle_license(stage.owner, license, 0)
    with pytest.raises(NotFound):
        market.settle_license(stage.owner, 99, 0)


def test_the_last_license_closes_the_offer(embedded_stage: MarketOnChain) -> None:
    """An offer of one license is sold out by one sale."""
    offer = embedded_stage.sell(licenses=1)
    embedded_stage.market.buy_license(embedded_stage.buyer, offer)
    assert (embedded_stage.market.offer(offer).active, embedded_stage.market.offer(offer).licenses_left) == (False, 0)


def test_a_used_license_is_settled_when_no_job_can_run(
    embedded_stage: MarketOnChain, staged_chain: EmbeddedChain
) -> None:
    """A revoked license whose job may still be released keeps its bits until the longest life of a job is over."""
    market = embedded_stage.market
    embedded_stage.open()
    market.revoke_license(embedded_stage.owner, embedded_stage.license)
    with pytest.raises(Reverted) as caught:
        market.settle_license(embedded_stage.owner, embedded_stage.license, 0)
    assert caught.value.reason == "JobsMayRun"
    staged_chain.advance(market.longest_life() + 60)
    market.settle_license(embedded_stage.owner, embedded_stage.license, 0)


def test_a_draw_goes_on_in_a_large_table(embedded_stage: MarketOnChain) -> None:
    """Among more seats than one call looks at, drawing finds the two that can take the job, in one call or more."""
    crowd(embedded_stage, 70)
    market = embedded_stage.market
    able = {each.address for each in embedded_stage.providers[:2]}
    for _ in range(8):  # one call finds both in one of five draws; each job stays on its executors
        job = embedded_stage.open(rows=1)
        drawn = embedded_stage.draw(job)
        assert set(drawn) == able
        assert [each.provider for each in market.job(job).executions] == list(drawn)
        assert market.job(job).state is JobState.ASSIGNED
        if market.client.find("JobMarket", "DrawContinued", market.first_block, market.block_number, job):
            return
    pytest.fail("no draw needed a second call")


def test_a_dead_seat_is_evicted_for_a_bounty(embedded_stage: MarketOnChain, staged_chain: EmbeddedChain) -> None:
    """Who shows no sign of life loses seat and bounty, and sits again once it gives a sign."""
    market, quiet = embedded_stage.market, embedded_stage.providers[0]
    before = market.balance(embedded_stage.buyer.address)
    staged_chain.advance(24 * HOUR + 60)
    bounty = market.evict(embedded_stage.buyer, quiet.address).value
    assert bounty == market.stake_floor() // 200
    assert market.balance(embedded_stage.buyer.address) == before + bounty
    record = market.provider(quiet.address)
    assert (record.seat, record.bond) == (0, 1000 * DOLLAR - bounty)
    market.heartbeat(quiet)
    assert market.provider(quiet.address).seat > 0
    market.compact(embedded_stage.buyer, 4)
    assert dataclasses.replace(market.provider(quiet.address), heartbeat=Seconds(0)).bond == record.bond
