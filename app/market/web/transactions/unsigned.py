"""Transactions prepared for a wallet: what will be signed, in words and in bytes. Nothing here signs or sends.

Each function takes the signing account and an order, and returns a `UnsignedTransaction`. Where a payment needs the
token's leave, there are two ways: a permit (sign the typed data, then ask again with the signature: one transaction),
or with `approval` an approval transaction before it, which contract accounts need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.chain.contracts.beside import MANDATES
from app.chain.contracts.custodians import JOBS
from app.chain.contracts.datasets import REGISTRY
from app.chain.contracts.entities import RAW_CODEC
from app.chain.contracts.licensing import LICENSES
from app.chain.contracts.token import COIN, PAYERS
from app.chain.unsigned import UnsignedCall
from app.execution.inputs import load_circuit, load_manifest
from app.market.web.dependencies.state import AppState
from app.market.web.quotes import check_order
from app.market.web.transactions.custody import bond_custodian, contest_job, settle_license, unbond_custodian
from app.market.web.transactions.drafting import after, approve, paying, plain, prepared
from app.market.web.transactions.requests import (
    BondCustodian,
    BuyLicense,
    CreateOffer,
    Faucet,
    OnJob,
    OnMandate,
    OnOffer,
    OpenJob,
    Publish,
    RevokeLicense,
    SettleLicense,
    SignerRequest,
    UnbondCustodian,
    UnsignedTransaction,
    Withdraw,
)
from app.policy.explain import describe_leakage
from app.policy.preflight import Request
from app.protocol.data.manifest import read_manifest
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import NotAllowed
from app.protocol.market.entities import ZERO, Approval, Job
from app.protocol.market.mandate import Mandate
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import describe_bits, person_limit
from app.storage.cid import digest_to_cid


def buy_license(here: AppState, order: BuyLicense) -> UnsignedTransaction:
    """Errors: NotFound, Reverted."""
    terms = here.market.offer(order.offer)
    days = terms.duration / 86_400
    said = (
        f"You buy a license for dataset {terms.dataset} under offer {terms.id}.",
        f"It costs {here.coin.text(terms.price_license)}, paid now to the offer's beneficiaries.",
        f"It allows {terms.max_jobs:,} jobs on {terms.max_rows:,} rows in all, for {days:g} days from the purchase.",
        f"It is guaranteed {describe_bits(terms.micro_bits)} bits about each person; no other buyer can use them up.",
    )
    return paying(here, order, "buy-license", said, LICENSES, terms.price_license, "buy", terms.id)


def open_job(here: AppState, order: OpenJob) -> UnsignedTransaction:
    """Errors: those of `app.policy.preflight`, NotFound, BadDocument."""
    asked = Request(
        load_circuit(here.store, order.circuit), order.rows, order.first_row, order.replicas, order.sealing_key,
        None if order.max_fee is None else int(order.max_fee), order.version, order.content,
    )  # fmt: skip
    verdict, state = check_order(here, order.license, order.account, asked)
    record, terms, price = state.dataset, state.offer, verdict.price
    fee = price.max_fee if asked.max_fee is None else asked.max_fee
    assert terms is not None  # a license has one
    assert fee is not None  # no problem was found
    held = (price.price_job or 0) + (price.price_rows or 0)
    text = here.coin.text
    said: tuple[str, ...] = (
        f"You open a job on rows {order.first_row:,} to {order.first_row + order.rows - 1:,} of dataset {record.id}.",
        f"It is for version {record.version} of it: if the owner publishes another before, nothing is paid.",
        f"It runs under license {order.license}.",
        f"{text(held + fee)} is held in escrow: {text(held)} for the owner when the result is released.",
        f"The rest, {text(fee)}, is for {order.replicas} executors. What they do not earn comes back to you.",
        f"The result will be sealed to the key {order.sealing_key}; only its holder can open it.",
        f"The result says {describe_leakage(verdict.said.micro_bits)} about each person.",
        f"The circuit {order.circuit} is public: providers and auditors see its weights.",
    )
    terms_of_job = (
        order.license,
        order.circuit,
        order.first_row,
        order.rows,
        order.sealing_key,
        verdict.cost.units,
        order.replicas,
        fee,
        verdict.version,
        verdict.content,
    )
    if verdict.program == ZERO:
        return paying(here, order, "open-job", said, JOBS, held + fee, "open", terms_of_job)
    said += ("If an executor's result is wrong, anybody can show that to the contract, which takes its stake.",)
    return paying(here, order, "open-job", said, JOBS, held + fee, "openWithProgram", terms_of_job, verdict.program)


def usual_budget(here: AppState, dataset: int, policy: OutputPolicy) -> int:
    """Micro-bits about each person that a dataset sells where its owner does not say: those of the policy, and never
    less than before. Errors: NotFound, BadDocument, Unavailable.
    """
    codebook = load_manifest(here.store, here.market.dataset(dataset)).codebook
    return max(person_limit(policy, codebook), here.market.budget(dataset).micro_bits)


def create_offer(here: AppState, order: CreateOffer) -> UnsignedTransaction:
    """Errors: NotFound for a dataset, or a policy that no store has; BadDocument; NotAllowed for one that sells row
    keys, whose widths only the owner's home knows; Reverted.
    """
    data = here.store.read(digest_to_cid(order.policy), limit=MAX_DOCUMENT_BYTES)
    policy = OutputPolicy.from_bytes(data)
    if policy.row_keys:
        raise NotAllowed("Row keys are offered where they lie.", "Offer it there: darkroom dataset offer.")
    text, whole = here.coin.text, sum(share.basis_points for share in order.beneficiaries)
    if order.beneficiaries and whole != 10_000:
        raise NotAllowed(f"The shares add up to {whole} basis points.", "Let them add up to 10,000.")
    prices = (int(order.price_license), int(order.price_job), int(order.price_row))
    limits = (order.max_jobs, order.max_rows, order.duration)
    bits = policy.micro_bits_per_license if order.micro_bits is None else order.micro_bits
    budget = usual_budget(here, order.dataset, policy) if order.budget is None else int(order.budget)
    reserved, taken = here.market.budget(order.dataset).reserved, bits * order.licenses
    said = (
        f"You offer licenses for dataset {order.dataset}.",
        f"They cost {text(prices[0])} a license, {text(prices[1])} a job and {text(prices[2])} a row.",
        f"Each allows {order.max_jobs:,} jobs on {order.max_rows:,} rows in all, for {order.duration / 86_400:g} days.",
        f"Jobs may release: {policy.release}. The policy is {order.policy}.",
        f"At most {order.licenses:,} are sold. Each is guaranteed {describe_bits(bits)} bits about each person.",
        f"The dataset sells {describe_bits(budget)} bits about each person over all offers, a sum that never shrinks.",
        f"Offers and licenses have taken {describe_bits(reserved)} of them, and this one takes {describe_bits(taken)}.",
        *(f"{share.account} gets {share.basis_points / 100:g} % of the earnings." for share in order.beneficiaries),
    )
    shares = [(share.account, share.basis_points) for share in order.beneficiaries]
    return plain(
        here,
        order,
        "create-offer",
        said,
        LICENSES,
        "createOffer",
        (order.dataset, *prices, *limits, order.policy, bits, order.licenses, budget),
        shares,
    )


def deactivate_offer(here: AppState, order: OnOffer) -> UnsignedTransaction:
    """Errors: NotFound, Reverted."""
    terms = here.market.offer(order.offer)
    said = (
        f"You close offer {terms.id} for dataset {terms.dataset}. Licenses that were sold stay valid.",
        f"The bits of the {terms.licenses_left:,} that were not sold are for sale again.",
    )
    return plain(here, order, "deactivate-offer", said, LICENSES, "deactivate", terms.id)


def revoke_license(here: AppState, order: RevokeLicense) -> UnsignedTransaction:
    """The refund comes from the owner, by an approval where none covers it. Errors: NotFound, Reverted."""
    held = here.market.license(order.license)
    refund = int(here.market.client.read(LICENSES, "refundOf", held.id))
    said = (
        f"You take license {held.id} of {held.buyer} back for good.",
        f"You pay {here.coin.text(refund)} to its holder for what is unused.",
    )
    first = (
        () if refund <= here.market.allowance(order.account, LICENSES) else (approve(here, order, LICENSES, refund),)
    )
    return after(here, order, "revoke-license", said, first, LICENSES, "revoke", held.id)


def revoke_mandate(here: AppState, order: OnMandate) -> UnsignedTransaction:
    """Errors: NotFound for a mandate that was never granted, or a market without mandates; NotAllowed; Reverted."""
    mandate = _paid_by(here, order)
    said = (
        f"You revoke the mandate of agent {mandate.agent}: {mandate.purpose}",
        "It buys nothing more from then on; jobs that are open run to their end.",
        "What its account holds stays yours: withdraw it.",
    )
    return plain(here, order, "revoke-mandate", said, MANDATES, "revoke", order.mandate)


def withdraw_mandate(here: AppState, order: OnMandate) -> UnsignedTransaction:
    """Errors: those of `revoke_mandate`; NotAllowed where its account holds nothing."""
    mandate = _paid_by(here, order)
    held = here.market.mandate_spent(mandate).balance or 0
    if not held:
        raise NotAllowed("The mandate's account holds nothing, and is owed nothing.", "Nothing is left to do.")
    said = (f"You take {here.coin.text(held)} out of the mandate's account: {mandate.purpose}",)
    terms = tuple(mandate.message.values())
    return plain(here, order, "withdraw-mandate", said, MANDATES, "withdraw", terms)


def _paid_by(here: AppState, order: OnMandate) -> Mandate:
    """A mandate of the order's account. Errors: NotFound, NotAllowed."""
    mandate = here.market.granted_mandate(order.mandate)
    if mandate.payer != order.account:
        raise NotAllowed("Another account pays for this mandate.", "Use the payer's account.")
    return mandate


