"""The facade over the contracts: one story, told on the embedded chain and on anvil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.node import DevNode
from app.chain.rpc.node import AnvilNode
from app.protocol.errors import (
    AlreadyReleased,
    LicenseExhausted,
    LicenseExpired,
    LicenseRevoked,
    NotFound,
    NotYourLicense,
    Reverted,
    RowsOutsideDataset,
)
from app.protocol.ids import Address
from app.protocol.market.entities import ZERO, Approval, JobState, LicenseState
from tests.support.market import BITS, DOLLAR, ETHER, HOUR, MarketOnChain, digest, open_market, person, set_stage


def test_a_whole_job_pays_everybody_what_was_agreed(stage: MarketOnChain) -> None:
    """Open, draw, commit, reveal, release, withdraw: every entity and every balance is as the terms say."""
    market = stage.market
    job = stage.open(rows=200)
    opened = market.job(job)
    assert (opened.state, opened.buyer, opened.rows, opened.units) == (JobState.OPEN, stage.buyer.address, 200, 1000)
    assert (opened.circuit, opened.sealing_key) == (digest("circuit of job"), digest("sealing key"))
    assert opened.executions == ()

    drawn = stage.draw(job)
    assert set(drawn) == {each.address for each in stage.providers}
    receipt, salts = digest("receipt"), {address: digest(address) for address in drawn}
    for address in drawn:
        sent = market.commit(stage.by_address(address), job, receipt, salts[address])
        assert sent.value == market.commitment(job, address, receipt, salts[address])
    assert market.job(job).revealing
    outcomes = [market.reveal(stage.by_address(address), job, receipt, salts[address]).value for address in drawn]
    assert outcomes == [JobState.ASSIGNED, JobState.COMPUTED]
    assert market.job(job).receipt == receipt

    market.release(stage.owner, job, sealed=digest("sealed"), decision=digest("decision"))
    done = market.job(job)
    assert done.state is JobState.SETTLED
    assert done.state.terminal
    assert (done.sealed, done.decision, done.deadline) == (digest("sealed"), digest("decision"), 0)

    assert market.license(stage.license).jobs_left == 49
    assert market.license(stage.license).rows_left == 100_000 - 200
    before = market.balance(stage.owner.address)
    paid = sum(sent.value for sent in market.withdraw(stage.owner, market.offers_of(stage.owner.address)))
    assert paid == 5 * DOLLAR + DOLLAR + 200 * 100
    assert market.balance(stage.owner.address) == before + paid
    for address in drawn:
        assert [sent.value for sent in market.withdraw(stage.by_address(address))] == [3000]
    assert market.claim(stage.buyer.address) == 0


def test_reads_say_what_was_written(stage: MarketOnChain) -> None:
    """Dataset, offer, license and provider come back as they were made, alone and in lists."""
    market = stage.market
    dataset = market.dataset(stage.dataset)
    assert (dataset.owner, dataset.custodian) == (stage.owner.address, stage.owner.address)
    assert (dataset.manifest, dataset.data_root, dataset.profile) == (
        digest("manifest"),
        digest("root"),
        digest("profile"),
    )
    assert (dataset.rows, dataset.version, dataset.epoch, dataset.tombstoned) == (1000, 1, 1, False)
    offer = market.offer(stage.offer)
    assert (offer.seller, offer.policy, offer.max_rows) == (stage.owner.address, digest("policy"), 100_000)
    assert market.shares(offer) == [(stage.owner.address, 10_000)]
    bought = market.license(stage.license)
    assert bought.valid_until - bought.valid_from == 30 * 24 * HOUR
    assert bought.state(market.now()) is LicenseState.ACTIVE
    assert [each.id for each in market.datasets()] == [1]
    assert [each.id for each in market.offers(stage.dataset)] == [1]
    assert [each.id for each in market.licenses(stage.buyer.address)] == [1]
    assert not list(market.licenses(stage.owner.address))
    assert [each.address for each in market.providers()] == [each.address for each in stage.providers]
    provider = market.provider(stage.providers[0].address)
    assert (provider.bond, provider.locked, provider.capacity) == (1000 * DOLLAR, 0, 10**6)
    assert (provider.fixed_fee, provider.price, provider.fee(1000)) == (1000, 2_000_000, 3000)
    assert market.finalized_block <= market.block_number


def test_what_does_not_exist_is_not_found(market: Market) -> None:
    """Reading an unknown id raises NotFound, whatever the contract answers."""
    for read in (market.dataset, market.offer, market.license, market.job):
        for number in (0, 1, 10**9):
            with pytest.raises(NotFound):
                read(number)
    with pytest.raises(NotFound):
        market.provider(person("nobody").address)


def test_one_permit_buys_bonds_and_opens(market: Market, node: DevNode) -> None:
    """Without any allowance each payment is one transaction and leaves no allowance behind."""
    buyer, seller, provider = person("permit buyer"), person("permit seller"), person("permit provider")
    for each in (buyer, seller, provider):
        node.fund(each.address, ETHER)
        market.faucet(each, 1000 * DOLLAR)
    market.register_provider(provider, bond=200 * DOLLAR, fixed_fee=4, price=600_000, capacity=10)
    publication = {"manifest": digest("m"), "data_root": digest("r"), "profile": digest("p")}
    dataset = market.publish_dataset(seller, rows=10, **publication).value
    prices: dict[str, Any] = {"price_license": 7, "price_job": 2, "price_row": 1}
    offer = market.create_offer(
        seller, dataset, max_jobs=2, max_rows=20, duration=HOUR, policy=digest("policy"), **prices, **BITS
    ).value
    market.bond_custodian(seller, dataset, 100)
    nonce = node.nonce(buyer.address)
    bought = market.buy_license(buyer, offer).value
    order: dict[str, Any] = {"circuit": digest("c"), "sealing_key": digest("k"), "units": 10, "replicas": 1}
    fee = market.quote_fee(bought, 10, 1, buyer.address)
    market.open_job(buyer, bought, first_row=0, rows=10, max_fee=fee, **order)
    assert node.nonce(buyer.address) == nonce + 2
    assert fee == 10
    assert market.balance(buyer.address) == 1000 * DOLLAR - 7 - 2 - 10 - fee
    assert market.allowance(buyer.address, "JobMarket") == 0


def contested_twice(stage: MarketOnChain) -> None:
    """Two doubts about one job."""
    stage.market.contest(stage.owner, job := stage.compute("doubtful"))
    stage.market.node.advance(2 * HOUR + 60)  # type: ignore[attr-defined]
    stage.market.expire(stage.owner, job)  # no others were there, so the old result stands
    stage.market.contest(stage.owner, job)


def _release_against_the_owners_word(stage: MarketOnChain) -> None:
    job = stage.compute("denied")
    stage.market.deny_job(stage.owner, job)
    stage.market.release(stage.owner, job, sealed=digest("a"), decision=digest("b"))


REFUSALS: list[tuple[str, Callable[[MarketOnChain], object]]] = [
    ("NotDatasetOwner", lambda s: s.market.set_custodian(s.buyer, s.dataset, s.buyer.address)),
    ("NotSeller", lambda s: s.market.deactivate_offer(s.buyer, s.offer)),
    ("BudgetExceeded", lambda s: s.sell(licenses=10**6)),
    ("BudgetOnlyGrows", lambda s: s.sell(budget=1)),
    ("BadTerms", lambda s: s.sell(micro_bits=0)),
    ("SoldOut", lambda s: [s.market.buy_license(s.buyer, offer) for offer in [s.sell(licenses=1)] * 2]),
    ("LicenseNotOver", lambda s: s.market.settle_license(s.owner, s.license, 0)),
    ("NotParty", lambda s: s.market.settle_license(s.buyer, s.license, 0)),
    ("OrderOutdated", lambda s: s.open(version=2)),
    ("OrderOutdated", lambda s: s.open(content=digest("another manifest"))),
    ("CustodianNotBonded", lambda s: s.open(max_fee=101 * DOLLAR)),
    ("CustodianNotBonded", lambda s: s.market.unbond_custodian(s.owner, s.dataset, 101 * DOLLAR)),
    ("StaleHead", lambda s: s.release(s.compute(), head=digest("a head of another ledger"))),
    ("AlreadyContested", contested_twice),
    ("NothingToWithdraw", lambda s: s.market.client.send(s.buyer, "LicenseMarket", "withdraw")),
    ("NotBonded", lambda s: s.market.heartbeat(s.buyer)),
    ("BondTooSmall", lambda s: s.market.register_provider(s.buyer, bond=5, price=1, capacity=1)),
    ("WrongState", lambda s: s.market.commit(s.buyer, s.open(), digest("r"), digest("s"))),
    ("DeadlineNotReached", lambda s: s.market.expire(s.buyer, s.open())),
    ("DrawTooEarly", lambda s: s.market.client.send(s.buyer, "JobMarket", "draw", s.open())),
    ("BadReplicas", lambda s: s.open(replicas=0, max_fee=0)),
    (
        "NotCustodian",
        lambda s: s.market.release(s.buyer, s.compute(), sealed=digest("a"), decision=digest("b")),
    ),
    ("NotOwner", lambda s: s.market.approve_job(s.buyer, s.open())),
    ("AlreadyAnswered", lambda s: [s.market.deny_job(s.owner, job) for job in [s.open()] * 2]),
    ("DeniedByOwner", _release_against_the_owners_word),
    ("FaucetCap", lambda s: s.market.faucet(s.buyer, 10**13)),
    ("ERC20InsufficientBalance", lambda s: s.market.transfer(s.buyer, s.owner.address, 10**15)),
    ("ERC721NonexistentToken", lambda s: s.market.client.read("DatasetRegistry", "get", 77)),
    ("NotGuardian", lambda s: s.market.client.send(s.buyer, "JobMarket", "pause", 60)),
]


def test_a_refusal_has_the_same_name_and_words_on_every_chain(stage: MarketOnChain) -> None:
    """Each custom error arrives as Reverted with its name, in a sentence that holds no undecoded data."""
    for reason, action in REFUSALS:
        with pytest.raises(Reverted) as caught:
            action(stage)
        assert caught.value.reason == reason
        assert caught.value.message.endswith((".", ")"))
        assert "?" not in caught.value.message
        assert "b'" not in caught.value.message


def test_a_refused_action_changes_nothing(stage: MarketOnChain) -> None:
    """A refusal is found before anything is sent: no block, no nonce, no gas."""
    node = stage.market.node
    before = (node.nonce(stage.buyer.address), node.balance(stage.buyer.address))
    with pytest.raises(Reverted):
        stage.market.heartbeat(stage.buyer)
    assert (node.nonce(stage.buyer.address), node.balance(stage.buyer.address)) == before


def test_an_account_without_ether_is_told_so(market: Market) -> None:
    """Too little ether for gas has its own reason on both kinds of chain."""
    with pytest.raises(Reverted, match="too little ether") as caught:
        market.faucet(person("penniless"), 5)
    assert caught.value.reason == "InsufficientFunds"


def test_license_rules_have_typed_errors(embedded_stage: MarketOnChain, staged_chain: EmbeddedChain) -> None:
    """Someone else's, an exhausted, a revoked and an expired license, and rows outside, each raise their own error."""
    stage, market = embedded_stage, embedded_stage.market
    theirs: dict[str, Any] = {
        "circuit": digest("c"),
        "sealing_key": digest("k"),
        "units": 1,
        "replicas": 1,
        "max_fee": 3000,
    }
    with pytest.raises(NotYourLicense):
        market.open_job(stage.owner, stage.license, first_row=0, rows=1, **theirs)
    with pytest.raises(RowsOutsideDataset):
        stage.open(first_row=950, rows=51)
    with pytest.raises(LicenseExhausted):
        stage.open(rows=100_001)
    revoked = market.buy_license(stage.buyer, stage.offer).value
    refund = market.revoke_license(stage.owner, revoked).value
    assert 0 < refund <= 5 * DOLLAR
    assert market.claim(stage.buyer.address) == refund
    with pytest.raises(LicenseRevoked):
        market.open_job(stage.buyer, revoked, first_row=0, rows=1, **theirs)
    staged_chain.advance(31 * 24 * HOUR)
    with pytest.raises(LicenseExpired):
        stage.open()


