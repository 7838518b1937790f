"""Records a small market on the embedded chain: a dataset of no security, and jobs that end in different ways."""

from __future__ import annotations

import base64
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.auditor.audit import Auditor
from app.chain.contracts.deployment import read as read_deployment
from app.chain.evm.embedded import EmbeddedChain
from app.chain.market import Market
from app.chain.recorded import RecordedProvider, call_key
from app.chain.rpc.node import RpcNode
from app.custodian.agent import CustodianAgent
from app.custodian.market_chain import MarketChain
from app.execution.execute import execute
from app.execution.inputs import JobInputs, load_circuit, load_manifest
from app.execution.program import stated_program
from app.protocol.documents import sha256
from app.protocol.market.receipt import OutputPolicy
from fhe.arrays import I64
from fhe.circuit.circuit import Circuit, Input, Linear, Lookup, Readout
from fhe.circuit.codec import encode
from fhe.profile import EncryptionProfile
from fhe.profiles import find, insecure_test_profile
from tests.support.custody import BUYER_PUBLIC, NAMES, OPEN_POLICY, EncryptedDataset, codebook, linear_circuit
from tests.support.market import DOLLAR, HOUR, MICRO, MarketOnChain, open_market, set_stage

PROFILE = insecure_test_profile(128, 6)
COLUMNS, ROWS = 4, 100
# What becomes of each job, in the order of their numbers.
LINEAR, TREES, APPROVED, REFUSED, WAITING, JUDGED = range(1, 7)


@dataclass
class RecordedMarket:
    """The market while it is recorded."""

    dataset: EncryptedDataset
    stage: MarketOnChain
    agent: CustodianAgent

    def sell(self, policy: OutputPolicy) -> int:
        """A license under a policy."""
        self.dataset.store.put(policy.to_bytes())
        terms: dict[str, Any] = {
            "price_license": DOLLAR, "price_job": DOLLAR, "price_row": 1, "max_jobs": 9, "max_rows": 1000,
            "duration": 24 * HOUR, "micro_bits": min(policy.micro_bits_per_license, 100 * MICRO), "licenses": 1,
        }  # fmt: skip
        market = self.stage.market
        offer = market.create_offer(self.stage.owner, self.stage.dataset, policy=policy.digest, **terms)
        return market.buy_license(self.stage.buyer, offer.value).value

    def compute(self, license: int, circuit: Circuit, **order: Any) -> int:
        """A job that two drawn executors computed honestly; `order` may have a `program`."""
        market, store = self.stage.market, self.dataset.store
        self.dataset.store.put(data := encode(circuit))
        job = self.stage.open(
            circuit=sha256(data), license=license, rows=40, first_row=9, sealing_key=BUYER_PUBLIC, **order
        )
        drawn = self.stage.draw(job)
        record = market.job(job)
        version = market.dataset_version(record.dataset, record.version)
        facts = JobInputs(
            market.chain_id, market.address, record, version, load_manifest(store, version),
            load_circuit(store, record.circuit), PROFILE,
        )  # fmt: skip
        done = execute(facts, store, threads=1)
        store.put(done.receipt.to_bytes())
        store.put(bytes(done.output))
        self.stage.answer(job, drawn, done.receipt.digest)
        return job


def trees(profile: EncryptionProfile, at: int = 3) -> Circuit:
    """Two lookups of three bits each, added up and compared with a threshold."""
    bits = [Input(NAMES[column], "bins", edge) for column, edge in ((0, 2), (1, 3), (2, 4), (1, 5), (2, 2), (3, 3))]

    def words(*values: int) -> I64:
        return np.array(values, np.int64)

    first = Linear(3, words(0, 3, 6), words(*range(6)), words(4, 2, 1, 4, 2, 1), words(0, 0))
    tables = np.array([[-9, -5, 3, 8, -2, 4, 7, 11], [6, -7, 2, -3, 9, 1, -8, 5]], np.int64)
    last = Linear(10, words(0, 2), words(6, 7), words(1, 1), words(0))
    layers = (first, Lookup(10, words(0, 1), tables), last)
    return Circuit(
        profile.digest,
        codebook(bins=True, columns=COLUMNS).digest,
        tuple(bits),
        layers,
        ("y0",),
        Readout("threshold", at),
    )


def linear(weights: list[int], at: int | None = 0) -> Circuit:
    """A line over the columns' codes."""
    return linear_circuit([weights], at=at, profile=PROFILE, bins=True, width=COLUMNS)


