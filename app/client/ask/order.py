"""Asking a question: explained for free, ordered for at most a stated price, answered when the owner releases it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from app.client.ask.answer import Answer
from app.client.ask.plan import Plan, plan
from app.client.ask.query import parse
from app.client.following import await_result
from app.client.place import OrderPlace
from app.client.purchase import EVERYWHERE, OrderTerms, find_terms, purchase
from app.client.sums import MILLI, noise_under
from app.execution.inputs import load_policy
from app.files.private import write_private
from app.protocol.documents import Document, Sha256, sha256
from app.protocol.errors import BadDocument, BadQuery, NotFound
from app.protocol.ids import Digest
from app.protocol.policy.bits import MICRO
from fhe.circuit import codec
from fhe.circuit.circuit import Circuit

if TYPE_CHECKING:
    from app.client.buyer import Buyer
    from app.client.dataset import Dataset
    from app.home.network import Network
    from app.policy.preflight import Preflight


class QuestionNote(Document):
    """A question that was ordered, on the buyer's machine: what is needed to read its job's result."""

    kind: Literal["darkroom/question"] = "darkroom/question"
    sql: str
    dataset: int
    version: int
    circuit: Sha256
    micro_bits: int
    left_license: int  # micro-bits about a person, after it
    left_person: int


@dataclass(frozen=True)
class Question:
    """A question with its plan, as it is ordered."""

    sql: str
    plan: Plan
    circuit: Circuit
    data: bytes

    @property
    def circuit_digest(self) -> str:
        """What the market calls it."""
        return sha256(self.data)

    @property
    def digest(self) -> Digest:
        """Its own name: of the words and the circuit."""
        return sha256(self.sql.encode() + self.data)


@dataclass(frozen=True)
class Explained:
    """What a question would cost and how well it could be answered, for free. Amounts are token units.

    `half_widths`: of the 95 % interval of each count, sum and average over all rows, by name; None where it depends on
    the answer. `terms` is None where the answer is public already.
    """

    plan: Plan
    rows: int
    terms: OrderTerms | None
    epsilon: float
    noise_scale: float
    half_widths: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        found = self.terms.found if self.terms else None
        circuit = self.plan.circuit
        return {
            "rows": self.rows,
            "outputs": 0 if circuit is None else len(circuit.outputs),
            "values_decrypted": 0 if circuit is None else len(circuit.outputs) * circuit.result_rows(self.rows),
            "bootstraps": found.cost.bootstraps if found else 0,
            "price": self.terms.total if self.terms else 0,
            "epsilon": self.epsilon,
            "bits": found.said.micro_bits / MICRO if found else 0.0,
            "noise_scale": self.noise_scale,
            "half_widths": self.half_widths,
            "problems": found.listed() if found else [],
            "remarks": list(self.plan.remarks),
        }


@dataclass(frozen=True)
class Reply:
    """An answer, the job that gave it, and the budget: micro-bits about a person, spent by it and left after it."""

    answer: Answer
    job: int | None  # None where the answer was public
    epsilon: float
    micro_bits: int
    left_license: int
    left_person: int

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "rows": self.answer.to_dicts(),
            "job": self.job,
            "epsilon": self.epsilon,
            "bits": self.micro_bits / MICRO,
            "bits_left_license": self.left_license / MICRO,
            "bits_left_person": self.left_person / MICRO,
            "remarks": list(self.answer.remarks),
        }


def explain(
    buyer: Buyer,
    dataset: Dataset,
    sql: str,
    place: OrderPlace = EVERYWHERE,
) -> Explained:
    """Compile a question and find the terms to ask it under; nothing is sent. Errors: BadQuery; as `find_terms`."""
    asked = plan(parse(sql), dataset.codebook, dataset.profile)
    count = place.rows or dataset.record.rows - place.first_row
    if asked.circuit is None:
        return Explained(asked, count, None, 0.0, 0.0, {each.name: 0.0 for each in asked.query.aggregates})
    question = question_of(sql, asked)
    terms = find_terms(buyer, dataset, question, replace(place, rows=count))
    return Explained(asked, count, terms, *accuracy(buyer.network, dataset, asked, terms, count))


def accuracy(
    network: Network, dataset: Dataset, asked: Plan, terms: OrderTerms, rows: int
) -> tuple[float, float, dict[str, float | None]]:
    """Epsilon of a question under these terms, the noise's scale, and the half width of each figure's interval by name:
    as `Explained` has them. Errors: NotFound, BadBlock, BadDocument for a policy out of reach.
    """
    epsilon, scale = noise_under(network, dataset, terms)
    return epsilon, scale, asked.half_widths(rows, scale)


def ask(
    buyer: Buyer,
    dataset: Dataset,
    sql: str,
    place: OrderPlace = EVERYWHERE,
    *,
    most: int | None,
) -> int | Reply:
    """Order a question for at most `most` token units: the job's number, or the reply where it is public already.

    Errors: BadQuery; what the order would be refused for; UsageError without a bound, NotAllowed above it.
    """
    explained = explain(buyer, dataset, sql, place)
    if explained.plan.query.explain:
        raise BadQuery("EXPLAIN is answered for free.", "Leave the word out to ask.")
    if explained.terms is None:
        return _public(explained)
    question = question_of(sql, explained.plan)
    bought = purchase(buyer, question, explained.terms, most=most)
    keep_note(buyer, bought.job.value, question, explained.terms.found)
    return bought.job.value


def reply(buyer: Buyer, job: int, *, sql: str | None = None, timeout: float | None = None) -> Reply:
    """The answer of a question's job, once its result is out; with `sql` also where it was ordered elsewhere.

    Errors: TryAgain after `timeout` seconds; NotFound for a job that is no question of this machine; those of
    `Buyer.open_result`; BadDocument where the words and the job's circuit do not fit.
    """
    from app.client.dataset import Dataset
    from app.execution.inputs import load_manifest

    path, market = _path(buyer, job), buyer.network.market
    note = QuestionNote.from_bytes(path.read_bytes()) if path.is_file() else None
    if note is None and sql is None:
        raise NotFound(f"Job {job} is no question that was asked from here.", "Name its words with --sql.")
    record = market.job(job)
    version = market.dataset_version(record.dataset, record.version)
    dataset = Dataset(buyer.network, version, load_manifest(buyer.network.store, version))
    asked = plan(parse(sql or (note.sql if note else "")), dataset.codebook, dataset.profile)
    if asked.circuit is None or question_of(sql or "", asked).circuit_digest != record.circuit:
        raise BadDocument(f"Job {job} ran another circuit than these words mean.", "Name the words it was asked with.")
    result = await_result(buyer, job, timeout).result
    scale = result.header.noise_scale_milli / MILLI
    policy = load_policy(buyer.network.store, dataset.manifest, market.license(record.license).policy)
    return Reply(
        asked.answer(result.values[:, 0], result.header.group, scale),
        job,
        policy.epsilon_micro_per_job / MICRO,
        note.micro_bits if note else 0,
        note.left_license if note else 0,
        note.left_person if note else 0,
    )


def question_of(sql: str, asked: Plan) -> Question:
    """A planned question, as it is ordered."""
    assert asked.circuit is not None
    return Question(sql, asked, asked.circuit, codec.encode(asked.circuit))


def _public(explained: Explained) -> Reply:
    return Reply(explained.plan.answer(np.zeros(0, np.int64), explained.rows, 0.0), None, 0.0, 0, 0, 0)


def keep_note(buyer: Buyer, job: int, question: Question, found: Preflight) -> None:
    """Remember what a question's job needs to be read; the same order given again is the same job, and cost what it
    cost then.
    """
    path, said, market = _path(buyer, job), found.said, buyer.network.market
    if path.is_file():
        return
    note = QuestionNote(
        sql=question.sql,
        dataset=market.job(job).dataset,
        version=found.version,
        circuit=Digest(question.circuit_digest),
        micro_bits=said.micro_bits,
        left_license=said.limit_license - said.spent_license - said.micro_bits,
        left_person=said.limit_person - said.spent_person - said.micro_bits,
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, note.to_bytes())


def is_question(buyer: Buyer, job: int) -> bool:
    """Whether a job is a question that was asked from this machine."""
    return _path(buyer, job).is_file()


def _path(buyer: Buyer, job: int) -> Path:
    market = buyer.network.market
    return buyer.actor.path("questions") / f"{market.chain_id}-{market.address.lower()}-{job}.json"
