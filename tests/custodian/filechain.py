"""A simulated chain in files, so that it outlives the processes that use it, and a world on it that can be reopened."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from app.custodian.agent import CustodianAgent
from app.custodian.ledger import Ledger
from app.custodian.ports import StepHook
from app.execution.execute import Evaluation, execute
from app.execution.inputs import JobInputs
from app.protocol.errors import Reverted
from app.protocol.ids import Digest
from app.protocol.market.entities import Approval, DatasetRecord, Job, JobState, License
from app.protocol.market.entities import Execution as Part
from app.protocol.ports import Progress
from app.storage.folder import BlockStore
from tests.support.custody import MarketInMemory, PlainKeys, random_keys
from tests.support.memory_chain import SimulatedChain


class FileChain(SimulatedChain):
    """Entities in `chain.json`, transactions appended to `transactions`, one line each, under a lock."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._log = folder / "transactions"
        said = json.loads((folder / "chain.json").read_text("utf-8"))
        self.licenses = {each["id"]: License(**each) for each in said["licenses"]}
        self.datasets = {(each["id"], each["version"]): DatasetRecord(**each) for each in said["datasets"]}
        for each in said["jobs"]:
            parts = tuple(Part(**part) for part in each.pop("executions"))
            enums = {"state": JobState(each["state"]), "approval": Approval(each["approval"])}
            self.jobs[each["id"]] = Job(**each | enums | {"executions": parts})

    @staticmethod
    def save(chain: SimulatedChain, folder: Path) -> None:
        """Write the entities down."""
        said = {
            "licenses": [asdict(each) for each in chain.licenses.values()],
            "datasets": [asdict(each) for each in chain.datasets.values()],
            "jobs": [asdict(each) for each in chain.jobs.values()],
        }
        (folder / "chain.json").write_text(json.dumps(said))
        (folder / "transactions").touch()

    def entries(self) -> list[dict[str, object]]:
        """Every transaction so far."""
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]

    def job(self, id: int) -> Job:
        """The job as the transactions left it."""
        job = super().job(id)
        for entry in self.entries():
            if entry["job"] == id:
                changes = dict(entry["changes"])  # type: ignore[call-overload]
                job = replace(job, **changes | {"state": JobState(changes["state"])})
        return job

    def _decided(self, dataset: int) -> list[tuple[int, int, Digest, bool]]:
        found = [(entry["job"], entry["changes"], entry["what"] == "release") for entry in self.entries()]
        return [(dataset, job, changes["decision"], released) for job, changes, released in found]  # type: ignore[index,misc]

    def _close(self, what: str, number: int, head: str, **changes: object) -> str:
        with self._log.open("a") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            if self.decision_head(1) != head:
                raise Reverted("Another decision came first.", reason="StaleHead")
            if self.job(number).state is not JobState.COMPUTED:
                raise Reverted(f"Job {number} is over.", reason="WrongState")
            log.write(json.dumps({"what": what, "job": number, "changes": changes}) + "\n")
            log.flush()
            os.fsync(log.fileno())
        return f"0x{number:064x}"


def reopened_agent(folder: Path, seed: int, witness: StepHook) -> CustodianAgent:
    """A custodian in a process of its own, on what a world left in a folder; leases are over at once."""
    chain, store = FileChain(folder), BlockStore(folder / "store")

    def run(facts: JobInputs, progress: Progress) -> Evaluation:
        return execute(facts, store, threads=1, progress=progress)

    ledger = Ledger(folder / "ledger.sqlite", f"{chain.chain_id}:{chain.address}", lambda: 1_000, lease=0)
    keys = PlainKeys(random_keys(seed))
    return CustodianAgent(
        chain, store, lambda _: keys, ledger, lambda text: f"signed:{text}", execute=run, hook=witness
    )


def reopen(world: MarketInMemory) -> MarketInMemory:
    """The world, seen through its files."""
    world.chain = FileChain(world.folder)
    return world
