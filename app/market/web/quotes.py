"""A quote for a circuit: work, price, and what the custodian would say, before anything is bought or published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.client.place import OrderPlace
from app.execution.market_state import MarketState, read_market
from app.market.queries.view import Amount
from app.market.web.dependencies.caller import Spend
from app.market.web.dependencies.state import AppState
from app.market.web.fields import ResponseModel
from app.policy.preflight import Preflight, Request, preflight
from app.policy.quote import Quote
from app.protocol.documents import sha256
from app.protocol.errors import RowsOutsideDataset
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO
from app.protocol.policy.bits import noise_of
from app.protocol.policy.reasons import MESSAGES
from app.protocol.vocabulary import CircuitClass, ReadoutKind
from app.storage.cid import digest_to_cid
from fhe.circuit.circuit import Circuit, rotating
from fhe.circuit.codec import MAX_CIRCUIT_BYTES, decode

BYTES_OF_WORK = 1 << 14  # of a circuit: half a second's allowance, as checking the largest takes some seconds


class CircuitView(ResponseModel):
    """A circuit's public numbers."""

    digest: str
    bytes: int
    inputs: int
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    readout: ReadoutKind
    layers: int
    lookups: int  # per row
    block: int  # rows whose sums are decrypted in place of them; 0: every row is


class CostView(ResponseModel):
    """Static cost of one executor's work."""

    units: Amount
    multiply_adds: Amount
    bootstraps: Amount
    bytes_in: Amount
    bytes_out: Amount


class PriceView(ResponseModel):
    """What a job takes, in token units. `max_fee` is escrowed for all executors; what they do not earn comes back."""

    price_license: Amount
    price_job: Amount
    price_rows: Amount
    fixed_fees: Amount | None  # the part of it that a job of any size has
    max_fee: Amount | None  # an estimate where there is a `price_problem`; null where no provider is alive
    job_total: Amount | None
    total: Amount | None  # with a new license


class OutputView(ResponseModel):
    """What one output says, as far as public numbers tell."""

    name: str
    low: Amount
    high: Amount
    column: str  # that explains most of it
    share: float  # of its variance


class ProblemCard(ResponseModel):
    """A reason why an order would not go through, as the order would be refused for it."""

    code: str
    message: str
    next_step: str


class LeakageView(ResponseModel):
    """What a release would say about each row."""

    family: CircuitClass
    outputs: tuple[OutputView, ...]
    released: str  # "label", "score" or "aggregate"
    levels: int  # that a score is rounded to; 0: it is not, or no score is released
    micro_bits: int  # that a job says of each person; 0 for an answer that is given again
    micro_bits_per_license: int  # that one license is told of a person at most
    micro_bits_per_person: int  # that anyone is told of a person, all together and for ever
    spent_license: int  # of these, as public records say, on the row about which most was said
    spent_person: int
    again: bool  # the same was asked before: the same answer is given, at no charge
    rank: int  # linear forms that a job takes from each row's budget
    rank_limit: int
    bootstraps: int


class QuoteReport(ResponseModel):
    """The answer. `runs`: the dataset can run the circuit rightly. `allowed`: the policy lets its result out."""

    dataset: int
    version: int
    content: str  # what this version binds; an order names both, and is refused once the dataset has moved on
    program: str  # that the order states, so that a contract can judge its results; "" where none can
    offer: int | None
    policy: str  # digest
    rows: int
    replicas: int
    circuit: CircuitView
    cost: CostView
    runs: bool
    problem: str  # why not; "" when it runs
    log2_failure: float | None  # of the output most likely to be wrong
    price: PriceView | None
    price_problem: str  # why nobody can be paid it now: no offer named, too few providers
    providers: int  # that can take a job of this size now
    providers_alive: int  # that take jobs of some size
    core_seconds: float  # for one executor, an estimate
    slowest_seconds: float | None  # of the slowest of them, as its capacity says; null where no provider is alive
    rows_that_fit: int  # of those asked, in one job now; 0 where not even one does
    leak: LeakageView | None
    allowed: bool
    reason: str  # the code of the refusal to expect, "" when allowed
    reason_sentence: str
    reason_step: str  # what to do about it
    sentences: tuple[str, ...]  # the whole verdict in plain words
    ready: bool  # whether an order would go through now: no `problems`
    problems: tuple[ProblemCard, ...]  # everything that an order would be refused for, what comes first first


