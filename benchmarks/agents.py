"""Agents: attacks on their purses, calls from words to an audited answer, and how fast the tools that read are.

- `attacks`, `stolen`: variants tried on mandates (`tests.support.mandate_attacks`), through an agent's tools
  (`tests.support.agent_attacks`) and on payments of single asks (`tests.support.paid_ask_attacks`), and those that took
  anything from anybody; `stopped_honest`: those beside which an honest agent could not go on.
- `calls`: what a scripted agent says to `darkroom mcp` from words to an audited answer, on a fresh `darkroom up`.
- `read_p95_ms`: of the tools that read, asked in turn by the SDK's client over stdio of that market.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

ROOT = Path(__file__).parents[1]
PATIENCE = 900.0  # seconds for the sample's keys and models, on however busy a machine
ROUNDS = 20  # of each reading tool
DOLLAR = MICRO = 10**6
Progress = Callable[[int, int], None]


def run(progress: Progress) -> dict[str, Any]:
    """Every figure."""
    with tempfile.TemporaryDirectory(prefix="darkroom-agents-") as folder:
        figures = _attacked(Path(folder), progress)
        return figures | _told(Path(folder) / "home", progress)


def _attacked(folder: Path, progress: Progress) -> dict[str, Any]:
    from app.chain.evm.embedded import EmbeddedChain
    from tests.support.agent_attacks import ATTACKS
    from tests.support.agent_world import agent_world, stolen_by
    from tests.support.mandate_attacks import CHAIN_ATTACKS, run_attacks
    from tests.support.mandates import mandate_stage
    from tests.support.market import open_market, set_stage
    from tests.support.paid_ask_attacks import ATTACKS as PAID
    from tests.support.paid_ask_attacks import honest, taken_by
    from tests.support.paid_asks import paid_asks

    whole, stolen, stopped = len(ATTACKS) + len(CHAIN_ATTACKS) + len(PAID), 0, 0
    (chain_folder := folder / "chain").mkdir()
    chain = EmbeddedChain(chain_folder / "chain.sqlite")
    path = chain_folder / "deployment.json"
    stage = mandate_stage(set_stage(open_market(chain, path)).market, path)
    for done, tried in enumerate(run_attacks(stage), 1):
        stolen += tried.stolen > 0
        stopped += not tried.honest
        progress(done, whole)
    chain.close()
    with agent_world(folder / "tools") as world:
        for done, attack in enumerate(ATTACKS, len(CHAIN_ATTACKS) + 1):
            stolen += bool(stolen_by(attack, world))
            world.honest()
            progress(done, whole)
    with paid_asks(folder / "asks") as asks:
        for done, paid in enumerate(PAID, whole - len(PAID) + 1):
            stolen += taken_by(paid, asks) > 0
            stopped += not honest(asks)
            progress(done, whole)
    return {"attacks": whole, "stolen": stolen, "stopped_honest": stopped}


def _told(root: Path, progress: Progress) -> dict[str, Any]:
    """A fresh market of `darkroom up`, a mandate, and an agent over stdio."""
    from tests.support.running_node import running

    with running(root) as node:
        node.wait(lambda each: each["service"] == "sample" and each["event"] == "part-ended", PATIENCE)
        signed = _mandate(root)
        figures: dict[str, Any] = anyio.run(_agent, root, signed, progress)
        node.stop()
    return figures


def _mandate(root: Path) -> Path:
    """What a person does: sign and fund a mandate for the agent's key; its file."""
    from app.client.mandates import Mandates
    from app.home.home import Home
    from app.home.network import Network
    from app.home.setup import account_of, join

    home = Home(root)
    network = Network.open(home)
    payer, account = join(home, network, "buyer")
    agent = account_of(home.actor("agent", create=True), light=True, written=True)
    network.fund(agent.address)
    network.market.faucet(account, 100 * DOLLAR)
    mandates = Mandates(network, payer, account)
    signed = mandates.sign(
        agent.address, datasets=[1], amount_range=40 * DOLLAR, budget=60 * DOLLAR, bits_range=2 * MICRO,
        bits_budget=8 * MICRO, purpose="tell malignant samples from benign ones",
    )  # fmt: skip
    mandates.grant(signed, 60 * DOLLAR)
    path = root / "mandate.json"
    path.write_bytes(signed.to_bytes())
    return path


async def _agent(root: Path, mandate: Path, progress: Progress) -> dict[str, Any]:
    from mcp import Client, StdioServerParameters

    from tests.support.scripted_agent import ScriptedAgent

    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "darkroom", "mcp", "--mandate", str(mandate)], cwd=ROOT,
        env=clean | {"DARKROOM_HOME": str(root), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    async with Client(server) as client:
        scripted = ScriptedAgent(client, max_price="40")
        start = time.perf_counter()
        audit = await scripted.find_out("breast cancer")
        seconds, calls = time.perf_counter() - start, len(scripted.said)
        if not audit.get("complete"):
            raise SystemExit(f"The agent's answer is not audited: {audit}")
        order = {"dataset": 1, "model": scripted.answers["quote"]["model"]}
        reads: dict[str, dict[str, Any]] = {
            "search_datasets": {"text": "breast"},
            "dataset_card": {"dataset": 1},
            "preview": {"dataset": 1},
            "quote": order,
            "explain": order,
            "job_status": {"job": scripted.answers["open_job"]["job"]},
        }
        times: dict[str, list[float]] = {name: [] for name in reads}
        for each in range(ROUNDS):
            for name, arguments in reads.items():
                start = time.perf_counter()
                await scripted.call(name, **arguments)
                times[name].append((time.perf_counter() - start) * 1000)
            progress(each + 1, ROUNDS)
    every = sorted(one for found in times.values() for one in found)
    return {
        "calls": calls,
        "answer_s": round(seconds, 2),
        "read_p95_ms": round(every[int(0.95 * (len(every) - 1))], 1),
        "read_median_ms": round(every[len(every) // 2], 1),
        "load": round(os.getloadavg()[0], 1),  # of the machine, in the last minute
    } | {f"{name}_median_ms": round(sorted(found)[len(found) // 2], 1) for name, found in times.items()}
