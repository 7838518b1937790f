"""What a dataset's custodian would say to a job, by all that is public: asked before anything is published or paid."""

from __future__ import annotations

from app.client.dataset import Dataset
from app.execution.history import History
from app.execution.inputs import load_circuit
from app.policy.explain import Explanation, explain
from app.policy.judge import samples_of
from app.protocol.errors import DarkroomError
from app.protocol.market.entities import LIVE
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.leakage import Released
from fhe.circuit.circuit import Circuit


def verdict(
    dataset: Dataset, circuit: Circuit, policy: OutputPolicy, rows: int, *, first_row: int = 0, license: int = 0
) -> Explanation:
    """Judge a job after everything that was released on the dataset, and that the license's open jobs will be told.

    Errors: NotFound, BadBlock and BadDocument for objects of earlier jobs.
    """
    chain, store = dataset.network.market, dataset.network.store
    history, number = History(chain, store), dataset.record.id
    told: list[Released] = list(history.on(number))
    if license:
        told += [entry for entry in history.on(number, LIVE) if entry.license == license]
    guaranteed = chain.license(license).micro_bits if license else None
    kept: dict[str, bytes] = {}

    def sample(name: str) -> bytes | None:
        if name not in kept:
            try:
                kept.update(samples_of(load_circuit(store, name.partition(":")[0]), dataset.codebook))
            except DarkroomError:
                return None
        return kept.get(name)

    return explain(
        circuit, dataset.table, dataset.profile, policy, rows, first_row=first_row, license=license,
        version=dataset.record.version, dataset=dataset.record, history=told, kept=sample, guaranteed=guaranteed,
    )  # fmt: skip
