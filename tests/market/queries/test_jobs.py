"""Jobs, people and money as the pages and the API show them, on a real chain."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.chain.node import DevNode
from app.market.db.database import Database
from app.market.indexer.indexer import Indexer
from app.market.queries import licensing, network, owner
from app.market.queries.audit import audit_facts
from app.market.queries.dataset import dataset
from app.market.queries.jobs import Feed, JobDetail, feed, job, jobs
from app.market.queries.status import status
from app.market.web.pages.escrow import escrow_breakdown
from app.protocol.errors import BadInput, NotFound
from app.protocol.ids import Digest
from app.protocol.market.entities import JobState, LicenseState
from app.protocol.market.receipt import OutputPolicy
from app.storage.folder import BlockStore
from tests.support.market import BITS, DOLLAR, HOUR, MarketOnChain, digest, person

Read = Callable[[int], JobDetail]


@pytest.fixture
def indexer(stage: MarketOnChain, sqlite: Database, store: BlockStore) -> Indexer:
    """Follows the stage."""
    return Indexer(stage.market, store, sqlite)


@pytest.fixture
def read(stage: MarketOnChain, indexer: Indexer, sqlite: Database) -> Read:
    """A job as it is now."""

    def read_now(number: int) -> JobDetail:
        indexer.sync()
        with sqlite.session() as session:
            return job(session, number, now=stage.market.now())

    return read_now


def test_a_job_says_who_must_act_next(stage: MarketOnChain, read: Read) -> None:
    """From the draw to the release each step names its actors and its deadline."""
    number = stage.open("job")
    seen = read(number)
    assert (seen.job.state, seen.job.next.action, seen.job.next.actors) == ("open", "draw", ())
    assert seen.job.next.not_before_block == stage.market.job(number).seed_block + 1
    assert seen.job.next.deadline == stage.market.job(number).deadline
    drawn = stage.draw(number)
    assert read(number).job.next.actors == drawn
    receipt, salt = digest("receipt"), digest("salt")
    stage.market.commit(stage.by_address(drawn[0]), number, Digest(receipt), salt)
    seen = read(number)
    assert (seen.job.next.action, seen.job.next.actors) == ("commit", drawn[1:])
    assert [each.status for each in seen.executions] == ["committed", "drawn"]
    stage.market.commit(stage.by_address(drawn[1]), number, Digest(receipt), salt)
    stage.market.reveal(stage.by_address(drawn[1]), number, receipt, salt)
    seen = read(number)
    assert (seen.job.next.action, seen.job.next.actors) == ("reveal", drawn[:1])
    stage.market.reveal(stage.by_address(drawn[0]), number, receipt, salt)
    seen = read(number)
    assert (seen.job.next.action, seen.job.next.actors) == ("release", (stage.owner.address,))
    assert [each.status for each in seen.executions] == ["revealed", "revealed"]  # a contest may still follow
    stage.market.release(stage.owner, number, sealed=digest("sealed"), decision=digest("decision"))
    seen = read(number)
    assert [each.status for each in seen.executions] == ["agreed", "agreed"]
    assert (seen.job.state, seen.job.next.action, seen.job.next.deadline) == ("settled", "none", 0)
    assert (seen.receipt, seen.sealed, seen.decision) == (receipt, digest("sealed"), digest("decision"))
    assert seen.manifest == digest("manifest")
    told = [entry.event for entry in seen.timeline]
    assert told[0] == "JobOpened"
    assert told[-4:] == ["JobReleased", "PaymentReleased", "PaymentReleased", "JobSettled"]
    assert [entry.at for entry in seen.timeline] == sorted(entry.at for entry in seen.timeline)
    assert all(entry.sentence.endswith(".") and entry.tx.startswith("0x") for entry in seen.timeline)


def test_a_late_job_can_be_expired_by_anyone(stage: MarketOnChain, read: Read) -> None:
    """When a deadline has passed the page says so, and afterwards what became of it."""
    number = stage.open("late")
    node = stage.market.node
    assert isinstance(node, DevNode)
    node.advance(3 * HOUR)
    seen = read(number)
    assert (seen.job.next.action, seen.job.next.overdue) == ("expire", True)
    stage.market.expire(stage.buyer, number)
    seen = read(number)
    assert (seen.job.state, seen.job.next.action) == ("expired", "none")
    assert seen.job.refunded == seen.job.price + seen.job.max_fee
    assert seen.job.closed_at > 0


def test_a_refusal_says_why(stage: MarketOnChain, read: Read, sqlite: Database) -> None:
    """In words, with what to do; a code that is not ours is shown as it is, and cannot break a page."""
    number = stage.compute("refused")
    stage.market.refuse(stage.owner, number, reason="rank-budget", decision=digest("decision"))
    seen = read(number)
    assert seen.job.reason == "rank-budget"
    assert "independent linear forms" in seen.reason_sentence
    other = stage.compute("odd")
    stage.market.refuse(stage.owner, other, reason="a\x00b <script>", decision=digest("decision"))
    seen = read(other)
    assert seen.reason_sentence == "The custodian gave the reason 'a b <script>'."
    with sqlite.session() as session:
        assert [each.id for each in jobs(session, now=0, states=[JobState.REFUSED]).items] == [other, number]


def test_jobs_are_listed_by_every_party(stage: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Buyer, owner, provider, dataset, license and state each find their jobs, newest first, page by page."""
    numbers = [stage.open(f"job {place}") for place in range(5)]
    drawn = stage.draw(numbers[0])
    indexer.sync()
    newest_first = numbers[::-1]
    with sqlite.session() as session:
        for party in (
            {"buyer": stage.buyer.address.lower()}, {"owner": stage.owner.address}, {"dataset": stage.dataset},
            {"license": stage.license}, {"states": [JobState.OPEN, JobState.ASSIGNED]},
        ):  # fmt: skip
            assert [each.id for each in jobs(session, now=0, **party).items] == newest_first
        assert [each.id for each in jobs(session, now=0, provider=drawn[0]).items] == numbers[:1]
        assert not jobs(session, now=0, buyer=stage.owner.address).items
        page = jobs(session, now=0, limit=3)
        assert [each.id for each in page.items] == newest_first[:3]
        page = jobs(session, now=0, limit=3, after=page.next)
        assert [each.id for each in page.items] == newest_first[3:]
        assert page.next is None
        with pytest.raises(BadInput):
            jobs(session, now=0, buyer="nobody")
        with pytest.raises(NotFound):
            job(session, 99, now=0)