def quote_circuit(
    here: AppState,
    dataset: int,
    data: bytes,
    spend: Spend,
    place: OrderPlace,
    *,
    job: int = 0,
) -> QuoteReport:
    """Judge the bytes of a circuit for a dataset, after all that public records say was released on it.

    With the license that will be used, also what that was told, and will be told by its open jobs, counts; `job` is the
    job that is judged, where it was opened already.
    Errors: TooLarge, BadDocument, BadModel, NotFound, BadBlock, NotAllowed for another dataset's offer,
    RowsOutsideDataset, Busy, TooManyRequests for a circuit that takes more work than `spend` allows.
    """
    return report(judge_circuit(here, dataset, data, spend, place, job=job), data)


@dataclass(frozen=True)
class JudgedCircuit:
    """An order of a circuit, the state that it was judged in, and what was found."""

    request: Request
    state: MarketState
    found: Preflight


def judge_circuit(
    here: AppState, dataset: int, data: bytes, spend: Spend, place: OrderPlace, *, job: int = 0
) -> JudgedCircuit:
    """What `quote_circuit` reports. Errors: the same."""
    spend(len(data) // BYTES_OF_WORK)
    circuit = decode(data)
    state = read_market(here.market, here.store, dataset, offer=place.offer, license=place.license or 0)
    record, first_row = state.dataset, place.first_row
    rows = max(1, record.rows - first_row) if place.rows is None else place.rows
    if first_row + rows > record.rows:
        raise RowsOutsideDataset(
            f"The dataset has rows 0 to {record.rows - 1:,}, and this would end at {first_row + rows - 1:,}.",
            "Choose rows inside the dataset.",
        )
    request = Request(circuit, rows, first_row, place.replicas)
    return JudgedCircuit(request, state, judge(here, state, request, job=job))


def facts_of_sums(judged: JudgedCircuit, data: bytes) -> dict[str, Any]:
    """What questions and sums tell alike of a circuit that sums over rows, by their reports' names; `data`: its bytes.

    `noise_scale` is of the discrete Laplace noise on each released number; bits are micro-bits about each person.
    """
    circuit, rows = judged.request.circuit, judged.request.rows
    said = judged.found.said
    epsilon, scale = noise_of(said.leak, judged.state.policy, judged.state.table.rows_per_person)
    return {
        "dataset": judged.state.dataset.id,
        "version": judged.state.dataset.version,
        "rows": rows,
        "bootstraps": judged.found.cost.bootstraps,
        "values_decrypted": len(circuit.outputs) * circuit.result_rows(rows),
        "epsilon": epsilon,
        "noise_scale": scale,
        "micro_bits": said.micro_bits,
        "left_license": max(0, said.limit_license - said.spent_license - said.micro_bits),
        "left_person": max(0, said.limit_person - said.spent_person - said.micro_bits),
        "quote": report(judged, data),
    }


def report(judged: JudgedCircuit, data: bytes) -> QuoteReport:
    """What was found, for people and programs; `data`: the circuit's bytes."""
    request, state, found = judged.request, judged.state, judged.found
    record, policy, rows, said = state.dataset, state.policy, request.rows, found.said
    static, leak = found.cost, said.leak
    return QuoteReport(
        dataset=record.id,
        version=record.version,
        content=state.content,
        program="" if found.program == ZERO else found.program,
        offer=state.offer.id if state.offer else None,
        policy=policy.digest,
        rows=rows,
        replicas=request.replicas,
        circuit=_card(request.circuit, data),
        cost=CostView(
            units=static.units,
            multiply_adds=static.multiply_adds,
            bootstraps=static.bootstraps,
            bytes_in=static.bytes_in,
            bytes_out=static.bytes_out,
        ),
        runs=said.fault is None,
        problem=str(said.fault or ""),
        log2_failure=said.log2_failure,
        price=_price(found.price),
        price_problem=str(found.price.problem or "") if state.offer else "No offer was named.",
        providers=found.price.providers,
        providers_alive=found.price.alive,
        core_seconds=found.price.core_seconds,
        slowest_seconds=found.price.slowest_seconds,
        rows_that_fit=rows if found.price.problem is None else found.price.rows_that_fit or 0,
        leak=None
        if leak is None
        else LeakageView(
            family=leak.family,
            outputs=tuple(
                OutputView(name=name, low=low, high=high, column=column, share=share)
                for name, low, high, (column, share) in zip(
                    leak.outputs, leak.lows, leak.highs, leak.shares, strict=True
                )
            ),
            released=said.released,
            levels=policy.levels if said.released == "score" and not policy.raw_scores else 0,
            micro_bits=said.micro_bits,
            micro_bits_per_license=said.limit_license,
            micro_bits_per_person=said.limit_person,
            spent_license=said.spent_license,
            spent_person=said.spent_person,
            again=said.again,
            rank=said.rank,
            rank_limit=said.rank_limit,
            bootstraps=said.bootstraps,
        ),
        allowed=said.allowed and not said.policy_problems,
        reason=said.reason or "",
        reason_sentence=MESSAGES[said.reason].message if said.reason else "",
        reason_step=MESSAGES[said.reason].next_step if said.reason else "",
        sentences=tuple(found.sentences()),
        ready=found.ready,
        problems=tuple(ProblemCard(**each) for each in found.listed()),
    )


def check_order(here: AppState, license: int, buyer: str, request: Request) -> tuple[Preflight, MarketState]:
    """What a job under a license would cost and tell, and the state that it was judged in.

    Errors: what the order would be refused for (`app.policy.preflight`); NotFound, BadBlock, BadDocument, Busy.
    """
    dataset = here.market.license(license).dataset
    state = read_market(here.market, here.store, dataset, license=license, buyer=buyer)
    found = judge(here, state, request)
    found.require()
    return found, state


def judge(here: AppState, state: MarketState, request: Request, *, job: int = 0) -> Preflight:
    """An order, judged after all that public records say was released; `job`: its own number, where it has one."""
    license = state.license.id if state.license else 0
    with here.quoting.turn():
        with here.session() as session:
            told = here.releases.on(session, state.dataset.id, license=license)
        history = [entry for entry in told.entries if entry.job != job]
        return preflight(request, state, history, here.releases.kept(state.manifest.codebook))


def _price(found: Quote) -> PriceView | None:
    if found.price_license is None or found.price_job is None or found.price_rows is None:
        return None
    return PriceView(
        price_license=found.price_license,
        price_job=found.price_job,
        price_rows=found.price_rows,
        fixed_fees=found.fixed_fees,
        max_fee=found.max_fee,
        job_total=found.job_total,
        total=found.total,
    )


def load_circuit_bytes(here: AppState, digest: Digest) -> bytes:
    """A published circuit's bytes. Errors: NotFound, BadBlock, TooLarge."""
    return here.store.read(digest_to_cid(digest), limit=MAX_CIRCUIT_BYTES)


def _card(circuit: Circuit, data: bytes) -> CircuitView:
    return CircuitView(
        digest=sha256(data),
        bytes=len(data),
        inputs=len(circuit.inputs),
        columns=tuple(dict.fromkeys(wire.column for wire in circuit.inputs)),
        outputs=circuit.outputs,
        readout=circuit.readout.kind,
        layers=len(circuit.layers),
        block=circuit.block,
        lookups=sum(len(layer.source) for layer in rotating(circuit.layers)),
    )