def test_a_second_release_is_named(embedded_stage: MarketOnChain) -> None:
    """Releasing or refusing a released job raises AlreadyReleased and leaves the first answer in place."""
    stage, market = embedded_stage, embedded_stage.market
    job = stage.compute()
    market.release(stage.owner, job, sealed=digest("first"), decision=digest("decision"))
    with pytest.raises(AlreadyReleased):
        market.release(stage.owner, job, sealed=digest("second"), decision=digest("decision"))
    with pytest.raises(AlreadyReleased):
        market.refuse(stage.owner, job, reason="rank", decision=digest("decision"))
    assert market.job(job).sealed == digest("first")


def test_a_refused_job_keeps_its_reason_and_returns_the_price(stage: MarketOnChain) -> None:
    """The custodian's code and decision are read back, and the buyer can withdraw the price but not the fees."""
    market, job = stage.market, stage.compute()
    market.refuse(stage.owner, job, reason="rank-budget", decision=digest("decision"))
    refused = market.job(job)
    assert (refused.state, refused.reason, refused.decision) == (JobState.REFUSED, "rank-budget", digest("decision"))
    assert refused.sealed == ZERO
    assert market.claim(stage.buyer.address) == DOLLAR + 100 * 100


def test_the_owners_word_is_read_back(stage: MarketOnChain) -> None:
    """A yes or a no stands in the job from any stage on, names its owner in an event, and survives the job's end."""
    market, early, late = stage.market, stage.open("early"), stage.compute("late")
    assert market.job(early).approval is market.job(late).approval is Approval.NONE
    denied = market.deny_job(stage.owner, early)
    assert (denied.value, denied.event("JobDenied").args["owner"]) == (Approval.DENIED, stage.owner.address)
    approved = market.approve_job(stage.owner, late)
    assert (approved.value, approved.event("JobApproved").args["job"]) == (Approval.APPROVED, late)
    assert (market.job(early).approval, market.job(late).approval) == (Approval.DENIED, Approval.APPROVED)
    market.release(stage.owner, late, sealed=digest("sealed"), decision=digest("decision"))
    assert (market.job(late).state, market.job(late).approval) == (JobState.SETTLED, Approval.APPROVED)
    with pytest.raises(Reverted, match="SETTLED"):
        market.deny_job(stage.owner, late)


