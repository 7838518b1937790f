"""Buying and ordering in the browser, and what goes wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.client.models import ModelCard
from fhe.circuit.circuit import Readout
from fhe.circuit.codec import digest, encode
from fhe.compile.decoder import Decoder
from tests.browser.accessibility import violations
from tests.browser.acting import SPREAD, circuit_file, follow, make_key, newcomer, sign
from tests.browser.chromium import Visitor
from tests.browser.conftest import Arrive, Person
from tests.browser.injected import Wallet
from tests.support.custody import linear_circuit
from tests.support.policies import roomy
from tests.support.site import Site
from tests.support.web import MarketNode

pytestmark = pytest.mark.chromium


def at_new_job(person: Person, scene: MarketNode) -> tuple[Page, Wallet]:
    """Somebody who has just bought a license, before the form of their first job, with their wallet."""
    buyer = newcomer(scene)
    license = scene.market.buy_license(buyer, scene.offer).value
    visitor, wallet = person(buyer)
    page = visitor.page("/jobs")
    follow(page, f"/licenses/{license}/job")
    return page, wallet


def test_a_license_is_bought_with_a_permit_and_one_transaction(person: Person, scene: MarketNode) -> None:
    """The buyer signs a permit and sends one transaction, and lands on the license's page."""
    buyer = newcomer(scene)
    visitor, wallet = person(buyer)
    before = scene.market.license_count()
    page = visitor.page(f"/offers/{scene.offer}")
    page.get_by_role("button", name="Buy for").click()
    page.wait_for_url("**/licenses/*")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"License {before + 1}")
    expect(page.get_by_role("link", name="New job")).to_be_visible()  # at once, however old the node's clock is
    assert scene.market.license(before + 1).buyer == buyer.address
    assert wallet.asked.count("eth_sendTransaction") == 1
    assert wallet.asked.count("eth_signTypedData_v4") == 1


@pytest.mark.parametrize("declined", ["eth_signTypedData_v4", "eth_sendTransaction"])
def test_a_rejected_signature_sends_nothing(person: Person, scene: MarketNode, declined: str) -> None:
    """Whoever declines to sign is told that nothing happened, and can go on."""
    visitor, wallet = person(newcomer(scene))
    before = scene.market.license_count()
    wallet.declines.add(declined)
    page = visitor.page(f"/offers/{scene.offer}")
    page.get_by_role("button", name="Buy for").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    assert scene.market.license_count() == before
    wallet.declines.clear()
    page.get_by_role("button", name="Buy for").click()
    page.wait_for_url("**/licenses/*")


def test_a_wallet_on_another_network_signs_nothing(person: Person, scene: MarketNode) -> None:
    """On a wrong network nothing is asked to be signed, and the page says which chain is right."""
    visitor, wallet = person(scene.stage.buyer)
    wallet.chain_id = 1
    wallet.declines.add("wallet_switchEthereumChain")
    page = visitor.page(f"/offers/{scene.offer}")
    page.get_by_role("button", name="Buy for").click()
    expect(page.get_by_text("The wallet is on another network")).to_be_visible()
    assert not {"eth_signTypedData_v4", "eth_sendTransaction"} & set(wallet.asked)
    wallet.declines.clear()
    page.goto("/wallet")
    expect(page.get_by_text("Wrong network")).to_be_visible()
    wallet.knows.discard(scene.market.chain_id)
    page.get_by_role("button", name="Switch network").click()
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    assert wallet.asked[-4:].count("wallet_addEthereumChain") <= 1
    assert "wallet_addEthereumChain" in wallet.asked


