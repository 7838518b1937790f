"""Asking questions in the browser: the price follows what is typed, and the answer is worked out where it is opened."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.client.ask.plan import plan
from app.client.ask.query import parse
from app.protocol.market.receipt import OutputPolicy
from fhe.profiles import REFERENCE
from tests.browser.accessibility import unusable, violations
from tests.browser.acting import follow, make_key, newcomer
from tests.browser.conftest import Arrive, Person
from tests.support.market import DOLLAR, HOUR
from tests.support.policies import PLENTY
from tests.support.questions import BOOK, question
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium
POLICY = OutputPolicy(
    release="aggregate", circuits=("linear", "additive"), min_group=20, epsilon_micro_per_job=1_000_000,
    micro_bits_per_license=3_000_000, micro_bits_per_person=PLENTY,
)  # fmt: skip
SQL = "SELECT avg(c1), sum(c2) AS total FROM data"


@pytest.fixture(scope="module")
def asks(scene: MarketNode) -> int:
    """An offer that sells questions."""
    scene.store.put(POLICY.to_bytes())
    offer = scene.market.create_offer(
        scene.stage.owner, 1, price_license=DOLLAR, price_job=DOLLAR, price_row=1, max_jobs=9, max_rows=999,
        duration=24 * HOUR, policy=POLICY.digest, micro_bits=3_000_000, licenses=4,
    ).value  # fmt: skip
    scene.indexer.sync()
    return offer


def test_an_answer_in_the_page_is_pythons(arrive: Arrive) -> None:
    """Random questions, sums and noise: the page's forms give the same figures and intervals, whatever their kind."""
    page, chance, rng = arrive().page("/owner"), random.Random(5), np.random.default_rng(5)
    cases: list[Any] = []
    expected: list[Any] = []
    while len(cases) < 120:
        asked = plan(parse(question(chance)), BOOK, REFERENCE)
        if asked.circuit is None:
            continue
        sums = rng.integers(-20, rng.choice([5, 400, 60_000]), len(asked.circuit.outputs))
        scale = float(rng.choice([0.0, 2.0, 31.5, 900.0]))
        reading = asked.reading(400)
        rows = [{"groups": row.groups, "figures": [form.to_dict() for form in row.figures]} for row in reading.rows]
        cases.append([{"rows": rows}, [int(each) for each in sums], scale])
        expected.append(
            [[(one.value, one.low, one.high) for one in row.figures] for row in reading.answer(sums, scale).rows]
        )
    folder = str(page.locator('link[rel="stylesheet"]').get_attribute("href")).rpartition("/")[0]
    found = page.evaluate(
        f"async cases => {{ const it = await import('{folder}/answer.js');"
        " return cases.map(([reading, sums, scale]) => it.answer(reading, sums, scale)"
        ".map(row => row.figures.map(f => [f.value, f.low, f.high]))) }",
        cases,
    )
    for mine, theirs in zip(expected, found, strict=True):
        for row, other in zip(mine, theirs, strict=True):
            for figure, read in zip(row, other, strict=True):
                assert [each is None for each in figure] == [each is None for each in read]
                assert [each or 0 for each in read] == pytest.approx([each or 0 for each in figure], rel=1e-9, abs=1e-6)


def test_the_price_follows_what_is_typed(arrive: Arrive, asks: int) -> None:
    """Samples, live cost, refusals with what can be asked; the address holds the question, so Back keeps it."""
    page = arrive().page("/datasets/1")
    page.get_by_role("link", name="Ask a question").click()
    assert page.url.endswith(f"/datasets/1/ask?terms=offer-{asks}")
    page.get_by_role("link", name=re.compile(r"SELECT avg")).click()
    expect(page.get_by_text("This can be asked", exact=True)).to_be_visible()
    words = page.get_by_label("Question in SQL")
    words.fill("SELECT c1 FROM data")
    expect(page.get_by_text("Ask for a sum over rows, such as avg(c1)")).to_be_visible()
    words.fill(SQL)
    expect(page.get_by_text("This can be asked", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Intervals")).to_contain_text("± 1")
    expect(page.locator("#total")).not_to_have_text("-")
    page.reload()
    expect(words).to_have_value(SQL)
    expect(page.get_by_text("This can be asked", exact=True)).to_be_visible()
    page.get_by_role("link", name="Catalogue", exact=True).first.click()
    page.go_back()
    expect(words).to_have_value(SQL)
    expect(page.get_by_text("This can be asked", exact=True)).to_be_visible()
    words.fill("SELECT count(*) FROM data")
    expect(page.get_by_text("The answer is public")).to_be_visible()
    expect(page.locator("#total")).to_have_text("-")
    page.get_by_label("Rows, from the first").fill("10")
    words.fill("SELECT avg(c3) FROM data")
    expect(page.get_by_text("This cannot be asked now")).to_be_visible()
    expect(page.get_by_role("button", name="Sign and ask")).to_be_disabled()


def test_the_page_is_usable(arrive: Arrive, asks: int) -> None:
    """In both themes and at all widths, with a report and with a refusal; and it reads without scripts."""
    at = f"/datasets/1/ask?terms=offer-{asks}"
    page = arrive().page("/")
    assert unusable(page, [at, f"{at}&sql=SELECT+avg(c1)+FROM+data", f"{at}&sql=SELECT+c1+FROM+data"]) == []
    plain = arrive(java_script_enabled=False).page(f"{at}&sql=SELECT+avg(c1)+FROM+data")
    expect(plain.get_by_text("This can be asked", exact=True)).to_be_visible()


def test_a_question_is_asked_and_its_answer_charted(person: Person, scene: MarketNode, asks: int) -> None:
    """License, circuit and job in one go; the answer opens as a table with intervals and a chart, the words kept."""
    visitor, wallet = person(newcomer(scene))
    page = visitor.page(f"/datasets/1/ask?terms=offer-{asks}")
    page.get_by_label("Question in SQL").fill(SQL)
    before = scene.market.job_count()
    page.get_by_role("button", name="Sign and ask").click()
    make_key(page)
    page.wait_for_url("**/jobs/*")
    number = before + 1
    assert wallet.asked.count("eth_sendTransaction") == 2  # the license, and the job
    scene.stage.execute(scene.store, number, scene.market.draw(scene.stage.buyer, number).value)
    scene.agent().process(number)
    page.get_by_role("link", name="Open the result").click()
    _answered(page)
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.evaluate("localStorage.clear()")
    page.reload()
    page.get_by_label("Question in SQL").fill("SELECT avg(c1) FROM data")
    page.get_by_role("button", name="Work it out").click()
    expect(page.get_by_text("This job ran another circuit than these words mean.")).to_be_visible()
    page.get_by_label("Question in SQL").fill(SQL)
    page.get_by_role("button", name="Work it out").click()
    _answered(page)
    follow(page, f"/licenses/{scene.market.job(number).license}")
    page.get_by_role("link", name="Ask a question").click()
    expect(page.get_by_label("Asked under")).to_have_value(f"license-{scene.market.job(number).license}")


def _answered(page: Page) -> None:
    table = page.get_by_role("region", name="Answer")
    expect(table.get_by_role("columnheader")).to_have_text(["avg_c1", "from", "to", "total", "from", "to"])
    expect(page.get_by_role("img", name="avg_c1 of 1 bars")).to_be_visible()
    assert violations(page) == []
