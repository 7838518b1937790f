"""What a load balancer is told."""

from __future__ import annotations

import time
from dataclasses import replace

from app.home.agent_status import AgentStatus
from tests.support.web import ApiClient


def test_trouble_of_agents_is_told_and_the_pages_stay_up(browser: ApiClient) -> None:
    """An agent without ether for a job is counted; the node goes on being asked, since index and pages work."""
    backend = browser.client.app.state.backend  # type: ignore[attr-defined]
    now = time.time()
    fit, poor = (
        AgentStatus(
            kind="provider", role=f"provider-{place}", account="0x1", pid=1, started=now, at=now, balance_wei=wei,
            gas_price_wei=10**9,
        )
        for place, wei in enumerate((10**18, 1))
    )  # fmt: skip
    for agents, ok, words in (((fit,), True, "1 at work"), ((fit, poor), False, "1 of 2 in trouble")):
        backend.parts = replace(backend.parts, agents=lambda agents=agents: agents)
        answer = browser.client.get("/v1/ready")
        told = {each["part"]: (each["ok"], each["detail"]) for each in answer.json()["checks"]}
        assert (answer.status_code, told["agents"]) == (200, (ok, words))