def test_a_visitor_with_nothing_buys_in_place(arrive: Arrive, scene: MarketNode) -> None:
    """Without wallet and money, the offer's own page has both where the chain is for tests, and then goes on."""
    before = scene.market.license_count()
    page = arrive().page(f"/offers/{scene.offer}")
    page.get_by_role("button", name="Buy for").click()
    expect(page.get_by_text("No wallet is connected.")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Demo wallet").click()
    expect(page.get_by_text("This costs 1.00 tUSD, and your account has 0.00 tUSD.")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Decline").click()
    expect(page.get_by_text("You declined to sign.")).to_be_visible()
    page.get_by_role("button", name="Buy for").click()
    page.get_by_role("button", name="Get test money").click()
    for _ in range(3):  # the money, the permit, the purchase
        sign(page)
    page.wait_for_url("**/licenses/*")
    assert scene.market.license_count() == before + 1


def test_a_tampered_preparation_is_never_signed(person: Person, scene: MarketNode) -> None:
    """A node that prepares another call than the page shows is caught before the wallet is asked."""
    visitor, wallet = person(newcomer(scene))
    page = visitor.page(f"/offers/{scene.offer}")

    def tamper(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        told = answer.json()
        if told["permit"]:
            told["permit"]["typed_data"]["message"]["value"] = "999999999"
        route.fulfill(response=answer, json=told)  # type: ignore[attr-defined]

    page.route("**/v1/transactions/buy-license", tamper)
    page.get_by_role("button", name="Buy for").click()
    expect(page.get_by_text("a permit for another amount")).to_be_visible()
    assert not {"eth_signTypedData_v4", "eth_sendTransaction"} & set(wallet.asked)


def test_a_job_is_opened_and_followed_live_to_an_opened_result(
    person: Person, scene: MarketNode, tmp_path: Path
) -> None:
    """Circuit, quote, key, signatures; then the page follows the chain by itself, and the result opens in it."""
    buyer = newcomer(scene)
    while (license := scene.market.buy_license(buyer, scene.offer).value) <= 16:
        pass  # a number whose hexadecimal digits are others than its decimal ones
    visitor, _ = person(buyer)
    page = visitor.page("/jobs")
    follow(page, f"/licenses/{license}/job")
    page.get_by_label("Circuit file").set_input_files(circuit_file(tmp_path, SPREAD))
    page.get_by_label("Rows", exact=True).fill("40")
    expect(page.get_by_text("This job fits the policy")).to_be_visible()
    before = scene.market.job_count()
    page.get_by_role("button", name="Sign and open the job").click()
    recovery = make_key(page)
    page.wait_for_url("**/jobs/*")
    number = before + 1
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    drawn = scene.market.draw(scene.stage.buyer, number).value
    expect(page.get_by_text("2 executors drawn at random.")).to_be_visible()
    scene.stage.execute(scene.store, number, drawn)
    expect(page.get_by_text("Waiting for the custodian").first).to_be_visible()
    scene.agent().step()
    page.get_by_role("link", name="Open the result").click()
    expect(page.get_by_text("Opened, and it is this job's result")).to_be_visible()
    expect(page.get_by_text("Checked against the chain through your wallet.")).to_be_visible()
    _lost_and_found(visitor, number, recovery, tmp_path)


def test_levels_of_a_score_are_explained_where_they_open(person: Person, scene: MarketNode, tmp_path: Path) -> None:
    """Under labels alone a model with cut points costs two bits, and its levels open with what each of them means."""
    policy = roomy(release="label", micro_bits_per_license=2_000_000)
    scene.store.put(policy.to_bytes())
    offer = scene.market.create_offer(
        scene.stage.owner, 1, price_license=1, price_job=1, price_row=1, max_jobs=9, max_rows=999, duration=99_999,
        policy=policy.digest, micro_bits=policy.micro_bits_per_license, licenses=1,
    ).value  # fmt: skip
    buyer = newcomer(scene)
    license = scene.market.buy_license(buyer, offer).value
    visitor, _ = person(buyer)
    page = visitor.page("/jobs")
    follow(page, f"/licenses/{license}/job")
    cut = replace(linear_circuit([SPREAD]), readout=Readout("cuts", cuts=(5_000, 6_000, 7_000)))
    (path := tmp_path / "levels.circuit").write_bytes(encode(cut))
    page.get_by_label("Circuit file").set_input_files(path)
    page.get_by_label("Rows", exact=True).fill("40")
    expect(page.get_by_text("At most as much as 2 yes-or-no facts (2 bits)")).to_be_visible()
    assert violations(page) == []
    before = scene.market.job_count()
    page.get_by_role("button", name="Sign and open the job").click()
    make_key(page)
    page.wait_for_url("**/jobs/*")
    scene.stage.execute(scene.store, before + 1, scene.market.draw(scene.stage.buyer, before + 1).value)
    scene.agent().process(before + 1)
    page.get_by_role("link", name="Open the result").click()
    expect(page.get_by_role("heading", name="What the levels mean")).to_be_visible()
    rows = page.get_by_role("region", name="Levels").get_by_role("row").all_inner_texts()[1:]
    assert [row.split("\t")[1] for row in rows] == [
        "below 5,000", "from 5,000, below 6,000", "from 6,000, below 7,000", "from 7,000",
    ]  # fmt: skip
    (card := tmp_path / "card.json").write_bytes(b"{}")
    page.get_by_label("The model's card").set_input_files(card)
    expect(page.get_by_text("This is no model's card.")).to_be_visible()
    decoder = Decoder(
        model="LinearRegression", circuit=digest(cut), scale=0.01, zero_points=(0,), centre=(0,), link="identity",
        labels=None,
    )  # fmt: skip
    card.write_bytes(ModelCard(decoder=decoder, features=("c0",), target="rent").to_bytes())
    page.get_by_label("The model's card").set_input_files(card)
    expect(page.get_by_text("rent, by a LinearRegression")).to_be_visible()
    shown = page.get_by_role("region", name="In units").get_by_role("row").all_inner_texts()
    assert shown[0].split("\t") == ["row", "level", "from", "to"]
    assert {tuple(each.split("\t")[2:]) for each in shown[1:]} <= {
        ("-", "50.0000"), ("50.0000", "60.0000"), ("60.0000", "70.0000"), ("70.0000", "-"),
    }  # fmt: skip
    assert violations(page) == []


def test_typing_and_choosing_asks_for_one_quote(person: Person, scene: MarketNode, tmp_path: Path) -> None:
    """A file chosen right after typing asks once for both, so that no second answer dims the first."""
    page, _ = at_new_job(person, scene)
    quotes: list[str] = []
    page.on("request", lambda request: quotes.append(request.url) if "/quote?" in request.url else None)
    page.get_by_label("Rows", exact=True).fill("40")
    page.get_by_label("Circuit file").set_input_files(circuit_file(tmp_path, SPREAD))
    expect(page.get_by_text("This job fits the policy")).to_be_visible()
    page.wait_for_timeout(400)  # longer than the page waits for more typing
    assert [url.rpartition("rows=")[2][:2] for url in quotes] == ["40"]


def test_a_model_that_was_used_before_is_taken_with_one_click(
    person: Person, scene: MarketNode, tmp_path: Path
) -> None:
    """A circuit of a settled job needs no file, no sign-in and no upload; choosing a file afterwards puts it aside."""
    page, wallet = at_new_job(person, scene)
    used = page.get_by_role("button", name=f"Circuit {scene.circuit[:6]}")
    expect(used).to_contain_text("on this dataset")
    page.get_by_label("Rows", exact=True).fill("40")
    page.get_by_label("Circuit file").set_input_files(circuit_file(tmp_path, [1000, 1, 1, 1, 1, 1, 1, 1]))
    expect(page.get_by_text("The policy would refuse this job")).to_be_visible()
    used.click()
    expect(used).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_text("This job fits the policy")).to_be_visible()
    expect(page.get_by_label("Circuit file")).to_have_value("")
    assert violations(page) == []
    page.get_by_role("button", name="Sign and open the job").click()
    make_key(page)
    page.wait_for_url("**/jobs/*")
    assert scene.market.job(int(page.url.rsplit("/", 1)[1])).circuit == scene.circuit
    assert "personal_sign" not in wallet.asked


def _lost_and_found(visitor: Visitor, job: int, recovery: bytes, folder: Path) -> None:
    """The same browser after its data was cleared: the result stays shut until the recovery file comes back."""
    page = visitor.page("/wallet")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("No key in this browser yet.")).to_be_visible()
    page.goto(f"/jobs/{job}/result")
    expect(page.get_by_text("The key of this job is not in this browser")).to_be_visible()
    file = folder / "recovery.key"
    file.write_bytes(recovery)
    page.get_by_role("button", name="Import the recovery file").click()
    page.get_by_label("Recovery file", exact=True).set_input_files(file)
    page.get_by_label("Its passphrase").fill("wrong")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("This passphrase does not open the file.")).to_be_visible()
    page.get_by_label("Its passphrase").fill("correct horse battery")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Opened, and it is this job's result")).to_be_visible()