def test_a_liar_is_outvoted_and_slashed(market: Market) -> None:
    """Two digests make a dispute, a third executor decides it; the job's end burns the minority's stake."""
    stage = set_stage(market, providers=3)
    job = stage.open()
    first = stage.draw(job)
    liar = first[0]
    honest, lie = digest("true receipt"), digest("false receipt")
    stage.answer(job, first, lambda address: lie if address == liar else honest)
    assert market.job(job).state is JobState.DISPUTED
    stage.answer(job, stage.draw(job), honest)
    decided = market.job(job)
    assert (decided.state, decided.receipt, decided.round) == (JobState.COMPUTED, honest, 1)
    assert market.provider(Address(liar)).bond == 1000 * DOLLAR
    market.release(stage.owner, job, sealed=digest("sealed"), decision=digest("decision"))
    assert (market.provider(Address(liar)).bond, market.provider(Address(liar)).in_use) == (900 * DOLLAR, 0)
    assert sum(market.claim(each.address) for each in stage.providers) == 2 * 3000
    assert market.client.read("ProviderRegistry", "burned") == 100 * DOLLAR


def test_a_draw_names_those_that_it_found(market: Market) -> None:
    """When one executor stays silent, the next draw's value is the new one alone, not those who committed before."""
    stage = set_stage(market, providers=3)
    assert isinstance(market.node, DevNode)
    job = stage.open()
    diligent, silent = stage.draw(job)
    market.commit(stage.by_address(diligent), job, digest("receipt"), digest("salt"))
    market.node.advance(HOUR + 60)
    market.expire(stage.buyer, job)
    (judge,) = stage.draw(job)
    assert judge not in (diligent, silent)


