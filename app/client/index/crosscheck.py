"""What a node's index says, held against the chain: the prices, policies and states that money or trust depends on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.chain.market import Market
from app.client.index.client import IndexedDataset, IndexedJob, IndexedOffer
from app.protocol.errors import NotFound
from app.protocol.market.entities import DatasetRecord, Job, Offer


@dataclass(frozen=True)
class Difference:
    """One fact that the node tells otherwise than the chain, which counts."""

    what: str  # whose fact: "dataset 3"
    fact: str
    node: Any
    chain: Any

    def __str__(self) -> str:
        return f"{self.what}: {self.fact} is {self.chain} on the chain, and {self.node} for the node."


@dataclass(frozen=True)
class CheckedDataset:
    """A dataset as the chain has it, the first active offer that the node names, and what the node got wrong.

    An index may leave offers out, which nothing here sees; `darkroom dataset show` reads all of them.
    """

    record: DatasetRecord
    offer: Offer | None
    differences: tuple[Difference, ...]


def check_dataset(market: Market, card: IndexedDataset) -> CheckedDataset:
    """Errors: NotFound for a dataset that the chain does not have; Unavailable."""
    record, what = market.dataset(card.entry.id), f"dataset {card.entry.id}"
    told = {
        "owner": card.entry.owner,
        "rows": card.entry.rows,
        "manifest": card.manifest,
        "version": card.version,
        "epoch": card.epoch,
        "tombstoned": card.entry.tombstoned,
    }
    found = list(_differences(what, told, record))
    for each in card.offers:
        try:
            offer = market.offer(each.id)
        except NotFound:
            found.append(Difference(f"offer {each.id}", "existence", "there", "not there"))
            continue
        found += _offer(each, offer, record)
        if offer.active and offer.dataset == record.id:
            return CheckedDataset(record, offer, tuple(found))
    return CheckedDataset(record, None, tuple(found))


def check_job(market: Market, indexed: IndexedJob) -> tuple[Job, tuple[Difference, ...]]:
    """The job as the chain has it, and what the node got wrong. Errors: NotFound, Unavailable, VerificationFailed."""
    job = market.job(indexed.id)
    facts = {"dataset": indexed.dataset, "license": indexed.license, "buyer": indexed.buyer, "rows": indexed.rows}
    state = Difference(f"job {job.id}", "state", indexed.state, job.state.name.lower())
    late = () if state.node == state.chain else (state,)
    return job, (*_differences(f"job {job.id}", facts, job), *late)


def _offer(indexed: IndexedOffer, offer: Offer, record: DatasetRecord) -> Iterator[Difference]:
    facts = {
        "dataset": record.id,
        "price_license": indexed.price_license,
        "price_job": indexed.price_job,
        "price_row": indexed.price_row,
        "policy": indexed.policy.digest,
        "active": indexed.active,
    }
    return _differences(f"offer {offer.id}", facts, offer)


def _differences(what: str, indexed: dict[str, Any], true: object) -> Iterator[Difference]:
    for fact, value in indexed.items():
        if value != (there := getattr(true, fact)):
            yield Difference(what, fact, value, there)
