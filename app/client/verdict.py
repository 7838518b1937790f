"""What would become of an order, by all that is public: asked at every door before anything is published or paid."""

from __future__ import annotations

from app.client.dataset import Dataset
from app.execution.history import History
from app.execution.inputs import load_circuit
from app.execution.market_state import MarketState, read_market
from app.policy.judge import samples_of
from app.policy.preflight import REPLICAS, Preflight, Request, preflight
from app.protocol.errors import DarkroomError
from app.protocol.ids import Digest
from app.protocol.market.entities import LIVE
from app.protocol.market.mandate import MandateState
from app.protocol.policy.leakage import Released
from fhe.circuit.circuit import Circuit


class Judge:
    """The market's state and what was released on a dataset, read once; judges any number of orders by it."""

    def __init__(
        self,
        dataset: Dataset,
        *,
        offer: int | None = None,
        license: int = 0,
        buyer: str | None = None,
        mandate: MandateState | None = None,
    ) -> None:
        """Under a license, else under an offer of which one would be bought, else by the manifest's policy.

        It counts everything that was released on the dataset, and what the license's open jobs will be told. `buyer`
        None is the license's holder; a `mandate` is the one whose account it is: its other open jobs count too.
        Errors: NotFound, BadBlock and BadDocument for objects of the dataset or of earlier jobs; NotYourLicense;
        NotAllowed for another dataset's offer or license.
        """
        chain, store, number = dataset.network.market, dataset.network.store, dataset.record.id
        self._dataset = dataset
        read = (dataset.record.manifest, dataset.manifest)
        self.state: MarketState = read_market(
            chain, store, number, offer=offer, license=license, buyer=buyer, read=read
        )
        history = History(chain, store)
        self._told: list[Released] = list(history.on(number))
        mine = {license} - {0} | (mandate.licenses if mandate else set())
        if mine:
            self._told += [entry for entry in history.on(number, LIVE) if entry.license in mine]
        self._mandate = mandate
        self._outputs: dict[str, bytes] = {}

    def judge(self, request: Request) -> Preflight:
        """What would become of an order. Errors: BadModel for another dataset's circuit."""
        return preflight(request, self.state, self._told, self._sample, self._mandate)

    def _sample(self, name: str) -> bytes | None:
        """The sampled output of a released circuit with lookups; None where it is out of reach."""
        if name not in self._outputs:
            dataset = self._dataset
            try:
                circuit = load_circuit(dataset.network.store, Digest(name.partition(":")[0]))
                self._outputs.update(samples_of(circuit, dataset.codebook))
            except DarkroomError:
                return None
        return self._outputs.get(name)


def verdict(
    dataset: Dataset,
    circuit: Circuit,
    rows: int | None = None,
    *,
    first_row: int = 0,
    offer: int | None = None,
    license: int = 0,
    buyer: str | None = None,
    replicas: int = REPLICAS,
    sealing_key: str | None = None,
    max_fee: int | None = None,
    mandate: MandateState | None = None,
) -> Preflight:
    """Judge one order. `rows` None takes all from `first_row` on, as far as the policy allows in one job.

    Errors: those of `Judge`; BadModel for another dataset's circuit.
    """
    judge = Judge(dataset, offer=offer, license=license, buyer=buyer, mandate=mandate)
    state = judge.state
    count = min(state.dataset.rows - first_row, state.policy.max_rows_per_job) if rows is None else rows
    return judge.judge(Request(circuit, count, first_row, replicas, sealing_key, max_fee))
