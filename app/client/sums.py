"""Ordering sums: a circuit that sums is explained for free, paid for once, and its released numbers are read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.client.following import await_result
from app.client.place import OrderPlace
from app.client.purchase import OrderTerms, find_terms, purchase
from app.execution.inputs import load_policy
from app.protocol.documents import sha256
from app.protocol.errors import BadDocument
from app.protocol.ids import Digest
from app.protocol.policy.bits import MICRO, noise_of
from fhe.arrays import I64
from fhe.circuit import codec
from fhe.circuit.circuit import Circuit

if TYPE_CHECKING:
    from app.client.buyer import Buyer
    from app.client.dataset import Dataset
    from app.home.network import Network

MILLI = 1000


@dataclass(frozen=True)
class SumsWanted:
    """A circuit that sums, as it is ordered; what its numbers mean is its maker's."""

    circuit: Circuit
    data: bytes

    @classmethod
    def of(cls, circuit: Circuit) -> SumsWanted:
        """Errors: TooLarge for a circuit over the limit of a document."""
        return cls(circuit, codec.encode(circuit))

    @property
    def circuit_digest(self) -> str:
        """What the market calls it."""
        return sha256(self.data)

    @property
    def digest(self) -> Digest:
        """Its name on this machine."""
        return sha256(self.data)


@dataclass(frozen=True)
class SumsExplained:
    """What sums would cost and how loud their noise would be, for free. Amounts are token units."""

    wanted: SumsWanted
    rows: int
    terms: OrderTerms
    epsilon: float
    noise_scale: float  # of discrete Laplace noise on each released number

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        found, circuit = self.terms.found, self.wanted.circuit
        return {
            "rows": self.rows,
            "released": len(circuit.released),
            "values_decrypted": len(circuit.outputs) * circuit.result_rows(self.rows),
            "bootstraps": found.cost.bootstraps,
            "price": self.terms.total or 0,
            "epsilon": self.epsilon,
            "bits": found.said.micro_bits / MICRO,
            "noise_scale": self.noise_scale,
            "problems": found.listed(),
        }


@dataclass(frozen=True)
class SumsReleased:
    """The released numbers (released,) of one job on `rows` rows, and what was added to them."""

    values: I64
    rows: int
    noise_scale: float
    epsilon: float
    job: int
    receipt: str  # digest of the receipt that its executors agreed on


def explain_sums(buyer: Buyer, dataset: Dataset, wanted: SumsWanted, place: OrderPlace) -> SumsExplained:
    """Terms to order sums under; nothing is sent. Errors: as `find_terms`."""
    count = place.rows or dataset.record.rows - place.first_row
    terms = find_terms(buyer, dataset, wanted, replace(place, rows=count))
    return SumsExplained(wanted, count, terms, *noise_under(buyer.network, dataset, terms))


def noise_under(network: Network, dataset: Dataset, terms: OrderTerms) -> tuple[float, float]:
    """Epsilon of a release under these terms, and the noise's scale on each released number.

    Errors: NotFound, BadBlock, BadDocument for a policy out of reach.
    """
    market = network.market
    digest = market.license(terms.license).policy if terms.license else market.offer(terms.offer or 0).policy
    policy = load_policy(network.store, dataset.manifest, digest)
    return noise_of(terms.found.said.leak, policy, dataset.table.rows_per_person)


def order_sums(buyer: Buyer, explained: SumsExplained, *, most: int | None) -> int:
    """The job that was ordered, for at most `most` token units: an equal order is the same job.

    Errors: what the order would be refused for; UsageError without a bound, NotAllowed above it.
    """
    return purchase(buyer, explained.wanted, explained.terms, most=most).job.value


def read_sums(buyer: Buyer, job: int, wanted: SumsWanted, *, timeout: float | None = None) -> SumsReleased:
    """The released numbers of a job, once its result is out. Errors: TryAgain; BadDocument for another circuit's."""
    market = buyer.network.market
    if market.job(job).circuit != wanted.circuit_digest:
        raise BadDocument(f"Job {job} ran another circuit than this one.", "Name what it was ordered with.")
    result = await_result(buyer, job, timeout).result
    record = market.job(job)
    from app.execution.inputs import load_manifest

    manifest = load_manifest(buyer.network.store, market.dataset_version(record.dataset, record.version))
    policy = load_policy(buyer.network.store, manifest, market.license(record.license).policy)
    header = result.header
    epsilon = policy.epsilon_micro_per_job / MICRO
    return SumsReleased(
        result.values[:, 0], header.group, header.noise_scale_milli / MILLI, epsilon, job, record.receipt
    )
