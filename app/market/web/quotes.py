"""A quote for a circuit: work, price, and what the custodian would say, before anything is bought or published."""

from __future__ import annotations

from typing import Literal

from app.chain.contracts.entities import content_of
from app.execution.inputs import load_manifest
from app.market.queries.view import Amount
from app.market.web.dependencies.caller import Spend
from app.market.web.dependencies.state import AppState
from app.market.web.fields import ResponseModel
from app.policy.explain import Explanation, explain
from app.policy.quote import quote
from app.protocol.data.manifest import Manifest
from app.protocol.documents import MAX_DOCUMENT_BYTES, sha256
from app.protocol.errors import BadInput, NotAllowed, NotFound, RowsOutsideDataset, Unavailable
from app.protocol.market.entities import DatasetRecord, License, Offer
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.reasons import MESSAGES, refusal
from app.storage.cid import digest_to_cid
from fhe.circuit.circuit import Circuit, Lookup
from fhe.circuit.codec import MAX_CIRCUIT_BYTES, decode
from fhe.circuit.compatible import check_compatible
from fhe.circuit.cost import cost
from fhe.compile.check import check
from fhe.leakage import check_sampling
from fhe.profiles import find

BYTES_OF_WORK = 1 << 14  # of a circuit: half a second's allowance, as checking the largest takes some seconds


class CircuitView(ResponseModel):
    """A circuit's public numbers."""

    digest: str
    bytes: int
    inputs: int
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    readout: Literal["value", "threshold", "argmax", "cuts"]
    layers: int
    lookups: int  # per row


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
    max_fee: Amount
    job_total: Amount
    total: Amount  # with a new license
    providers: int  # that take jobs of this size
    core_seconds: float  # for one executor, an estimate


class OutputView(ResponseModel):
    """What one output says, as far as public numbers tell."""

    name: str
    low: Amount
    high: Amount
    column: str  # that explains most of it
    share: float  # of its variance


class LeakageView(ResponseModel):
    """What a release would say about each row."""

    family: Literal["linear", "trees", "additive", "lookup"]
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
    price_problem: str  # why there is no price: no offer named, too few providers
    leak: LeakageView | None
    allowed: bool
    reason: str  # the code of the refusal to expect, "" when allowed
    reason_sentence: str
    reason_step: str  # what to do about it
    sentences: tuple[str, ...]  # the whole verdict in plain words


