"""The whole story of an agent: a fresh market, a person's mandate, words in, an audited answer out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mcp import Client, StdioServerParameters

from app.client.mandates import Mandates
from app.home.home import Home
from app.home.network import Network
from app.home.setup import account_of, join
from tests.support import apart
from tests.support.running_node import running
from tests.support.scripted_agent import ScriptedAgent

ROOT = Path(__file__).parents[2]
DOLLAR, MICRO = 10**6, 10**6
MOST_CALLS = 8


def test_from_words_to_an_audited_answer(sample_home: Path) -> None:
    """A person signs and funds a mandate; an agent with the SDK's client finds data, asks, and audits its answer.

    It takes eight calls at most, spends what the mandate's receipts say, and the person ends it with one transaction.
    """
    with running(sample_home) as node:
        node.said("sample", "part-ended", code=0)
        home = Home(sample_home)
        network = Network.open(home)
        payer, account = join(home, network, "buyer")
        agent = account_of(home.actor("agent", create=True), light=True, written=True)
        network.fund(agent.address)
        mandates = Mandates(network, payer, account)
        network.market.faucet(account, 100 * DOLLAR)
        signed = mandates.sign(
            agent.address, datasets=[1], amount_range=40 * DOLLAR, budget=60 * DOLLAR, bits_range=2 * MICRO,
            bits_budget=8 * MICRO, max_occurrences=4, purpose="tell malignant samples from benign ones",
        )  # fmt: skip
        mandates.grant(signed, 60 * DOLLAR)
        file = sample_home / "mandate.json"
        file.write_bytes(signed.to_bytes())
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "darkroom", "mcp", "--mandate", str(file)], cwd=ROOT,
            env=clean | {"DARKROOM_HOME": str(sample_home), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

        async def talk() -> ScriptedAgent:
            async with Client(server) as client:
                scripted = ScriptedAgent(client, max_price="40")
                await scripted.find_out("breast cancer")
                return scripted

        told = apart.run(talk)
        assert told.said[-1] == "audit"
        assert len(told.said) <= MOST_CALLS, told.said
        assert told.answers["audit"]["complete"], told.answers["audit"]
        result = told.answers["open_result"]
        assert result["lines"] == network.market.dataset(1).rows
        assert sum(result["untrusted_data"]["counts"].values()) == result["lines"]
        bought, job = mandates.uses(signed.mandate)
        assert (bought.action, job.action) == ("license", "job")
        assert job.order == told.answers["open_job"]["job"]
        assert job.result is not None
        assert job.result.state == "settled"
        spent = mandates.spent(signed.mandate, 1)
        assert spent.amount == round(float(told.answers["open_job"]["paid"]) * DOLLAR)
        assert spent.micro_bits == round(told.answers["quote"]["bits"] * MICRO)
        mandates.revoke(bought.mandate)
        assert mandates.spent(signed.mandate).revoked
        assert node.stop() == 0