def test_a_click_is_not_lost_to_a_change_on_the_chain(arrive: Arrive, scene: MarketNode) -> None:
    """A job's page that would load its part again between press and release of a link waits, and the click arrives."""
    job = scene.open(scene.circuit)
    page = arrive().page("/jobs")
    follow(page, f"/jobs/{job}")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    page.get_by_role("link", name="Audit this job").hover()
    page.mouse.down()
    scene.market.draw(scene.stage.buyer, job)
    page.wait_for_timeout(1000)  # the event and the answer come in half of that
    page.mouse.up()
    page.wait_for_url("**/audit")


def test_a_circuit_that_the_policy_refuses_cannot_be_signed(person: Person, scene: MarketNode, tmp_path: Path) -> None:
    """A circuit that copies a column is told so before anything is paid, and the button stays shut."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page(f"/licenses/{scene.license}/job")
    page.get_by_label("Circuit file").set_input_files(circuit_file(tmp_path, [1000, 1, 1, 1, 1, 1, 1, 1]))
    page.get_by_label("Rows", exact=True).fill("40")
    expect(page.get_by_text("The policy would refuse this job")).to_be_visible()
    expect(page.get_by_role("button", name="Sign and open the job")).to_be_disabled()


def test_bad_input_is_told_at_its_field_and_nothing_is_lost(person: Person, scene: MarketNode, tmp_path: Path) -> None:
    """Wrong rows and a file that is no circuit are named where they were entered; what was typed stays."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page(f"/licenses/{scene.license}/job")
    page.get_by_label("Circuit file").set_input_files(circuit_file(tmp_path, SPREAD))
    rows = page.get_by_label("Rows", exact=True)
    rows.fill("61")
    expect(page.locator("#rows-wrong")).to_contain_text("The dataset has rows 0 to 59")
    expect(rows).to_have_value("61")
    first = page.get_by_label("First row")
    first.fill("60")
    expect(page.locator("#first_row-wrong")).to_have_text("The dataset has rows 0 to 59.")
    first.fill("")
    expect(page.locator("#first_row-wrong")).to_have_text("Write a whole number.")
    first.fill("0")
    page.get_by_label("Executors").fill("6")
    expect(page.locator("#replicas-wrong")).to_have_text("Choose 1 to 5 executors.")
    page.get_by_label("Executors").fill("2")
    rows.fill("60")
    expect(page.get_by_text("This job fits the policy")).to_be_visible()
    (tmp_path / "large.circuit").write_bytes(bytes((1 << 20) + 1))
    page.get_by_label("Circuit file").set_input_files(tmp_path / "large.circuit")
    expect(page.locator("#circuit-wrong")).to_have_text("A circuit has at most 1 MiB.")
    bad = tmp_path / "bad.circuit"
    bad.write_text("{}")
    page.get_by_label("Circuit file").set_input_files(bad)
    expect(page.locator("#circuit-wrong")).to_have_text(
        "This file is not a circuit. Choose one that darkroom model compile made."
    )
    expect(rows).to_have_value("60")


def test_a_lost_connection_is_told_and_survived(person: Person, scene: MarketNode, site: Site) -> None:
    """While the node is away a job's page says so; when it comes back the page goes on by itself."""
    visitor, _ = person(scene.stage.buyer)
    page = visitor.page("/jobs")
    follow(page, f"/jobs/{scene.open(scene.circuit)}")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    site.stop()
    try:
        expect(page.get_by_text("connection lost, trying again")).to_be_visible()
    finally:
        site.start()
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    page.goto(f"/offers/{scene.offer}")
    page.route("**/v1/transactions/**", lambda route: route.abort())
    page.get_by_role("button", name="Buy for").click()
    expect(page.get_by_text("The connection to this node was lost.")).to_be_visible()
