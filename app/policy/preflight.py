"""Every check that an order meets, made before money moves. Pure.

One function for every door: rehearsal, quote, `explain`, dry run, the real order, the API and the pages. They differ in
what they know (a license, an offer, an account, a sealing key) and in what they do with a problem, never in the rules:
who would be refused by the real order is told so by all of them, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from app.chain.contracts.abi import CustomError
from app.chain.contracts.messages import reverted
from app.execution.market_state import MarketState
from app.policy.explain import Explanation, explain
from app.policy.judge import Kept
from app.policy.judging import why_unjudged
from app.policy.quote import Quote, quote
from app.protocol.errors import BadKey, DarkroomError, LicenseExhausted, Unavailable, UsageError
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, check_rows, check_use
from app.protocol.market.mandate import MandateAction, MandateState
from app.protocol.policy.leakage import Released
from app.protocol.policy.mandates import told_under
from app.protocol.policy.reasons import Reason, refusal
from app.seal.hpke import usable
from fhe.circuit.circuit import Circuit
from fhe.circuit.compatible import check_dataset
from fhe.circuit.cost import Cost, cost

REPLICAS = 2  # by default
MAX_REPLICAS = 5  # JobMarket.MAX_REPLICAS


@dataclass(frozen=True)
class Request:
    """What would be ordered."""

    circuit: Circuit
    rows: int
    first_row: int = 0
    replicas: int = REPLICAS
    sealing_key: str | None = None  # hex; None where it is not chosen yet
    max_fee: int | None = None  # token units; None bids the usual fee
    version: int | None = None  # of the dataset that was quoted; None: the present one
    content: str | None = None  # likewise what that version binds


@dataclass(frozen=True)
class Preflight:
    """What an order would cost and tell, and every reason why it would not go through; no problems: it would."""

    request: Request
    cost: Cost  # of one executor's work
    price: Quote
    said: Explanation
    problems: tuple[DarkroomError, ...]
    version: int  # of the dataset that was judged
    content: str  # what that version binds, as an order names it
    program: Digest = ZERO  # that the order states, so that a contract can judge its results; zeros where none can
    unjudged: str = ""  # why none can, in words; also "" in a market without such contracts

    @property
    def ready(self) -> bool:
        """Whether the real order would go through now, as far as public facts decide."""
        return not self.problems

    def require(self) -> None:
        """Raise the first problem, if there is one."""
        if self.problems:
            raise self.problems[0]

    def sentences(self) -> list[str]:
        """The whole for a person to read: what keeps the order from going through first."""
        stops = [f"It cannot be ordered now ({each.code}): {each}" for each in self.problems]
        return [*stops, *self.said.sentences(), *([self.unjudged] if self.unjudged else [])]

    def listed(self) -> list[dict[str, str]]:
        """The problems for programs: code, message and next step of each."""
        return [{"code": each.code, "message": each.message, "next_step": each.next_step} for each in self.problems]


def preflight(
    request: Request,
    state: MarketState,
    history: Sequence[Released],
    kept: Kept,
    mandate: MandateState | None = None,
) -> Preflight:
    """Judge an order by everything that is public; under a `mandate` also by what its payer granted.

    `history`: what was released on the dataset, and what the license's open jobs will be told; `kept`: the sampled
    outputs of its circuits with lookups. What only the custodian knows (how many jobs its keys have served) and what
    others order meanwhile stays open. Errors: BadModel for a circuit of another dataset, or that reads what is not
    published.
    """
    table, held = state.table, state.license
    check_dataset(request.circuit, table)
    work = cost(request.circuit, state.profile, request.rows)
    said = explain(
        request.circuit,
        table,
        state.profile,
        state.policy,
        request.rows,
        first_row=request.first_row,
        license=held.id if held else 0,
        version=state.dataset.version,
        dataset=state.dataset,
        guaranteed=held.micro_bits if held else state.offer.micro_bits if state.offer else None,
        history=history,
        kept=kept,
    )
    price = quote(
        work,
        state.offer,
        state.providers,
        state.draw,
        rows=request.rows,
        replicas=request.replicas,
        commit_window=state.commit_window,
        work_of=lambda rows: cost(request.circuit, state.profile, rows).units,
    )
    if mandate is not None:
        state = replace(state, balance=None)  # refunds that it is owed count too, and `_granted` looks at them
    found = [*_market(request, state), *_rules(request, state, said, work), *_money(request, state, price)]
    if mandate is not None:
        found += _granted(request, state, said, price, mandate, history)
    program = ZERO if said.fault else state.program(request.circuit, request.rows)
    judged_by = (request.circuit, state.profile, table, request.rows)
    unjudged = why_unjudged(*judged_by) if state.judges and not said.fault else ""
    return Preflight(request, work, price, said, tuple(found), state.dataset.version, state.content, program, unjudged)


def _market(request: Request, state: MarketState) -> Iterator[DarkroomError]:
    """What the contracts say of dataset, license and order."""
    record, held, offer = state.dataset, state.license, state.offer
    if state.now <= state.paused_until:
        yield reverted(CustomError("NewJobsPaused", {"until": state.paused_until}))
    if record.tombstoned:
        yield reverted(CustomError("DatasetClosed", {"dataset": record.id}))
    try:
        if held is not None:
            check_use(held, record, state.buyer, request.first_row, request.rows, state.now)
        else:
            check_rows(record, request.first_row, request.rows)
    except DarkroomError as error:
        yield error
    if held is None and offer is not None:
        if not offer.active:
            yield reverted(CustomError("OfferInactive", {"offer": offer.id}))
        elif not offer.licenses_left:
            yield reverted(CustomError("SoldOut", {"offer": offer.id}))
        elif offer.seller.lower() != record.owner.lower():
            yield reverted(CustomError("SellerSoldDataset", {"offer": offer.id}))
        if request.rows > offer.max_rows:
            yield LicenseExhausted(
                f"A license of offer {offer.id} is for {offer.max_rows} rows in all; this job takes {request.rows}.",
                "Ask for fewer rows, or choose another offer: darkroom dataset show.",
            )
    present = (request.version or record.version, request.content or state.content)
    if present != (record.version, state.content):
        yield reverted(CustomError("OrderOutdated", {"dataset": record.id, "version": record.version}))
    if not 1 <= request.replicas <= MAX_REPLICAS:
        yield UsageError(
            f"A job has 1 to {MAX_REPLICAS} executors, not {request.replicas}.", "Choose a number in between."
        )


def _rules(request: Request, state: MarketState, explained: Explanation, work: Cost) -> Iterator[DarkroomError]:
    """What executors and custodian say of circuit, policy and key."""
    if explained.fault is not None:
        yield explained.fault
    elif explained.reason is not None:
        yield refusal(explained.reason)
    if state.policy.verify != "self" and request.replicas < state.policy.quorum:
        yield refusal(Reason.NO_QUORUM)
    if request.sealing_key is not None and not usable(request.sealing_key):
        yield refusal(Reason.WRONG_KEY)
    if work.bootstraps and state.table.evaluation_key is None:
        yield BadKey(
            "This dataset publishes no evaluation key, so circuits with lookups cannot run on it.",
            "Use a linear or additive model, or ask the owner to publish a key.",
        )


def _money(request: Request, state: MarketState, price: Quote) -> Iterator[DarkroomError]:
    """What providers can take, the custodian's bond answers for, and the buyer's account holds."""
    if price.problem is not None and (request.max_fee is None or price.providers < request.replicas):
        yield price.problem
    elif request.max_fee is not None and request.replicas > 0:
        share = request.max_fee // request.replicas
        able = state.draw.able(state.providers, price.cost.units)
        willing = sum(each.fee(price.cost.units) <= share for each in able)
        if willing < request.replicas:
            yield Unavailable(
                f"{willing} providers do a job of {price.cost.units} units for {share} token units, and"
                f" {request.replicas} are needed.",
                "Offer a higher fee, or leave it out: the usual one is bid.",
            )
    fee = price.max_fee if request.max_fee is None else request.max_fee
    if fee is None:
        return
    free = state.custody.bond - state.custody.held
    if fee > free:
        yield reverted(CustomError("CustodianNotBonded", {"dataset": state.dataset.id, "free": free, "needed": fee}))
    prices = (price.price_job, price.price_rows, 0 if state.license else price.price_license)
    needed = fee + sum(each or 0 for each in prices)
    if state.offer is not None and state.balance is not None and state.balance < needed:
        yield reverted(CustomError("ERC20InsufficientBalance", {"balance": state.balance, "needed": needed}))


def _granted(
    request: Request,
    state: MarketState,
    said: Explanation,
    price: Quote,
    held: MandateState,
    history: Sequence[Released],
) -> Iterator[DarkroomError]:
    """What the payer's mandate does not cover: first the license that would be bought, then the job."""
    mandate, spent = held.mandate, held.spent
    common = MandateAction(
        what="license",
        agent=mandate.agent,
        chain_id=mandate.chain_id,
        contract=mandate.contract,
        dataset=state.dataset.id,
        policy=state.policy.digest,
        amount=price.price_license or 0,
        now=state.now,
    )
    if state.license is None:
        yield from mandate.refusals(common, spent)
        left = None if spent.balance is None else max(0, spent.balance - common.amount)
        spent = replace(spent, amount=spent.amount + common.amount, occurrences=spent.occurrences + 1, balance=left)
    told = told_under(held, state.table, state.dataset.version, request.first_row, request.rows, history)
    fee = price.max_fee if request.max_fee is None else request.max_fee
    order = replace(
        common,
        what="ask" if said.released == "aggregate" else "job",
        amount=(price.price_job or 0) + (price.price_rows or 0) + (fee or 0),
        micro_bits=said.micro_bits,
        sealing_key=request.sealing_key,
    )
    yield from mandate.refusals(order, replace(spent, micro_bits=told))