def withdraw(here: AppState, order: Withdraw) -> UnsignedTransaction:
    """Errors: NotFound, NotAllowed when nothing is owed."""
    market, account = here.market, order.account
    drafts: list[UnsignedCall] = []
    said: list[str] = []
    collected = dict.fromkeys(PAYERS, 0)
    for number in order.offers:
        if account not in (who for who, _ in market.shares(market.offer(number))):
            raise NotAllowed(f"This account has no share in offer {number}.", "Name your own offers.")
        for payer in PAYERS:
            received, distributed = market.client.read(payer, "earnings", number)
            if due := int(received) - int(distributed):
                drafts.append(here.drafter.draft(account, payer, "collect", number, after=len(drafts)))
                said.append(f"You split {here.coin.text(due)} that offer {number} has earned among its beneficiaries.")
                collected[payer] += due
    for payer, owed in market.claims(account).items():
        if owed or collected[payer]:
            drafts.append(here.drafter.draft(account, payer, "withdraw", after=len(drafts)))
            also = " and your part of what is split before" if collected[payer] else ""
            said.append(f"You withdraw {here.coin.text(owed)}{also} from the {payer} contract.")
    if not drafts:
        raise NotAllowed("This account has nothing to withdraw.", "Wait until a license is sold or a job settles.")
    return prepared("withdraw", account, tuple(said), drafts)


