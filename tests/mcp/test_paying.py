"""Paying as an agent: under a mandate, within its limits and the agent's own bound, once."""

from __future__ import annotations

from app.mcp.toolbox import call
from tests.support.mandated import MandatedAgent, told
from tests.support.web import MarketNode


def test_an_order_is_paid_answered_and_audited(agent: MandatedAgent, scene: MarketNode) -> None:
    """A model is quoted, ordered with the mandate's money, answered to the agent's own key and audited.

    The same order given again is the same job, also by a server that started anew, and costs nothing.
    """
    signed = agent.sign()
    desk = agent.desk(signed)
    made = told(desk, "compile_model", dataset=1, form="featured", model=scene.circuit)
    quote = told(desk, "quote", dataset=1, model=made["model"], rows=40)
    assert quote["ready"], quote
    before = agent.held(signed)
    opened = told(desk, "open_job", dataset=1, model=made["model"], rows=40, max_price=quote["total"])
    paid = before - agent.held(signed)
    assert opened["license_bought"]
    assert opened["paid"] == quote["total"]
    assert paid == round(float(quote["total"]) * 10**6)
    scene.go_on(opened["job"])
    scene.agent().step()
    status = told(desk, opened["next"]["tool"], **opened["next"]["arguments"] | {"until": "result"})
    assert status["result_out"]
    result = told(desk, status["next"]["tool"], **status["next"]["arguments"])
    assert result["lines"] == 40
    assert len(result["untrusted_data"]["rows"]) == 20
    audit = told(desk, result["next"]["tool"], **result["next"]["arguments"])
    assert audit["confirmed"]
    assert not audit["facts_wrong"]
    held = agent.held(signed)
    for again in (desk, agent.desk(signed)):
        same = told(again, "open_job", dataset=1, model=made["model"], rows=40, max_price="50")
        assert same["ordered_before"]
        assert same["job"] == opened["job"]
    assert agent.held(signed) == held


def test_a_bound_is_the_agents_own(agent: MandatedAgent, scene: MarketNode) -> None:
    """Above max_price nothing is bought or published, whatever the mandate would allow."""
    signed = agent.sign()
    desk, held = agent.desk(signed), agent.held(signed)
    total = float(told(desk, "quote", dataset=1, model=scene.circuit, rows=30)["total"])
    bound = f"{total - 0.000001:.6f}"
    found = call(desk, "open_job", {"dataset": 1, "model": scene.circuit, "rows": 30, "max_price": bound})
    assert found.failed
    assert found.value["code"] == "not-allowed"
    assert agent.held(signed) == held