def run(folder: Path) -> tuple[Market, EncryptedDataset, EmbeddedChain]:
    """The whole story, up to six jobs."""
    codes = np.random.default_rng(3).integers(0, 256, (ROWS, COLUMNS))
    policy = OutputPolicy(max_rank=2)
    dataset = EncryptedDataset(folder, insecure=PROFILE, policy=policy, codes=codes, roots=True)
    chain = EmbeddedChain(folder / "chain.sqlite")
    stage = set_stage(open_market(chain, folder / "deployment.json"))
    stage.publish(dataset.records[1])
    market = stage.market
    agent = CustodianAgent(
        MarketChain(market, stage.owner), dataset.store, lambda _: dataset.keys,
        dataset.ledger_of(market.chain_id, market.address), stage.owner.sign_digest,
        execute=lambda facts, _: execute(facts, dataset.store, threads=1), threads=1,
        find_profile=lambda digest: find(digest, [PROFILE]),
    )  # fmt: skip
    world = RecordedMarket(dataset, stage, agent)
    plain, open_, manual = (
        world.sell(each)
        for each in (policy, OPEN_POLICY, OPEN_POLICY.model_copy(update={"approval": "manual", "max_rank": 3}))
    )
    spread = [17, -4, 9, 30]
    expected = {
        LINEAR: (world.compute(plain, linear(spread)), "done"),
        TREES: (world.compute(open_, trees(PROFILE)), "done"),
        APPROVED: (world.compute(manual, linear([3, 8, -5, 11])), "done"),
        REFUSED: (world.compute(open_, linear([7, 0, 0, 0], at=None)), "refused"),
    }
    market.approve_job(stage.owner, APPROVED)
    for number, (job, outcome) in expected.items():
        found = agent.process(job)
        assert (job, str(found.what)) == (number, outcome), found
    assert world.compute(plain, linear([5, -9, 4, 6])) == WAITING
    judged = trees(PROFILE, at=4)
    program = stated_program(judged, PROFILE, dataset.manifest.table, 40)
    assert world.compute(open_, judged, program=program) == JUDGED
    assert str(agent.process(JUDGED).what) == "done"
    return market, dataset, chain


class _Listening(RecordedProvider):
    """The live chain, whose answers to calls are kept."""

    def __init__(self, chain: EmbeddedChain, calls: dict[str, str]) -> None:
        super().__init__(chain)
        self.calls = calls

    def make_request(self, method: Any, params: Any) -> Any:
        """The chain's answer."""
        answer = super().make_request(method, params)
        if method == "eth_call" and "result" in answer:
            call = params[0]
            data = bytes.fromhex(call.get("input", call.get("data")).removeprefix("0x"))
            self.calls[call_key(call["to"], data)] = answer["result"]
        return answer


def record() -> dict[str, Any]:
    """The market's facts and sections as `app.auditor.conformance.kit` has them; differs from run to run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        market, dataset, chain = run(folder)
        calls: dict[str, str] = {}
        node = RpcNode(_Listening(chain, calls))
        from app.chain.contracts.deployment import client_of

        deployment = read_deployment(folder / "deployment.json")
        heard = Market(client_of(node, deployment), deployment)
        for job in range(LINEAR, JUDGED + 1):
            report = Auditor(heard, dataset.store, find_profile=lambda digest: find(digest, [PROFILE])).audit(job)
            assert report.confirmed, [check for check in report.checks if check.status == "wrong"]
        dataset.store.put(PROFILE.to_bytes())
        addresses = list(market.addresses.values())
        logs = chain.request(
            "eth_getLogs", {"fromBlock": hex(0), "toBlock": hex(market.block_number), "address": addresses}
        )
        transactions = {log["transactionHash"] for log in logs}
        block = chain.request("eth_getBlockByNumber", "latest")
        found = {
            "market": {
                "chain_id": market.chain_id,
                "block": {key: block[key] for key in ("number", "hash", "parentHash", "timestamp", "baseFeePerGas")},
                "deployment": json.loads(deployment.to_bytes()),
            },
            "sections": {
                "logs": {f"{int(log['blockNumber'], 16)}.{int(log['logIndex'], 16)}": log for log in logs},
                "transactions": {tx: _short(chain.request("eth_getTransactionByHash", tx)) for tx in transactions},
                "calls": calls,
                "objects": {
                    cid: base64.b64encode(dataset.store.read(cid, limit=1 << 21)).decode()
                    for cid in dataset.store.blocks()  # type: ignore[attr-defined]
                },
            },
        }
        chain.close()
        return found


def _short(transaction: dict[str, Any]) -> dict[str, Any]:
    """Without what an audit does not read."""
    kept = ("hash", "blockNumber", "blockHash", "from", "to", "input")
    return {key: transaction[key] for key in kept}