def test_silence_ends_in_refunds_by_the_clock(stage: MarketOnChain) -> None:
    """An undrawn job expires after its deadline, by anyone's call, and the buyer has everything back."""
    market, job = stage.market, stage.open()
    assert isinstance(market.node, DevNode)
    market.node.advance(2 * HOUR + 60)
    assert market.expire(stage.owner, job).value is JobState.EXPIRED
    assert market.claim(stage.buyer.address) == DOLLAR + 100 * 100 + 2 * 3000


def test_a_guardian_pauses_new_jobs_only(stage: MarketOnChain) -> None:
    """During a pause no job opens, one that is under way goes on, and the end of the pause is known."""
    market, guardian, job = stage.market, person("guardian"), stage.open()
    assert isinstance(market.node, DevNode)
    market.node.fund(guardian.address, ETHER)
    assert market.pause(guardian, HOUR).value == market.paused_until()
    with pytest.raises(Reverted) as caught:
        stage.open()
    assert caught.value.reason == "NewJobsPaused"
    assert len(stage.draw(job)) == 2
    market.unpause(guardian)
    assert stage.open() == job + 1


def test_a_late_draw_arms_itself_again(stage: MarketOnChain) -> None:
    """After 256 blocks the seed is gone; the same call still ends with executors."""
    market, job = stage.market, stage.open()
    assert isinstance(market.node, DevNode)
    market.node.mine(300)
    assert len(stage.draw(job)) == 2