def test_a_stream_goes_on_where_it_stopped(stage: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Each event comes once, in order, to whoever asks with the last cursor; others' jobs are left out."""
    number = stage.open("streamed")
    indexer.sync()
    with sqlite.session() as session:
        first, market = feed(session, job=number), feed(session)
    assert [each.name for each in first.items] == ["JobOpened"]
    other = stage.open("other")
    stage.answer(number, stage.draw(number), digest("receipt"))
    indexer.sync()
    names: list[str] = []
    last: str | None = first.last
    with sqlite.session() as session:
        while True:
            page: Feed = feed(session, job=number, after=last, limit=2)
            assert not page.reorganised
            if not page.items:
                break
            names += [each.name for each in page.items]
            last = page.last
        everything = feed(session, after=market.last)
        assert feed(session, job=other, after=None).items[0].job == other
        with pytest.raises(BadInput):
            feed(session, job=number, after="nonsense")
    assert names[0] == "JobAssigned"
    assert names[-1] == "JobComputed"
    assert {"LicenseUsed", "JobOpened", "JobComputed"} <= {each.name for each in everything.items}


def test_the_owner_sees_the_business(stage: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Revenue, claims, what waits for a release, what was refused; and the payments behind them."""
    market = stage.market
    settled, waiting, refused = stage.compute("one"), stage.compute("two"), stage.compute("three")
    market.release(stage.owner, settled, sealed=digest("sealed"), decision=digest("decision"))
    market.refuse(stage.owner, refused, reason="concentration", decision=digest("decision"))
    price = DOLLAR + 100 * 100
    indexer.sync()
    with sqlite.session() as session:
        seen = owner.console(session, stage.owner.address, now=market.now())
        assert [each.id for each in seen.pending] == [waiting]
        assert [each.id for each in seen.refused] == [refused]
        assert seen.earned == seen.uncollected == 5 * DOLLAR + price
        assert [(day.licenses, day.jobs) for day in seen.revenue] == [(5 * DOLLAR, price)]
        (dataset_,) = seen.datasets
        assert (dataset_.waiting, dataset_.running, dataset_.earned) == (1, 0, seen.earned)
        assert (dataset_.budget.released, dataset_.budget.circuits, dataset_.budget.most_circuits) == (1, 1, 1)
        assert owner.console(session, person("stranger").address, now=0).datasets == ()
    market.collect(stage.owner, stage.offer)
    indexer.sync()
    with sqlite.session() as session:
        seen = owner.console(session, stage.owner.address, now=market.now())
        assert (seen.uncollected, seen.claimable) == (0, market.claim(stage.owner.address))
        assert owner.claims(session, stage.owner.address) == market.claims(stage.owner.address)
        kinds = [each.kind for each in owner.payments(session, account=stage.owner.address).items]
        assert kinds == ["collected", "collected", "custody"]
        page = owner.payments(session, limit=3)
        rest = owner.payments(session, limit=100, after=page.next)
        assert len({(each.block, each.tx, each.kind, each.account) for each in (*page.items, *rest.items)}) == len(
            page.items
        ) + len(rest.items)
        fees = [each for each in rest.items if each.kind == "fee"]
        assert sum(each.amount for each in fees) <= network.network(session, now=0).fees


@pytest.fixture
def manual(stage: MarketOnChain, store: BlockStore) -> MarketOnChain:
    """The stage with a license under a policy that leaves each release to the owner."""
    policy = OutputPolicy(approval="manual", release="score", max_rank=2)
    store.put(policy.to_bytes())
    offer = stage.market.create_offer(
        stage.owner, stage.dataset, price_license=0, price_job=0, price_row=0, max_jobs=9, max_rows=900,
        duration=24 * HOUR, policy=policy.digest, **BITS,
    ).value  # fmt: skip
    stage.license = stage.market.buy_license(stage.buyer, offer).value
    return stage


def test_a_job_under_a_manual_policy_waits_for_the_owners_word(manual: MarketOnChain, read: Read) -> None:
    """The card says that it needs one, who has to say it, and what was said, when and where."""
    number = manual.open("asked")
    seen = read(number)
    assert (seen.job.needs_approval, seen.job.approval, seen.job.next.action) == (True, "none", "draw")
    manual.answer(number, manual.draw(number), digest("receipt"))
    seen = read(number)
    assert (seen.job.next.action, seen.job.next.actors) == ("approve", (manual.owner.address,))
    assert "owner has to approve" in seen.job.next.sentence
    assert (seen.approval_by, seen.approval_at, seen.approval_tx) == ("", 0, "")
    sent = manual.market.approve_job(manual.owner, number)
    seen = read(number)
    assert (seen.job.approval, seen.job.next.action) == ("approved", "release")
    assert (seen.approval_by, seen.approval_tx) == (manual.owner.address, sent.tx)
    assert seen.approval_at == manual.market.node.block(sent.block).time
    assert (seen.timeline[-1].event, seen.timeline[-1].actor) == ("JobApproved", manual.owner.address)
    assert "owner approved" in seen.timeline[-1].sentence


def test_a_denied_job_waits_for_its_refusal(stage: MarketOnChain, read: Read) -> None:
    """Also where no word was asked for: it cannot be released, so the custodian has to refuse it."""
    number = stage.compute("unwanted")
    stage.market.deny_job(stage.owner, number)
    seen = read(number)
    assert (seen.job.needs_approval, seen.job.approval) == (False, "denied")
    assert (seen.job.next.action, seen.job.next.actors) == ("refuse", (stage.owner.address,))
    assert seen.timeline[-1].event == "JobDenied"


def test_the_console_asks_the_owner_first(manual: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Computed jobs that need a word, then those on their way, then what only the custodian has to answer."""
    computed, early, late = manual.compute("computed"), manual.open("early"), manual.open("late")
    answered = manual.compute("answered")
    manual.market.approve_job(manual.owner, answered)
    manual.license = 1
    plain, running = manual.compute("plain"), manual.open("running")
    indexer.sync()
    with sqlite.session() as session:
        seen = owner.console(session, manual.owner.address, now=manual.market.now())
        assert [each.id for each in seen.pending] == [computed, early, late, answered, plain]
        assert [each.asks_owner for each in seen.pending] == [True, True, True, False, False]
        assert (seen.pending[0].policy.release, seen.pending[0].policy.max_rank) == ("score", 2)
        assert not seen.pending[4].policy.known
        assert running not in [each.id for each in seen.pending]
        # Past every deadline a word would come too late, and the console does not ask for it.
        later = owner.console(session, manual.owner.address, now=manual.market.now() + 99 * HOUR)
        assert [(each.id, each.asks_owner) for each in later.pending] == [
            (number, False) for number in (computed, answered, plain)
        ]


def test_the_facts_of_an_audit_hold_the_owners_word(manual: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Awaited under a manual policy; once said, with the account that said it and the transaction."""
    number = manual.compute("asked")
    claim = "The dataset's owner approves the release"
    indexer.sync()
    with sqlite.session() as session:
        assert claim in [each.claim for each in audit_facts(session, number).facts if each.status == "open"]
    sent = manual.market.approve_job(manual.owner, number)
    indexer.sync()
    with sqlite.session() as session:
        facts = {each.claim: each for each in audit_facts(session, number).facts}
    assert claim not in facts
    said = facts["The dataset's owner approved the release"]
    assert (said.by, said.source, said.status) == (manual.owner.address, sent.tx, "recorded")


def test_licenses_say_what_they_are_worth_now(stage: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Active, expired with time, revoked by the owner; with what is left and where it came from."""
    stage.open("job", rows=100)
    indexer.sync()
    with sqlite.session() as session:
        held = licensing.license(session, stage.license, now=stage.market.now())
        assert (held.state, held.jobs_left, held.rows_left) == (LicenseState.ACTIVE, 49, 99_900)
        assert licensing.license(session, stage.license, now=held.valid_until + 1).state is LicenseState.EXPIRED
        (listed,) = licensing.licenses(session, now=0, buyer=stage.buyer.address).items
        assert (listed.id, listed.state) == (stage.license, LicenseState.PENDING)
        (terms,) = licensing.offers(session, dataset=stage.dataset, active=True).items
        assert (terms.licenses, terms.sellable, terms.policy.known) == (1, True, False)
        assert terms.shares == (licensing.ShareView(account=stage.owner.address, basis_points=10_000),)
    stage.market.revoke_license(stage.owner, stage.license)
    stage.market.deactivate_offer(stage.owner, stage.offer)
    indexer.sync()
    with sqlite.session() as session:
        held = licensing.license(session, stage.license, now=stage.market.now())
        assert held.state is LicenseState.REVOKED
        assert held.refund > 0
        assert not licensing.offers(session, active=True).items
        assert dataset(session, stage.dataset).offers == ()


def test_providers_are_shown_as_the_draw_sees_them(stage: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Serving, silent after a day, unbonding, gone; with their record."""
    market, (first, second, third) = stage.market, stage.providers
    node = market.node
    assert isinstance(node, DevNode)
    stage.release(stage.compute("job"))
    market.unbond(third)
    indexer.sync()
    with sqlite.session() as session:
        now = market.now()
        states = {each.address: each.state for each in network.providers(session, now=now).items}
        assert states == {first.address: "serving", second.address: "serving", third.address: "unbonding"}
        assert network.provider(session, first.address.lower(), now=now + 25 * HOUR).state == "silent"
        overview = network.network(session, now=now)
        assert (overview.providers, overview.providers_serving, overview.jobs) == (3, 2, 1)
        assert overview.jobs_by_state["settled"] == 1
        assert sum(each.agreed for each in network.providers(session, now=now).items) == 2
        assert sum(each.running for each in network.providers(session, now=now).items) == 0
        pages, after = [], None
        while True:
            page = network.providers(session, now=now, limit=1, after=after)
            pages += [each.address for each in page.items]
            after = page.next
            if after is None:
                break
        assert pages == [*sorted([first.address, second.address]), third.address]
        with pytest.raises(NotFound):
            network.provider(session, person("stranger").address, now=now)
    node.advance(25 * HOUR)
    market.withdraw_bond(third)
    indexer.sync()
    with sqlite.session() as session:
        assert network.provider(session, third.address, now=market.now()).state == "gone"


def test_the_facts_of_an_audit_name_their_transactions(
    stage: MarketOnChain, indexer: Indexer, sqlite: Database
) -> None:
    """Each claim with who made it, where, and the object's name; what has not happened yet is open."""
    number = stage.compute("audited")
    indexer.sync()
    with sqlite.session() as session:
        facts = audit_facts(session, number)
        assert [each.claim for each in facts.facts if each.status == "open"] == [
            "The custodian releases a sealed result, or refuses with a reason"
        ]
        assert facts.facts[0].digest == digest("manifest")
        assert all(each.source.startswith("0x") for each in facts.facts if each.status == "recorded")
        receipts = {each.digest for each in facts.facts if each.claim == "An executor's receipt"}
        assert receipts == {digest("receipt of audited")}
        assert status(session).events > 10


def test_a_contested_job_is_told_as_one(stage: MarketOnChain, read: Read, indexer: Indexer, sqlite: Database) -> None:
    """While others compute again nothing counts as agreed; in the end the page says who was paid and by whom."""
    number = stage.compute("doubtful", replicas=1)
    (first,) = stage.market.job(number).executions
    stage.market.contest(stage.owner, number)
    seen = read(number)
    assert (seen.job.state, seen.job.contested, seen.receipt, seen.job.next.action) == ("disputed", True, "", "draw")
    stage.answer(number, stage.draw(number), digest("receipt of doubtful"))
    assert (read(number).job.state, read(number).receipt) == ("computed", digest("receipt of doubtful"))
    stage.release(number)
    seen = read(number)
    assert [each.status for each in seen.executions] == ["agreed"] * 3
    assert (seen.penalty, seen.job.fees) == (6000, 9000)
    money = escrow_breakdown(seen)
    assert (money.penalty, money.stakes, money.held, money.owner) == (6000, 0, 0, seen.job.price)
    assert {"JobContested", "CustodianPenalized"} <= {entry.event for entry in seen.timeline}
    with sqlite.session() as session:
        detail = dataset(session, stage.dataset)
        assert (detail.custody.bond, detail.custody.held) == (100 * DOLLAR - 6000, 0)
        assert detail.head == stage.market.decision_head(stage.dataset)
        assert (detail.sold.micro_bits, detail.sold.reserved) == (BITS["budget"], BITS["licenses"] * BITS["micro_bits"])
        (terms,) = detail.offers
        assert (terms.micro_bits, terms.licenses_left) == (BITS["micro_bits"], BITS["licenses"] - 1)
        assert not terms.sold_out
        assert licensing.license(session, stage.license, now=0).micro_bits == BITS["micro_bits"]
        assert first.provider in {each.account for each in owner.payments(session).items if each.kind == "fee"}


def test_a_sold_out_offer_is_not_one_that_was_closed(stage: MarketOnChain, indexer: Indexer, sqlite: Database) -> None:
    """Both sell nothing more; the index says why."""
    sold, closed = stage.sell(licenses=1), stage.sell(licenses=1)
    stage.market.buy_license(stage.buyer, sold)
    stage.market.deactivate_offer(stage.owner, closed)
    indexer.sync()
    with sqlite.session() as session:
        cards = [licensing.offer(session, each) for each in (sold, closed)]
    assert [(each.active, each.licenses_left, each.sold_out) for each in cards] == [(False, 0, True), (False, 0, False)]