def quote_circuit(
    here: AppState,
    dataset: int,
    data: bytes,
    spend: Spend,
    *,
    offer: int | None,
    rows: int | None,
    replicas: int,
    first_row: int = 0,
    license: int = 0,
    job: int = 0,
) -> QuoteReport:
    """Judge the bytes of a circuit for a dataset, after all that public records say was released on it.

    `rows` None takes all of them from `first_row` on. With the `license` that will be used, also what that was told,
    and will be told by its open jobs, counts; `job` is the job that is judged, where it was opened already.
    Errors: TooLarge, BadDocument, BadModel, NotFound, BadBlock, NotAllowed for another dataset's offer,
    RowsOutsideDataset, Busy, TooManyRequests for a circuit that takes more work than `spend` allows.
    """
    spend(len(data) // BYTES_OF_WORK)
    circuit = decode(data)
    record = here.market.dataset(dataset)
    manifest = load_manifest(here.store, record)
    check_compatible(circuit, manifest.table.profile, manifest.table.codebook.digest)
    profile, codebook = find(manifest.table.profile), manifest.codebook
    if first_row >= record.rows:
        raise RowsOutsideDataset(f"The dataset has rows 0 to {record.rows - 1}.", "Choose rows inside the dataset.")
    rows = record.rows - first_row if rows is None else rows
    terms = _offer(here, offer, dataset)
    policy = _policy(here, terms.policy) if terms else manifest.policy
    problem, failure = "", None
    with here.quoting.turn():
        try:
            failure = check(circuit, codebook, profile).log2_failure
            check_sampling(circuit, codebook)
        except BadInput as error:
            problem = str(error)
        said = _judge(here, record, manifest, circuit, policy, rows, first_row=first_row, license=license, job=job)
    static = cost(circuit, profile, rows)
    price, price_problem = None, "" if terms else "No offer was named."
    if terms is not None:
        draw, providers = here.market.draw_for(record), list(here.market.providers())
        try:
            found = quote(static, terms, providers, draw, rows=rows, replicas=replicas)
            price = PriceView(
                price_license=found.price_license,
                price_job=found.price_job,
                price_rows=found.price_rows,
                max_fee=found.max_fee,
                job_total=found.job_total,
                total=found.total,
                providers=found.providers,
                core_seconds=found.core_seconds,
            )
        except Unavailable as error:
            price_problem = str(error)
    leak = said.leak
    return QuoteReport(
        dataset=dataset,
        version=record.version,
        content=content_of(record),
        offer=offer,
        policy=policy.digest,
        rows=rows,
        replicas=replicas,
        circuit=_card(circuit, data),
        cost=CostView(
            units=static.units,
            multiply_adds=static.multiply_adds,
            bootstraps=static.bootstraps,
            bytes_in=static.bytes_in,
            bytes_out=static.bytes_out,
        ),
        runs=not problem,
        problem=problem,
        log2_failure=failure,
        price=price,
        price_problem=price_problem,
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
        sentences=tuple(said.sentences()),
    )


def check_order(
    here: AppState, held: License, record: DatasetRecord, circuit: Circuit, *, first_row: int, rows: int
) -> Explanation:
    """What a job under a license would tell, if the custodian would release it by what is public.

    Errors: PolicyRefused with the reason's words; NotFound, BadBlock, BadDocument, Busy.
    """
    manifest, policy = load_manifest(here.store, record), _policy(here, held.policy)
    with here.quoting.turn():
        said = _judge(here, record, manifest, circuit, policy, rows, first_row=first_row, license=held.id)
    if said.reason is not None:
        raise refusal(said.reason)
    return said


def _judge(
    here: AppState,
    record: DatasetRecord,
    manifest: Manifest,
    circuit: Circuit,
    policy: OutputPolicy,
    rows: int,
    *,
    first_row: int,
    license: int,
    job: int = 0,
) -> Explanation:
    with here.session() as session:
        told = here.releases.on(session, record.id, license=license)
    return explain(
        circuit,
        manifest.table,
        find(manifest.table.profile),
        policy,
        rows,
        first_row=first_row,
        license=license,
        version=record.version,
        dataset=record,
        guaranteed=here.market.license(license).micro_bits if license else None,
        history=[entry for entry in told.entries if entry.job != job],
        kept=here.releases.kept(manifest.codebook),
    )


def load_circuit_bytes(here: AppState, digest: str) -> bytes:
    """A published circuit's bytes. Errors: NotFound, BadBlock, TooLarge."""
    return here.store.read(digest_to_cid(digest), limit=MAX_CIRCUIT_BYTES)


def _offer(here: AppState, number: int | None, dataset: int) -> Offer | None:
    if number is None:
        return None
    terms = here.market.offer(number)
    if terms.dataset != dataset:
        raise NotAllowed(f"Offer {number} is for dataset {terms.dataset}.", "Name one of this dataset's offers.")
    return terms


def _policy(here: AppState, digest: str) -> OutputPolicy:
    try:
        return OutputPolicy.from_bytes(here.store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES))
    except NotFound:
        raise NotFound(
            "No store that this node reaches has this offer's policy.", "Ask the owner to publish it, or try another."
        ) from None


def _card(circuit: Circuit, data: bytes) -> CircuitView:
    return CircuitView(
        digest=sha256(data),
        bytes=len(data),
        inputs=len(circuit.inputs),
        columns=tuple(dict.fromkeys(wire.column for wire in circuit.inputs)),
        outputs=circuit.outputs,
        readout=circuit.readout.kind,
        layers=len(circuit.layers),
        lookups=sum(len(layer.source) for layer in circuit.layers if isinstance(layer, Lookup)),
    )
