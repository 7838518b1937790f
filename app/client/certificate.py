"""Certificates: answers about a dataset that its owner ordered for everybody to open.

Such an answer is a job like any other: ordered and paid for on the chain, summed on ciphertext by executors, checked,
noised and charged by the custodian. It is sealed to the key that everybody has (`app.seal.keys.everybody`), so whoever
wants to opens it from chain and store. That the sums are right anyone recomputes; that the owner decrypted and noised
them as promised, nobody can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.client.ask.answer import Answer
from app.client.ask.certificate import words_of
from app.client.ask.plan import plan
from app.client.ask.query import parse
from app.execution.inputs import ChainRecords, load_job_inputs
from app.protocol.documents import MAX_DOCUMENT_BYTES, Document, Sha256
from app.protocol.errors import BadDocument, DarkroomError, NotFound
from app.protocol.market.entities import ZERO, Job
from app.protocol.market.receipt import Receipt, SealedResult
from app.protocol.ports import Store
from app.seal.keys import everybody
from app.seal.result import open_result
from app.storage.cid import digest_to_cid

if TYPE_CHECKING:
    from app.chain.market import Market

MOST_ANSWERS = 64
MAX_ANSWER_BYTES = 1 << 20  # of a sealed answer: a question has at most a thousand sums
MILLI = 1000

CERTIFIED = "summed on the ciphertext, anyone recomputes it; decrypted by the owner, not provable"
OWNERS_WORD = "the owner's word"


class CertifiedAnswer(Document):
    """One answer of a certificate: the job that gave it, and the sums as they were released, noise included."""

    job: int
    version: int  # of the dataset
    sql: str
    rows: int  # that were summed
    circuit: Sha256
    receipt: Sha256  # that executors agreed on
    decision: Sha256  # the custodian's, which says what it cost
    sealed: Sha256  # the result, sealed to the key that everybody has
    noise_scale_milli: int  # of the discrete Laplace noise on each sum
    values: tuple[int, ...]  # each output's noised sum


class Certificate(Document):
    """All certified answers about a dataset, with what they are checked against."""

    kind: Literal["darkroom/certificate"] = "darkroom/certificate"
    chain_id: int
    market: str  # the job contract's address
    dataset: int
    answers: tuple[CertifiedAnswer, ...]
    receipts: tuple[Receipt, ...]  # of these jobs, in the same order


@dataclass(frozen=True)
class CertifiedFigures:
    """A certified answer as people read it."""

    said: CertifiedAnswer
    answer: Answer


def is_certified(job: Job, owner: str) -> bool:
    """Whether a job's answer is its dataset's owner's for everybody."""
    return job.buyer.lower() == owner.lower() and job.sealing_key == everybody().public.hex() and job.sealed != ZERO


def read_certified(records: ChainRecords, store: Store, number: int) -> CertifiedFigures:
    """A certified answer, opened and checked against the chain.

    Errors: NotFound, BadBlock; BadSeal where the sealed result is not this job's; BadDocument for a circuit that is no
    question of a certificate, or a result of another shape.
    """
    facts = load_job_inputs(records, store, number)
    job, codebook = facts.job, facts.table.codebook
    if job.sealed == ZERO:
        raise NotFound(f"Job {number} has no result yet.", "Wait for it.")
    sql = words_of(facts.circuit, codebook, facts.profile)
    if sql is None:
        raise BadDocument(f"The circuit of job {number} is no certificate's question.", "Read its result as a job's.")
    sealed = SealedResult.from_bytes(store.read(digest_to_cid(job.sealed), limit=MAX_DOCUMENT_BYTES))
    ciphertext = store.read(sealed.ciphertext_cid, limit=MAX_ANSWER_BYTES)
    result = open_result(sealed, ciphertext, everybody().private, facts.seal_context)
    header = result.header
    if header.released != "aggregate" or result.values.shape != (len(facts.circuit.outputs), 1):
        raise BadDocument(f"The result of job {number} is no table of sums.", "Do not use it; tell its owner.")
    said = CertifiedAnswer(
        job=number,
        version=job.version,
        sql=sql,
        rows=header.group,
        circuit=job.circuit,
        receipt=job.receipt,
        decision=job.decision,
        sealed=job.sealed,
        noise_scale_milli=header.noise_scale_milli,
        values=tuple(int(value) for value in result.values[:, 0]),
    )
    asked = plan(parse(sql), codebook, facts.profile)
    answer = asked.answer(result.values[:, 0], header.group, header.noise_scale_milli / MILLI)
    return CertifiedFigures(said, answer)


def certified(market: Market, store: Store, dataset: int) -> list[CertifiedFigures]:
    """The certified answers about a dataset, the latest to each question; those that cannot be read are left out.

    Errors: NotFound without such a dataset.
    """
    owner, found = market.dataset(dataset).owner, dict[str, CertifiedFigures]()
    for job in market.jobs(dataset=dataset, buyer=owner):
        if not is_certified(job, owner):
            continue
        try:
            read = read_certified(market, store, job.id)
        except DarkroomError:
            continue  # an owner may seal other results to everybody's key: they are no certificate
        found.pop(read.said.sql, None)
        found[read.said.sql] = read
    return list(found.values())[-MOST_ANSWERS:]


def certificate(market: Market, store: Store, dataset: int) -> Certificate:
    """The document of a dataset's certificate, with the receipts of its jobs, from chain and store alone.

    Errors: NotFound where nothing is certified, or a receipt is in no store.
    """
    answers = tuple(each.said for each in certified(market, store, dataset))
    if not answers:
        raise NotFound(f"Nothing about dataset {dataset} is certified.", "Its owner can: darkroom dataset certify.")
    receipts = (store.read(digest_to_cid(each.receipt), limit=MAX_DOCUMENT_BYTES) for each in answers)
    return Certificate(
        chain_id=market.chain_id,
        market=market.address,
        dataset=dataset,
        answers=answers,
        receipts=tuple(Receipt.from_bytes(each) for each in receipts),
    )
