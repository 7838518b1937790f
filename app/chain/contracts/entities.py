"""From the contracts' structs and events to the market's entities, and the formulas that both sides compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from app.chain.contracts.editions import fees_of
from app.protocol.errors import BadInput, VerificationFailed
from app.protocol.ids import Address, Digest, TxHash, Units
from app.protocol.market.entities import (
    ZERO,
    Answered,
    Approval,
    DatasetRecord,
    Execution,
    Job,
    JobState,
    License,
    Offer,
    ProviderRecord,
)

if TYPE_CHECKING:
    from app.chain.events import Event

Struct = Mapping[str, Any]
RAW_CODEC = 0x55  # multicodec of a CID over bytes as they are: manifests are single raw blocks
REASON_BYTES = 32


def commitment(chain_id: int, market: Address, job: int, provider: Address, receipt: Digest, salt: str) -> Digest:
    """What an executor commits to before it sees anybody's receipt, as JobMarket.commitmentFor computes it.

    keccak256(abi.encode(chain id, job market, job, provider, receipt digest, salt)), hex. The salt is 32 random bytes.
    """
    types = ("uint256", "address", "uint256", "address", "bytes32", "bytes32")
    values = (chain_id, market, job, provider, bytes.fromhex(receipt), bytes.fromhex(salt))
    return Digest(bytes(keccak(encode(types, values))).hex())


def content(manifest: Digest, codec: int, data_root: Digest, profile: Digest) -> Digest:
    """The word that binds a dataset version's digests in the registry's storage."""
    values = (bytes.fromhex(manifest), codec, bytes.fromhex(data_root), bytes.fromhex(profile))
    return Digest(bytes(keccak(encode(("bytes32", "uint8", "bytes32", "bytes32"), values))).hex())


def content_of(dataset: DatasetRecord) -> Digest:
    """The word that binds the digests of this version of a dataset; an order names it."""
    return content(dataset.manifest, RAW_CODEC, dataset.data_root, dataset.profile)


def order_digest(job: Job, dataset: DatasetRecord) -> Digest:
    """The contract's word for an order that states its program, on the dataset's version that the job is of:
    keccak256(abi.encode(circuit, firstRow, rows, content, program)), hex.
    """
    values = (job.circuit, job.first_row, job.rows, content_of(dataset), job.program)
    plain = [bytes.fromhex(each) if isinstance(each, str) else each for each in values]
    return Digest(bytes(keccak(encode(("bytes32", "uint64", "uint64", "bytes32", "bytes32"), plain))).hex())


def next_head(head: Digest, job: int, decision: Digest) -> Digest:
    """The head of a dataset's answers after one more: keccak256(abi.encode(head before, job, decision)), hex."""
    values = (bytes.fromhex(head), job, bytes.fromhex(decision))
    return Digest(bytes(keccak(encode(("bytes32", "uint256", "bytes32"), values))).hex())


def reason_to_word(reason: str) -> str:
    """A refusal's code as bytes32: its ASCII letters, then zeros. Errors: BadInput."""
    data = reason.encode("ascii", "replace")
    if not 0 < len(data) <= REASON_BYTES or data.decode() != reason:
        raise BadInput(f"A refusal's reason is a code of 1 to {REASON_BYTES} ASCII letters.")
    return data.ljust(REASON_BYTES, b"\0").hex()


def word_to_reason(word: str) -> str:
    """Inverse of `reason_to_word`; what is not ASCII shows as question marks."""
    return bytes.fromhex(word).rstrip(b"\0").decode("ascii", "replace")


def as_dataset(id: int, stored: Struct, version: Struct) -> DatasetRecord:
    """From the registry's struct and the DatasetVersion event of the current version.

    Errors: VerificationFailed when the event is not the one that the storage word binds.
    """
    digests = (version["manifest"], version["codec"], version["dataRoot"], version["profile"])
    if content(*digests) != stored["content"]:
        raise VerificationFailed(
            f"The digests that the node gives for dataset {id} are not those that the registry holds.",
            "Use another node: this one does not tell the truth.",
        )
    return as_dataset_version(id, stored, version)


