"""Questions through an agent's tools: explained before, asked once, answered with intervals and audited."""

from __future__ import annotations

from app.mcp.toolbox import call
from app.protocol.market.receipt import OutputPolicy
from tests.support.mandated import MandatedAgent, told
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import PLENTY
from tests.support.regression import settle
from tests.support.web import MarketNode

POLICY = OutputPolicy(
    release="aggregate", circuits=("linear", "additive", "trees", "lookup"), min_group=20,
    epsilon_micro_per_job=500_000, micro_bits_per_license=3_000_000, micro_bits_per_person=PLENTY,
)  # fmt: skip


def sell(scene: MarketNode) -> int:
    """An offer of questions."""
    scene.store.put(POLICY.to_bytes())
    return scene.market.create_offer(
        scene.stage.owner, 1, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=3, max_rows=10_000,
        duration=24 * HOUR, policy=POLICY.digest, **(BITS | {"micro_bits": 3_000_000, "licenses": 3}),
    ).value  # fmt: skip


def test_a_question_is_explained_asked_and_audited(agent: MandatedAgent, scene: MarketNode) -> None:
    """What it costs, tells and how wide its intervals will be is known before; the same words again are one job."""
    offer = sell(scene)
    signed = agent.sign()
    desk = agent.desk(signed)
    question = {"dataset": 1, "sql": "SELECT avg(c1) AS mean FROM data", "offer": offer}
    said = told(desk, "explain", **question)
    assert said["allowed"]
    assert said["ready"], said
    assert (said["epsilon"], said["values_decrypted"]) == (0.5, 1)
    assert said["untrusted_data"]["half_widths"]["mean"] > 0
    assert said["next"]["tool"] == "ask"
    held = agent.held(signed)
    asked = told(desk, "ask", **question, max_price=said["total"])
    assert held - agent.held(signed) == round(float(said["total"]) * DOLLAR)
    settle(scene, asked["job"])
    status = told(desk, "job_status", job=asked["job"], until="result")
    result = told(desk, status["next"]["tool"], **status["next"]["arguments"])
    (row,) = result["untrusted_data"]["rows"]
    assert row["mean_low"] < row["mean"] < row["mean_high"]
    assert (result["released"], result["epsilon"], result["exact"]) == ("aggregate", 0.5, False)
    assert told(desk, "audit", job=asked["job"])["confirmed"]
    held = agent.held(signed)
    again = told(desk, "ask", **question, max_price="50")
    assert again["ordered_before"]
    assert again["job"] == asked["job"]
    assert agent.held(signed) == held


def test_what_is_public_is_answered_for_nothing(agent: MandatedAgent, scene: MarketNode) -> None:
    """A count of all rows needs no job and no money, and EXPLAIN in a question that is asked says where it belongs."""
    sell(scene)
    signed = agent.sign()
    desk, held = agent.desk(signed), agent.held(signed)
    found = told(desk, "ask", dataset=1, sql="SELECT count(*) FROM data", max_price="0")
    assert found["job"] is None
    assert found["untrusted_data"]["rows"][0]["count"] == scene.world.manifest.table.rows
    assert told(desk, "quote", dataset=1, sql="SELECT count(*) FROM data")["total"] == "0"
    wrong = call(desk, "ask", {"dataset": 1, "sql": "EXPLAIN SELECT avg(c1) FROM data", "max_price": "9"})
    assert wrong.value["code"] == "bad-query"
    assert agent.held(signed) == held


def test_numbers_in_json_become_a_model(agent: MandatedAgent, scene: MarketNode) -> None:
    """A score of two columns, written by hand, is compiled, named by its digest, and quoted like any model."""
    desk = agent.desk(agent.sign(0))
    text = '{"intercept": -300, "weights": {"c0": 1.0, "c1": 1.5}, "classes": ["low", "high"]}'
    made = told(desk, "compile_model", dataset=1, form="linear", model=text)
    assert (made["columns_read"], made["outputs"]) == (2, 1)
    assert made["labels_differing"] == 0
    assert told(desk, "quote", dataset=1, model=made["model"])["rows"] == scene.world.manifest.table.rows
    fresh = agent.desk(agent.sign(0))  # another server of the same agent finds it in its folder
    assert told(fresh, "quote", dataset=1, model=made["model"])["model"] == made["model"]