@pytest.mark.anvil
def test_gas_is_equal_on_the_embedded_chain_and_on_anvil(
    embedded: EmbeddedChain, start_anvil: Callable[..., AnvilNode], tmp_path: Path
) -> None:
    """The same story costs the same gas, step by step, on both chains."""
    gas = []
    anvil = start_anvil("--chain-id", str(embedded.chain_id))  # commitments hold the chain id; zero bytes are cheaper
    chains: tuple[DevNode, ...] = (embedded, anvil)
    for place, chain in enumerate(chains):
        stage = set_stage(open_market(chain, tmp_path / f"{place}.json"))
        warm = {name: stage.gas.pop(name) for name in list(stage.gas)}
        by_order: dict[tuple[int, ...], dict[str, int]] = {}
        for number in range(8):  # the draw's order is random, and what a job costs depends on it a little
            job = stage.open()
            drawn = stage.draw(job)
            stage.answer(job, drawn, digest("receipt"))
            stage.paid(
                "release",
                stage.market.release(stage.owner, job, sealed=digest("s"), decision=digest("d")),
            )
            seats = tuple(stage.market.provider(address).seat for address in drawn)
            if number:  # the first job finds empty accounts
                by_order[seats] = dict(stage.gas)
        gas.append((warm, by_order))
    (warm_here, here), (warm_there, there) = gas
    assert warm_here == warm_there
    common = here.keys() & there.keys()
    assert common
    for order in common:
        assert here[order] == there[order]
        assert set(here[order]) == {"open", "draw", "commit 0", "commit 1", "reveal 0", "reveal 1", "release"}


def test_a_job_keeps_the_version_it_was_opened_on(embedded_stage: MarketOnChain) -> None:
    """After a new version is published, a running job and an auditor still find the old digests."""
    stage, market = embedded_stage, embedded_stage.market
    job = stage.open()
    publication = {"manifest": digest("m2"), "data_root": digest("r2"), "profile": digest("profile")}
    assert market.new_version(stage.owner, stage.dataset, rows=2000, **publication).value == 2
    assert market.dataset(stage.dataset).manifest == digest("m2")
    assert market.job(job).version == 1
    old = market.dataset_version(stage.dataset, 1)
    assert (old.manifest, old.rows, old.version) == (digest("manifest"), 1000, 1)
    assert market.dataset_version(stage.dataset, 2) == market.dataset(stage.dataset)
    with pytest.raises(NotFound):
        market.dataset_version(stage.dataset, 3)
    assert market.new_epoch(stage.owner, stage.dataset, rows=2000, **publication).value == 2
    market.tombstone(stage.owner, stage.dataset, 2, digest("statement"))
    assert market.dataset(stage.dataset).tombstoned