def publish(here: AppState, order: Publish) -> UnsignedTransaction:
    """Errors: NotFound for a manifest that no store has, BadDocument, NotAllowed for an epoch that does not follow."""
    data = here.store.read(digest_to_cid(order.manifest), limit=MAX_DOCUMENT_BYTES)
    manifest = read_manifest(data, store=here.store)
    table = manifest.table
    digests = (order.manifest, RAW_CODEC, table.data_root, table.profile, table.rows)
    columns = len(table.codebook.columns)
    what = f"{manifest.card.title!r}: {table.rows:,} rows, {columns} columns, manifest {order.manifest}."
    if order.dataset is None:
        custodian = order.custodian or order.account
        said = (f"You publish a dataset, {what}", f"The account {custodian} will release or refuse its results.")
        return plain(here, order, "publish", said, REGISTRY, "publish", *digests, custodian)
    record = here.market.dataset(order.dataset)
    if table.epoch not in (record.epoch, record.epoch + 1):
        raise NotAllowed(
            f"The manifest is of key epoch {table.epoch}, and dataset {record.id} is in epoch {record.epoch}.",
            "Publish under the present keys or the next ones: darkroom dataset update.",
        )
    fresh = table.epoch == record.epoch + 1
    replaced = (
        f"You replace version {record.version} of dataset {record.id} by {what}",
        "It is under new keys." if fresh else "It is under the same keys.",
        "Jobs that are open go on with the version they name.",
    )
    function = "newEpoch" if fresh else "newVersion"
    return plain(here, order, "publish", replaced, REGISTRY, function, record.id, *digests)


def draw_job(here: AppState, order: OnJob) -> UnsignedTransaction:
    """Errors: NotFound, Reverted."""
    job = here.market.job(order.job)
    return plain(here, order, "draw-job", (f"You draw the executors of job {job.id}.",), JOBS, "draw", job.id)


