"""What the tools work on: a network, a node's index, the models of this agent, and its mandate where there is one.

One desk serves one agent for as long as its server runs. Nothing here is an owner's: no key, no table, no ledger.
"""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.chain.contracts.memory import ReadMemory
from app.client.dataset import Dataset
from app.client.index.client import IndexClient, find_node
from app.client.models import Model, ModelStore
from app.client.place import OrderPlace
from app.client.purchase import OrderTerms, choose_terms, find_terms
from app.client.verdict import verdict
from app.execution.inputs import load_circuit
from app.home.home import Home
from app.home.network import Network
from app.policy.preflight import Preflight
from app.protocol.documents import sha256
from app.protocol.errors import NotAllowed, NotFound
from app.protocol.ids import Digest
from fhe.circuit import codec
from fhe.circuit.circuit import Circuit

if TYPE_CHECKING:
    import polars as pl

    from app.client.ask.order import Question
    from app.client.ask.plan import Plan
    from app.client.buyer import Buyer

MAX_KEPT = 64  # datasets, and handles, in memory
MAX_PREVIEWS = 8
ModelSource = Literal["trained", "published", "question"]


@dataclass(frozen=True)
class Prepared:
    """What an agent can order, under a handle: a model of its own, a published circuit, or a question."""

    dataset: int
    source: ModelSource
    digest: Digest
    circuit: Circuit
    data: bytes
    model: Model | None = None
    question: Question | None = None

    @property
    def circuit_digest(self) -> str:
        """What chain, providers and custodians call its circuit."""
        return sha256(self.data)


class Desk:
    """One agent's view of one market."""

    def __init__(self, home: Home, network: Network, *, node: str | None = None, folder: Path | None = None) -> None:
        """`folder` is where models are kept; None keeps them for as long as the desk is there."""
        self.home, self.network, self.node = home, network, node
        network.market.client.memory = ReadMemory(network.node)  # a conversation asks the same again and again
        self._scratch = tempfile.TemporaryDirectory(prefix="darkroom-") if folder is None else None
        self.folder = folder or Path(self._scratch.name if self._scratch else "")
        self.models = ModelStore(self.folder / "models")
        self.buyer: Buyer | None = None  # with a mandate
        self.paying = threading.Lock()
        self._datasets: OrderedDict[tuple[int, str], Dataset] = OrderedDict()
        self._previews: OrderedDict[str, pl.DataFrame] = OrderedDict()
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()

    def close(self) -> None:
        """Forget what was kept for this run."""
        if self._scratch is not None:
            self._scratch.cleanup()

    @cached_property
    def index(self) -> IndexClient:
        """A node's index of this market. Errors: NotFound, Unavailable, VerificationFailed."""
        return IndexClient.of(find_node(self.home, self.node), self.network.market)

    def dataset(self, number: int) -> Dataset:
        """A dataset in its present version; its manifest is read once. Errors: NotFound, BadBlock, BadDocument."""
        record = self.network.market.dataset(number)
        key = (number, record.manifest)
        if key not in self._datasets:
            self._datasets[key] = Dataset.open(self.network, number)
            while len(self._datasets) > MAX_KEPT:
                self._datasets.popitem(last=False)
        return Dataset(self.network, record, self._datasets[key].manifest)

    def preview(self, dataset: Dataset) -> pl.DataFrame:
        """A dataset's synthetic rows, checked once. Errors: NotFound without any; BadDocument."""
        key = dataset.record.manifest
        if key not in self._previews:
            self._previews[key] = dataset.preview()
            while len(self._previews) > MAX_PREVIEWS:
                self._previews.popitem(last=False)
        return self._previews[key]

    def spend(self) -> Buyer:
        """Who buys under the mandate. Errors: NotAllowed without one."""
        if self.buyer is None:
            raise NotAllowed(
                "This server has no mandate, so it can read and price, and pay for nothing.",
                "A person signs one: darkroom mandate sign; then start: darkroom mcp --mandate FILE.",
            )
        return self.buyer

    def keep(self, prepared: Prepared) -> Prepared:
        """Remember something to order under its handle."""
        self._prepared[prepared.digest] = prepared
        while len(self._prepared) > MAX_KEPT:
            self._prepared.popitem(last=False)
        return prepared

    def published(self, dataset: Dataset, digest: str) -> Prepared:
        """A published circuit by its digest. Errors: NotFound, BadBlock, BadDocument."""
        circuit = load_circuit(self.network.store, Digest(digest))
        data = codec.encode(circuit)
        return self.keep(Prepared(dataset.record.id, "published", Digest(digest), circuit, data))

    def asked(self, dataset: Dataset, sql: str) -> tuple[Prepared | None, Plan]:
        """A question as something to order; None where its answer is public already. Errors: BadQuery."""
        from app.client.ask.order import question_of
        from app.client.ask.plan import plan
        from app.client.ask.query import parse

        planned = plan(parse(sql), dataset.codebook, dataset.profile)
        if planned.circuit is None:
            return None, planned
        question = question_of(sql, planned)
        kept = Prepared(
            dataset.record.id, "question", question.digest, question.circuit, question.data, question=question
        )
        return self.keep(kept), planned

    def prepared(self, dataset: Dataset, handle: str) -> Prepared:
        """What a handle stands for: kept in memory, a model in the agent's folder, or a published circuit.

        Errors: NotFound, BadDocument; NotAllowed for another dataset's.
        """
        if (found := self._prepared.get(handle)) is None:
            if handle in self.models.digests():
                found = of_model(dataset.record.id, self.models.find(handle))
            else:
                try:
                    found = self.published(dataset, handle)
                except NotFound:
                    raise NotFound("No model has this handle here.", "Compile it again: compile_model.") from None
        if found.dataset != dataset.record.id:
            raise NotAllowed(
                f"This model was compiled for dataset {found.dataset}.", "Compile it for the dataset that you name."
            )
        return found

    def terms(
        self,
        dataset: Dataset,
        order: Prepared,
        place: OrderPlace,
    ) -> OrderTerms:
        """The terms under which an order goes through, or the first with what keeps it from that. Nothing is sent.

        Errors: NotAllowed where nothing is offered; BadModel for another dataset's circuit; those of `verdict`.
        """
        if self.buyer is not None:
            return find_terms(self.buyer, dataset, order, place)

        def check(held: int, sold: int | None) -> Preflight:
            return verdict(
                dataset, order.circuit, place.rows, first_row=place.first_row, offer=sold, license=held,
                replicas=place.replicas,
            )  # fmt: skip

        market, number = self.network.market, dataset.record.id
        return choose_terms(market, number, check, (), license=place.license, offer=place.offer)


def of_model(dataset: int, model: Model) -> Prepared:
    """A kept model as something to order."""
    return Prepared(dataset, "trained", model.digest, model.circuit, model.data, model=model)
