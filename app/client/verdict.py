"""What would become of an order, by all that is public: asked at every door before anything is published or paid."""

from __future__ import annotations

from app.client.dataset import Dataset
from app.execution.history import History
from app.execution.inputs import load_circuit
from app.execution.market_state import read_market
from app.policy.judge import samples_of
from app.policy.preflight import REPLICAS, Preflight, Request, preflight
from app.protocol.errors import DarkroomError
from app.protocol.market.entities import LIVE
from app.protocol.policy.leakage import Released
from fhe.circuit.circuit import Circuit


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
) -> Preflight:
    """Judge an order under a license, else under an offer of which one would be bought, else by the manifest's policy.

    It counts everything that was released on the dataset, and what the license's open jobs will be told. `rows` None
    takes all from `first_row` on, as far as the policy allows in one job. `buyer` None is the license's holder.
    Errors: NotFound, BadBlock and BadDocument for objects of the dataset or of earlier jobs; NotAllowed for another
    dataset's offer or license; BadModel for another dataset's circuit.
    """
    network, number = dataset.network, dataset.record.id
    chain, store = network.market, network.store
    state = read_market(chain, store, number, offer=offer, license=license, buyer=buyer)
    count = min(state.dataset.rows - first_row, state.policy.max_rows_per_job) if rows is None else rows
    request = Request(circuit, count, first_row, replicas, sealing_key, max_fee)
    history = History(chain, store)
    told: list[Released] = list(history.on(number))
    if license:
        told += [entry for entry in history.on(number, LIVE) if entry.license == license]
    outputs: dict[str, bytes] = {}

    def sample(name: str) -> bytes | None:
        if name not in outputs:
            try:
                outputs.update(samples_of(load_circuit(store, name.partition(":")[0]), dataset.codebook))
            except DarkroomError:
                return None
        return outputs.get(name)

    return preflight(request, state, told, sample)