def approve_job(here: AppState, order: OnJob) -> UnsignedTransaction:
    """Errors: NotFound; NotAllowed for another account than the owner's, a job that is over or answered; Reverted."""
    job = _unanswered(here, order)
    said = (
        f"You approve job {job.id}: the result of {_asked(job)} may be released to the buyer.",
        "Your custodian still holds it to the policy and the budgets, and releases it then or refuses it.",
        "Everybody can see this word, and it cannot be taken back.",
    )
    return plain(here, order, "approve-job", said, JOBS, "approve", job.id)


def deny_job(here: AppState, order: OnJob) -> UnsignedTransaction:
    """Errors: as `approve_job`."""
    job = _unanswered(here, order)
    said = (
        f"You deny job {job.id}: the result of {_asked(job)} is never released.",
        "Your custodian refuses it once it is computed. The buyer then has the price of the job back.",
        "Everybody can see this word, and it cannot be taken back.",
    )
    return plain(here, order, "deny-job", said, JOBS, "deny", job.id)


def _unanswered(here: AppState, order: OnJob) -> Job:
    """The job, if this account may say yes or no to it now. Errors: NotFound, NotAllowed."""
    job = here.market.job(order.job)
    if job.state.terminal:
        raise NotAllowed(f"Job {job.id} is over: it is {job.state.name.lower()}.", "Nothing is left to decide.")
    if here.market.dataset(job.dataset).owner != order.account:
        raise NotAllowed(f"Dataset {job.dataset} belongs to another account.", "Use the owner's account.")
    if job.approval is not Approval.NONE:
        raise NotAllowed(f"Job {job.id} was {job.approval.name.lower()} before.", "The word stands.")
    return job


def _asked(job: Job) -> str:
    last = job.first_row + job.rows - 1
    return f"circuit {job.circuit} on rows {job.first_row:,} to {last:,} of dataset {job.dataset}"


def expire_job(here: AppState, order: OnJob) -> UnsignedTransaction:
    """Errors: NotFound, Reverted."""
    job = here.market.job(order.job)
    said = (f"You move job {job.id} on: the deadline of its state ({job.state.name.lower()}) has passed.",)
    return plain(here, order, "expire-job", said, JOBS, "expire", job.id)


def faucet(here: AppState, order: Faucet) -> UnsignedTransaction:
    """Test tokens, from the test token's own faucet. Errors: NotAllowed on a market with real money, Reverted."""
    if not here.market.coin_is_test:
        raise NotAllowed("This market's token has no faucet.", "Get some of the token elsewhere.")
    amount = int(order.amount)
    said = (f"You mint {here.coin.text(amount)} of test money for yourself.",)
    return plain(here, order, "faucet", said, COIN, "faucet", order.account, amount)


Prepare = Callable[[AppState, Any], UnsignedTransaction]
ACTIONS: dict[str, tuple[Prepare, type[SignerRequest], str]] = {
    "buy-license": (buy_license, BuyLicense, "Buy a license from an offer."),
    "open-job": (open_job, OpenJob, "Open a job with a published circuit under a license."),
    "create-offer": (create_offer, CreateOffer, "Offer licenses for a dataset under a published policy."),
    "deactivate-offer": (deactivate_offer, OnOffer, "Sell no more licenses from an offer."),
    "revoke-license": (revoke_license, RevokeLicense, "Take a license back and refund what is unused."),
    "revoke-mandate": (revoke_mandate, OnMandate, "End what a software agent may buy for the account."),
    "withdraw-mandate": (withdraw_mandate, OnMandate, "Take home what a software agent's mandate holds."),
    "withdraw": (withdraw, Withdraw, "Collect offers' earnings and withdraw what is owed to the account."),
    "publish": (publish, Publish, "Record a dataset whose manifest is published, or a new version of one."),
    "draw-job": (draw_job, OnJob, "Draw a job's executors; anyone may."),
    "approve-job": (approve_job, OnJob, "Say yes to the release of a job's result, as the dataset's owner."),
    "deny-job": (deny_job, OnJob, "Say no to the release of a job's result, as the dataset's owner."),
    "expire-job": (expire_job, OnJob, "Move a job on whose deadline has passed; anyone may."),
    "contest-job": (contest_job, OnJob, "Have others compute a job again, as the dataset's custodian."),
    "bond-custodian": (bond_custodian, BondCustodian, "Add to what answers for a custodian's silence; anyone may."),
    "unbond-custodian": (unbond_custodian, UnbondCustodian, "Take back a custodian's bond that no open job holds."),
    "settle-license": (settle_license, SettleLicense, "Give back to a dataset what a license did not use."),
    "faucet": (faucet, Faucet, "Mint test tokens, where the market's token is the test token."),
}