def as_dataset_version(id: int, stored: Struct, version: Struct) -> DatasetRecord:
    """The dataset as of one version: digests and size from its event, the parties from storage."""
    return DatasetRecord(
        id=id,
        owner=stored["owner"],
        custodian=stored["custodian"],
        manifest=version["manifest"],
        data_root=version["dataRoot"],
        profile=version["profile"],
        rows=version["rows"],
        version=version["version"],
        epoch=version["epoch"],
        tombstoned=stored["tombstoned"],
    )


def as_offer(id: int, stored: Struct) -> Offer:
    """From the license market's struct."""
    return Offer(
        id=id,
        dataset=stored["dataset"],
        seller=stored["seller"],
        price_license=stored["priceLicense"],
        price_job=stored["priceJob"],
        price_row=stored["priceRow"],
        max_jobs=stored["maxJobs"],
        max_rows=stored["maxRows"],
        duration=stored["duration"],
        policy=stored["policy"],
        active=stored["active"],
        micro_bits=stored["microBits"],
        licenses_left=stored["licensesLeft"],
    )


def as_license(id: int, stored: Struct) -> License:
    """From the license market's struct."""
    return License(
        id=id,
        offer=stored["offer"],
        dataset=stored["dataset"],
        buyer=stored["buyer"],
        valid_from=stored["validFrom"],
        valid_until=stored["validUntil"],
        jobs_left=stored["jobsLeft"],
        rows_left=stored["rowsLeft"],
        policy=stored["policy"],
        revoked=stored["revoked"],
        micro_bits=stored["microBits"],
        settled=stored["settled"],
    )


def as_provider(address: Address, stored: Struct) -> ProviderRecord:
    """From the provider registry's struct."""
    fixed_fee, price = fees_of(stored)
    return ProviderRecord(
        address=address,
        bond=stored["bond"],
        price=Units(price),
        fixed_fee=Units(fixed_fee),
        capacity=stored["capacity"],
        heartbeat=stored["heartbeat"],
        unbonding=stored["unbonding"],
        locked=stored["locked"],
        seat=stored["seat"],
        in_use=stored["inUse"],
    )


def as_job(id: int, stored: Struct, executions: Sequence[Struct], opened: Struct, closed: Mapping[str, Struct]) -> Job:
    """From the job market's structs, its JobOpened event, and the events of the block that closed it, by name."""
    released, refused = closed.get("JobReleased", {}), closed.get("JobRefused", {})
    return Job(
        id=id,
        license=stored["license"],
        dataset=stored["dataset"],
        buyer=stored["buyer"],
        state=JobState(stored["state"]),
        circuit=opened["circuit"],
        first_row=opened["firstRow"],
        rows=stored["rows"],
        sealing_key=opened["sealingKey"],
        units=stored["units"],
        replicas=stored["replicas"],
        executions=tuple(
            Execution(each["provider"], each["commitment"], each["receipt"], each["fee"], each["out"])
            for each in executions
        ),
        receipt=stored["receipt"],
        sealed=released.get("sealedDigest", ZERO),
        decision=released.get("decision", refused.get("decision", ZERO)),
        deadline=stored["deadline"],
        opened_block=stored["openedBlock"],
        version=opened["version"],
        price=stored["price"],
        max_fee=stored["maxFee"],
        round=stored["round"],
        revealing=stored["revealing"],
        seed_block=stored["seedBlock"],
        closed_block=stored["closedBlock"],
        reason=word_to_reason(refused["reason"]) if refused else "",
        approval=Approval(stored["approval"]),
        contested_from=stored["contestedFrom"],
        program=opened.get("program", ZERO),
    )


def as_answered(events: Iterable[Event], head: Digest) -> Iterator[Answered]:
    """From the events JobReleased and JobRefused of one dataset, in order; `head` is what the first goes on from."""
    for event in events:
        said = event.args
        head = next_head(head, said["job"], said["decision"])
        yield Answered(
            job=said["job"],
            decision=said["decision"],
            sealed=said.get("sealedDigest", ZERO),
            reason=word_to_reason(said["reason"]) if "reason" in said else "",
            head=head,
            block=event.block,
            tx=TxHash(event.tx),
        )
