"""Models over the web: which sums a fit or a test takes, what they would cost and tell, and the circuit to order.

A node compiles and prices. The sums are opened, and the model or its figures worked out of them, on the buyer's side:
`darkroom model fit --job` and `model test --job`, or `dataset.fit(..., jobs=)` in Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.client.evaluate.planning import plan_test
from app.client.fit.names import KINDS
from app.client.fit.planning import plan_sums
from app.client.place import OrderPlace
from app.execution.inputs import load_manifest
from app.market.queries.view import Amount
from app.market.web.dependencies.caller import Spend
from app.market.web.dependencies.state import AppState
from app.market.web.fields import ResponseModel
from app.market.web.quotes import BYTES_OF_WORK, QuoteReport, facts_of_sums, judge_circuit
from app.protocol.data.dataset import EncryptedTable
from app.protocol.documents import sha256
from app.protocol.errors import BadDocument, BadQuery
from fhe.circuit import codec
from fhe.circuit.circuit import Circuit
from fhe.compile.decoder import Decoder
from fhe.profiles import find

Made = Callable[[EncryptedTable], tuple[Circuit, tuple[str, ...]]]


class CompiledSums(ResponseModel):
    """The circuit of a fit or a test on a version of a dataset, to be published and ordered like any other."""

    dataset: int
    version: int
    columns: tuple[str, ...]  # that the model reads
    released: tuple[str, ...]  # names of the numbers that a job of it releases
    digest: str  # of the circuit, as the market calls it
    circuit: str  # its bytes, which are text


class SumsReport(ResponseModel):
    """What a fit or a test would cost and how loud its noise would be. Bits are micro-bits about each person."""

    dataset: int
    version: int
    rows: int
    columns: tuple[str, ...]
    released: Amount  # numbers that leave, with noise
    bootstraps: Amount  # of one executor, in all
    values_decrypted: Amount
    epsilon: float
    noise_scale: float  # of the discrete Laplace noise on each released number
    micro_bits: int  # that it costs each person; 0: it was given before
    left_license: int  # micro-bits that the license has after it
    left_person: int  # that anybody has
    quote: QuoteReport


def fit_of(kind: str, label: str | None, columns: Sequence[str] | None) -> Made:
    """The sums of a model of a kind. Errors: BadQuery for an unknown kind, with the list."""
    if kind not in KINDS:
        raise BadQuery(f"No model {kind!r} is fitted from sums.", f"Choose one of: {', '.join(sorted(KINDS))}.")
    name, classifies = KINDS[kind]

    def make(table: EncryptedTable) -> tuple[Circuit, tuple[str, ...]]:
        found = plan_sums(
            table.codebook, find(table.profile), name, classifies=classifies, label=label, columns=columns
        )
        return found.plan.circuit, found.columns

    return make


def test_of(circuit: str, decoder: str, label: str, buckets: int, spend: Spend) -> Made:
    """The sums of a test of a model, given as the bytes of its circuit and its decoder's document.

    Errors: BadDocument, TooLarge.
    """
    spend(len(circuit) // BYTES_OF_WORK)
    model, meaning = codec.decode(circuit.encode()), Decoder.from_bytes(decoder.encode())
    if meaning.circuit != sha256(circuit.encode()):
        raise BadDocument("This decoder is another circuit's.", "Send the decoder that was made with the circuit.")

    def make(table: EncryptedTable) -> tuple[Circuit, tuple[str, ...]]:
        plan = plan_test(model, meaning, table.codebook, find(table.profile), label, buckets=buckets)
        return plan.circuit, tuple(dict.fromkeys(wire.column for wire in model.inputs))

    return make


def compile_sums(here: AppState, dataset: int, make: Made, *, version: int | None) -> CompiledSums:
    """The circuit of sums on a version, by default the present one.

    Errors: BadQuery; NotFound, BadBlock, BadDocument.
    """
    market = here.market
    record = market.dataset(dataset) if version is None else market.dataset_version(dataset, version)
    table = load_manifest(here.store, record).table
    with here.quoting.turn():
        circuit, columns = make(table)
    data = codec.encode(circuit)
    return CompiledSums(
        dataset=dataset, version=record.version, columns=columns, released=circuit.released, digest=sha256(data),
        circuit=data.decode(),
    )  # fmt: skip


def explain_sums(here: AppState, dataset: int, make: Made, spend: Spend, place: OrderPlace) -> SumsReport:
    """What ordering sums would cost and tell, for free. Errors: BadQuery; as `quote_circuit`."""
    table = load_manifest(here.store, here.market.dataset(dataset)).table
    with here.quoting.turn():
        circuit, columns = make(table)
    data = codec.encode(circuit)
    judged = judge_circuit(here, dataset, data, spend, place)
    return SumsReport(columns=columns, released=len(circuit.released), **facts_of_sums(judged, data))
