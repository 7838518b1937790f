"""What a job came of, from chain and store: the dataset's versions, what was read, who did what, what came out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from app.auditor.rounds import in_order
from app.chain.events import Event
from app.execution.inputs import load_circuit, load_manifest
from app.protocol.data.dataset import EncodedFile
from app.protocol.data.manifest import Manifest
from app.protocol.documents import MAX_DOCUMENT_BYTES, Document
from app.protocol.errors import BadBlock, BadDocument, NotFound
from app.protocol.ids import Digest
from app.protocol.market.entities import ZERO, DatasetRecord, Job
from app.protocol.market.receipt import Receipt, SealedResult
from app.storage.cid import digest_to_cid
from fhe.circuit.circuit import Circuit

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.protocol.ports import Store

BLOCK = 8 << 20

D = TypeVar("D", bound=Document)


@dataclass(frozen=True)
class JobLineage:
    """Public facts of one job. Digests are those of the chain; what is not there yet is None or empty."""

    chain_id: int
    market: str
    job: Job
    versions: tuple[DatasetRecord, ...]  # of the dataset, up to the one that the job ran on
    manifest: Manifest
    circuit: Circuit
    files: tuple[EncodedFile, ...]  # that the circuit reads
    policy: Digest
    receipt: Receipt | None  # the agreed one; None where it is not to be had
    output_sha256: str  # of the stored output, hex; "" where it is not to be had
    sealed: SealedResult | None
    events: tuple[Event, ...]  # of the job, in order
    times: dict[int, str]  # ISO 8601, by block, as far as the node has the blocks

    def event(self, name: str) -> Event | None:
        """The job's first event of a kind."""
        return next((event for event in self.events if event.name == name), None)

    def time(self, name: str) -> str | None:
        """When the job's first event of a kind was, in ISO 8601."""
        event = self.event(name)
        return None if event is None else self.times.get(event.block)


def lineage(market: Market, store: Store, number: int) -> JobLineage:
    """The facts of job `number`; receipt, output and seal only as far as they are to be had.

    Errors: NotFound without such a job; NotFound, BadBlock and BadDocument for its manifest and its circuit.
    """
    job = market.job(number)
    versions = tuple(market.dataset_version(job.dataset, each) for each in range(1, job.version + 1))
    manifest, circuit = load_manifest(store, versions[-1]), load_circuit(store, job.circuit)
    used = {(wire.column, wire.encoding) for wire in circuit.inputs}
    receipt = _document(store, job.receipt, Receipt)
    last = job.closed_block or market.block_number
    said = [event for event in market.events(job.opened_block, last) if event.args.get("job") == job.id]
    return JobLineage(
        market.chain_id,
        market.address,
        job,
        versions,
        manifest,
        circuit,
        tuple(file for shard in manifest.table.shards for file in shard.files if (file.column, file.encoding) in used),
        market.license(job.license).policy,
        receipt,
        _sha256(store, receipt) if receipt else "",
        _document(store, job.sealed, SealedResult),
        tuple(in_order(said)),
        _times(market, said),
    )


def _document(store: Store, digest: Digest, kind: type[D]) -> D | None:
    """A document of the job; None where it is not there, or not what its digest names, which the audit tells."""
    try:
        return None if digest == ZERO else kind.from_bytes(store.read(digest_to_cid(digest), limit=MAX_DOCUMENT_BYTES))
    except (NotFound, BadBlock, BadDocument):
        return None


def _sha256(store: Store, receipt: Receipt) -> str:
    found = hashlib.sha256()
    try:
        size = store.size(receipt.output)
        for start in range(0, size, BLOCK):
            found.update(store.read(receipt.output, start, min(BLOCK, size - start), limit=BLOCK))
    except (NotFound, BadBlock, BadDocument):
        return ""
    return found.hexdigest()


def _times(market: Market, events: Sequence[Event]) -> dict[int, str]:
    found = {}
    for number in {event.block for event in events}:
        try:
            seconds = market.node.block(number).time
        except NotFound:  # a node that keeps no old blocks
            continue
        found[number] = datetime.fromtimestamp(seconds, UTC).isoformat()
    return found
