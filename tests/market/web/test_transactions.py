"""Preparing, signing, sending: the whole way of a wallet, on the real contracts."""

from __future__ import annotations

from typing import Any

import pytest

from app.chain.contracts.entities import content_of
from app.chain.node import Fees
from app.chain.wallet.account import Account
from app.protocol.market.entities import JobState
from app.protocol.market.fees import fee_bid
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import person_limit
from tests.market.web.wallet import ETHER, deploy_wallet
from tests.support.market import DOLLAR, person
from tests.support.web import ApiClient, MarketNode


def prepare(browser: ApiClient, action: str, account: Account, **order: Any) -> Any:
    """A prepared action."""
    answer = browser.client.post(f"/v1/transactions/{action}", json={"account": account.address} | order)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(browser: ApiClient, action: str, signer: Account, **order: Any) -> tuple[int, str, str]:
    """Status, code and reason of an action that cannot be."""
    answer = browser.client.post(f"/v1/transactions/{action}", json={"account": signer.address} | order)
    body = answer.json()
    return answer.status_code, body.get("code", ""), body.get("reason", "")


def sign(account: Account, transaction: Any, gas: int = 0) -> str:
    """What a wallet makes of a prepared transaction."""
    asked = transaction["request"]
    assert asked["from"] == account.address
    raw = account.sign_transaction(
        chain_id=int(asked["chainId"], 16),
        nonce=int(asked["nonce"], 16),
        to=asked["to"],
        data=bytes.fromhex(asked["data"][2:]),
        gas=gas or int(asked["gas"] or "0x100000", 16),
        fees=Fees(int(asked["maxFeePerGas"], 16), int(asked["maxPriorityFeePerGas"], 16)),
        value=int(asked["value"], 16),
    )
    return "0x" + raw.hex()


def send(browser: ApiClient, raw: str) -> Any:
    """Send and look up a transaction that succeeds."""
    answer = browser.client.post("/v1/transactions", json={"raw": raw})
    assert answer.status_code == 202, answer.text
    found = browser.client.get(answer.headers["location"]).json()
    assert found["ok"] is True, found
    return found


def carry_out(browser: ApiClient, account: Account, prepared: Any) -> list[str]:
    """Sign and send everything that was prepared; the names of the events."""
    assert prepared["transactions"]
    return [e["name"] for tx in prepared["transactions"] for e in send(browser, sign(account, tx))["events"]]


def signed_permit(account: Account, permit: Any) -> dict[str, Any]:
    """What a wallet makes of typed data."""
    typed = permit["typed_data"]
    types = {name: fields for name, fields in typed["types"].items() if name != "EIP712Domain"}
    message = {k: int(v) if k in ("value", "nonce", "deadline") else v for k, v in typed["message"].items()}
    signature = account.sign_typed(typed["domain"], types, message)
    return {"deadline": permit["deadline"], "signature": "0x" + signature.hex()}


@pytest.fixture
def newcomer(scene: MarketNode, browser: ApiClient) -> Account:
    """Somebody who gets gas and test money through the API."""
    account = Account.generate()
    assert browser.client.post("/v1/faucet", json={"account": account.address}).json()["wei"] == str(10 * ETHER)
    carry_out(browser, account, prepare(browser, "faucet", account, amount=str(100 * DOLLAR)))
    return account


def test_from_nothing_to_a_job(scene: MarketNode, browser: ApiClient, newcomer: Account) -> None:
    """Faucet, permit, license, circuit, permit, job: each in one transaction, and the index has them."""
    asked = prepare(browser, "buy-license", newcomer, offer=scene.offer)
    assert asked["transactions"] == []
    assert any("1 tUSD" in sentence for sentence in asked["summary"])
    permit = signed_permit(newcomer, asked["permit"])
    ready = prepare(browser, "buy-license", newcomer, offer=scene.offer, permit=permit)
    assert (ready["permit"], ready["transactions"][0]["function"]) == (None, "buyWithPermit")
    assert "LicenseBought" in carry_out(browser, newcomer, ready)
    scene.indexer.sync()
    found = browser.client.get(f"/v1/licenses?buyer={newcomer.address}").json()["items"]
    order = {"license": found[0]["id"], "circuit": scene.circuit, "rows": 40, "sealing_key": "ab" * 32}
    asked = prepare(browser, "open-job", newcomer, **order)
    assert any("escrow" in sentence for sentence in asked["summary"])
    ready = prepare(browser, "open-job", newcomer, **order, permit=signed_permit(newcomer, asked["permit"]))
    events = carry_out(browser, newcomer, ready)
    assert "JobOpened" in events
    scene.indexer.sync()
    (job,) = browser.client.get(f"/v1/jobs?buyer={newcomer.address}").json()["items"]
    assert (job["state"], job["license"]) == ("open", found[0]["id"])
    quoted = browser.client.get(f"/v1/datasets/1/quotes/{scene.circuit}?offer={scene.offer}&rows=40").json()["price"]
    draw = scene.market.draw_for(scene.market.dataset(1), newcomer.address)
    bid = fee_bid(scene.market.providers(), draw, units=scene.market.job(job["id"]).units, replicas=2)
    assert job["max_fee"] == quoted["max_fee"] == str(bid)
    scene.chain.mine(2)
    assert "JobAssigned" in carry_out(browser, newcomer, prepare(browser, "draw-job", newcomer, job=job["id"]))
    assert scene.market.job(job["id"]).state is JobState.ASSIGNED


def test_who_cannot_pay_is_told_before_a_permit_is_signed(scene: MarketNode, browser: ApiClient) -> None:
    """What is there and what is needed, as people write money, and a step that exists; no permit to sign in vain."""
    poor = Account.generate()
    answer = browser.client.post(
        "/v1/transactions/buy-license", json={"account": poor.address, "offer": scene.offer}
    ).json()
    assert (answer["code"], answer["reason"]) == ("reverted", "ERC20InsufficientBalance")
    assert answer["detail"] == "The account has 0 tUSD, and this takes 1 tUSD."
    assert answer["next_step"] == "Mint test money: POST /v1/transactions/faucet."


def test_a_contract_account_approves_instead(scene: MarketNode, browser: ApiClient) -> None:
    """With `approval`, an approval comes first, for those who cannot sign permits; the second call's gas stays open."""
    wallet = Account.generate()
    address = deploy_wallet(scene.chain, wallet)
    scene.market.transfer(scene.stage.buyer, address, DOLLAR)
    asked = browser.client.post(
        "/v1/transactions/buy-license", json={"account": address, "offer": scene.offer, "approval": True}
    ).json()
    assert [(each["function"], each["gas"] is None) for each in asked["transactions"]] == [
        ("approve", False),
        ("buy", True),
    ]
    nonces = [int(each["request"]["nonce"], 16) for each in asked["transactions"]]
    assert nonces == [nonces[0], nonces[0] + 1]


def test_an_owners_work(scene: MarketNode, browser: ApiClient, newcomer: Account) -> None:
    """Publishing, a version, an offer, a sale, closing it, revoking the license, collecting: all by prepared drafts."""
    manifest = scene.market.dataset(1).manifest
    assert "DatasetVersion" in carry_out(browser, newcomer, prepare(browser, "publish", newcomer, manifest=manifest))
    dataset = scene.market.dataset_count()
    again = prepare(browser, "publish", newcomer, manifest=manifest, dataset=dataset)
    assert again["transactions"][0]["function"] == "newVersion"
    policy = scene.world.manifest.policy.digest
    terms = {"dataset": dataset, "price_license": "1000000", "max_jobs": 9, "max_rows": 99, "duration": 86_400}
    terms["licenses"] = 1
    shares = [{"account": newcomer.address, "basis_points": 10_000}]
    asked = prepare(browser, "create-offer", newcomer, **terms, policy=policy, beneficiaries=shares)
    assert "OfferCreated" in carry_out(browser, newcomer, asked)
    offer = scene.market.offer_count()
    limit = person_limit(scene.world.manifest.policy, scene.world.manifest.codebook)
    assert scene.market.budget(dataset).micro_bits == limit
    assert scene.market.offer(offer).micro_bits == scene.world.manifest.policy.micro_bits_per_license
    held = scene.market.buy_license(scene.stage.buyer, offer).value
    assert refused(browser, "buy-license", scene.stage.buyer, offer=offer) == (409, "reverted", "SoldOut")
    assert refused(browser, "deactivate-offer", newcomer, offer=offer) == (409, "reverted", "OfferInactive")
    terms |= {"licenses": 3, "micro_bits": 1_000_000, "budget": str(limit + 3_000_000)}
    asked = prepare(browser, "create-offer", newcomer, **terms, policy=policy)
    assert any("3" in sentence and "1 bits" in sentence for sentence in asked["summary"])
    assert {"BudgetSet", "BudgetReserved"} <= set(carry_out(browser, newcomer, asked))
    closing = prepare(browser, "deactivate-offer", newcomer, offer=offer + 1)
    assert "OfferDeactivated" in carry_out(browser, newcomer, closing)
    revoke = prepare(browser, "revoke-license", newcomer, license=held)
    assert [each["function"] for each in revoke["transactions"]] == ["approve", "revoke"]
    assert "LicenseRevoked" in carry_out(browser, newcomer, revoke)
    settle = prepare(browser, "settle-license", newcomer, license=held, used_micro_bits=1_000_000)
    assert "LicenseSettled" in carry_out(browser, newcomer, settle)
    money = prepare(browser, "withdraw", newcomer, offers=[offer])
    assert [each["function"] for each in money["transactions"]] == ["collect", "withdraw"]
    assert "Withdrawn" in carry_out(browser, newcomer, money)
    assert refused(browser, "withdraw", newcomer)[:2] == (409, "not-allowed")


def test_an_owners_word(scene: MarketNode, browser: ApiClient) -> None:
    """A yes and a no are prepared for the owner alone, once, while the job runs; the index shows what was said."""
    owner, stranger, said = scene.stage.owner, person("stranger"), {}
    for action, event in (("approve-job", "JobApproved"), ("deny-job", "JobDenied")):
        number = scene.open(scene.circuit)
        assert refused(browser, action, stranger, job=number) == (409, "not-allowed", "")
        asked = prepare(browser, action, owner, job=number)
        assert (asked["permit"], len(asked["transactions"])) == (None, 1)
        assert f"job {number}" in asked["summary"][0]
        assert scene.circuit in asked["summary"][0]
        assert any("cannot be taken back" in sentence for sentence in asked["summary"])
        assert event in carry_out(browser, owner, asked)
        for other in ("approve-job", "deny-job"):
            answer = browser.client.post(f"/v1/transactions/{other}", json={"account": owner.address, "job": number})
            assert (answer.status_code, answer.json()["code"]) == (409, "not-allowed")
            assert "before" in answer.json()["detail"]
        scene.indexer.sync()
        said[action] = browser.client.get(f"/v1/jobs/{number}").json()
    assert [each["job"]["approval"] for each in said.values()] == ["approved", "denied"]
    assert {each["approval_by"] for each in said.values()} == {owner.address}
    assert refused(browser, "approve-job", owner, job=scene.settled) == (409, "not-allowed", "")
    assert refused(browser, "deny-job", owner, job=999) == (404, "not-found", "")


def test_what_a_custodian_puts_down(scene: MarketNode, browser: ApiClient, newcomer: Account) -> None:
    """A bond by approval and call, by allowance alone, taken back; and a contest: all by prepared drafts."""
    bond = prepare(browser, "bond-custodian", newcomer, dataset=1, amount=str(3 * DOLLAR))
    assert [each["function"] for each in bond["transactions"]] == ["approve", "bondCustodian"]
    before = scene.market.custody(1).bond
    assert "CustodianBonded" in carry_out(browser, newcomer, bond)
    again = prepare(browser, "bond-custodian", scene.stage.owner, dataset=1, amount="1")
    assert [each["function"] for each in again["transactions"]] == ["bondCustodian"]
    assert scene.market.custody(1).bond == before + 3 * DOLLAR
    back = prepare(browser, "unbond-custodian", scene.stage.owner, dataset=1, amount=str(3 * DOLLAR))
    assert "CustodianUnbonded" in carry_out(browser, scene.stage.owner, back)
    assert refused(browser, "unbond-custodian", newcomer, dataset=1, amount="1") == (409, "reverted", "NotParty")
    contested = scene.compute(scene.circuit)
    assert refused(browser, "contest-job", newcomer, job=contested) == (409, "reverted", "NotCustodian")
    doubt = prepare(browser, "contest-job", scene.stage.owner, job=contested)
    assert any("3 other executors" in sentence for sentence in doubt["summary"])
    assert "JobContested" in carry_out(browser, scene.stage.owner, doubt)
    scene.indexer.sync()
    detail = browser.client.get(f"/v1/jobs/{contested}").json()
    assert (detail["job"]["state"], detail["job"]["contested"], detail["receipt"]) == ("disputed", True, "")


def test_an_order_is_refused_before_a_permit_is_signed(scene: MarketNode, browser: ApiClient) -> None:
    """A dataset that moved on, and a custodian whose bond does not cover the fees, are said in the first call."""
    stage, record = scene.stage, scene.market.dataset(1)
    held = scene.market.buy_license(stage.buyer, scene.offer).value  # of its own: others' jobs use up the scene's bits
    order = {"license": held, "circuit": scene.circuit, "rows": 4, "sealing_key": "ab" * 32}
    quoted = {"version": record.version, "content": content_of(record)}
    assert prepare(browser, "open-job", stage.buyer, **order, **quoted, max_fee="6000")["transactions"]
    for wrong in ({"version": record.version + 1}, {"content": "cd" * 32}):
        found = refused(browser, "open-job", stage.buyer, **order, **quoted | wrong, max_fee="6000")
        assert found == (409, "reverted", "OrderOutdated")
    dear = refused(browser, "open-job", stage.buyer, **order, max_fee=str(10**12))
    assert dear == (409, "reverted", "CustodianNotBonded")
    report = browser.client.get(f"/v1/datasets/1/quotes/{scene.circuit}").json()
    assert (report["version"], report["content"]) == (record.version, content_of(record))


REFUSED: dict[str, tuple[str, dict[str, Any], tuple[int, str, str]]] = {
    "an offer that is not there": ("buy-license", {"offer": 999}, (404, "not-found", "")),
    "somebody else's license": ("open-job", {"license": 1, "rows": 4}, (409, "not-your-license", "")),
    "somebody else's dataset": ("create-offer", {}, (409, "reverted", "NotSeller")),
    "shares that do not add up": (
        "create-offer",
        {"beneficiaries": [{"account": "0x" + "11" * 20, "basis_points": 1}]},
        (409, "not-allowed", ""),
    ),
    "row keys, which lie elsewhere": (
        "create-offer",
        {"policy": OutputPolicy(row_keys=24).digest},
        (409, "not-allowed", ""),
    ),
    "a policy that is nowhere": ("create-offer", {"policy": "0" * 64}, (404, "not-found", "")),
    "a manifest that is nowhere": ("publish", {"manifest": "0" * 64}, (404, "not-found", "")),
    "somebody else's offer's earnings": ("withdraw", {"offers": [1]}, (409, "not-allowed", "")),
    "too much of the faucet": ("faucet", {"amount": "9" * 30}, (409, "reverted", "FaucetCap")),
    "an account that is no address": ("faucet", {"amount": "1", "account": "me"}, (422, "invalid-fields", "")),
    "an amount with a point": ("faucet", {"amount": "1.5"}, (422, "invalid-fields", "")),
    "a negative amount": ("faucet", {"amount": "-1"}, (422, "invalid-fields", "")),
    "a field too many": ("faucet", {"amount": "1", "tip": 1}, (422, "invalid-fields", "")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_chain_would_refuse_is_not_prepared(scene: MarketNode, browser: ApiClient, what: str) -> None:
    """A draft that would fail is a problem with the contract's reason, before anyone signs."""
    action, order, expected = REFUSED[what]
    scene.world.store.put(OutputPolicy(row_keys=24).to_bytes())
    usual: dict[str, dict[str, Any]] = {
        "open-job": {"circuit": scene.circuit, "sealing_key": "ab" * 32},
        "create-offer": {
            "dataset": 1, "price_license": "1", "max_jobs": 1, "max_rows": 1, "duration": 1,
            "licenses": 1, "policy": scene.world.manifest.policy.digest,
        },
    }  # fmt: skip
    assert refused(browser, action, person("stranger"), **usual.get(action, {}) | order) == expected


def test_a_permit_of_another_amount_is_refused(scene: MarketNode, browser: ApiClient, newcomer: Account) -> None:
    """A permit that does not fit is found by the estimate."""
    asked = prepare(browser, "buy-license", newcomer, offer=scene.offer)
    asked["permit"]["typed_data"]["message"]["value"] = "5"
    permit = signed_permit(newcomer, asked["permit"])
    assert refused(browser, "buy-license", newcomer, offer=scene.offer, permit=permit) == (
        409,
        "reverted",
        "NoAllowance",
    )


def test_what_is_sent_is_for_this_market(scene: MarketNode, browser: ApiClient, newcomer: Account) -> None:
    """Other chains, other contracts, new contracts, used nonces and huge gas limits are refused."""
    usual: dict[str, Any] = {
        "chain_id": scene.chain.chain_id, "nonce": scene.chain.nonce(newcomer.address), "data": b"", "gas": 100_000,
        "fees": scene.chain.fees(), "to": scene.stage.buyer.address,
    }  # fmt: skip

    def sent(**changes: Any) -> tuple[int, str]:
        raw = newcomer.sign_transaction(**usual | changes)
        answer = browser.client.post("/v1/transactions", json={"raw": "0x" + raw.hex()})
        return answer.status_code, answer.json().get("code", "")

    assert sent(chain_id=1) == (422, "bad-input")
    assert sent(to=None, data=b"\x00") == (409, "not-allowed")
    assert sent(to=deploy_wallet(scene.chain, Account.generate())) == (409, "not-allowed")
    assert sent(gas=10**7) == (409, "not-allowed")
    assert sent(value=1) == (202, "")
    assert sent() == (409, "not-allowed")  # the nonce is used


def test_the_same_bytes_sent_again_are_the_same_purchase(
    scene: MarketNode, browser: ApiClient, newcomer: Account
) -> None:
    """The same signed bytes are answered with their hash, also once they are mined: no second license."""
    permit = signed_permit(newcomer, prepare(browser, "buy-license", newcomer, offer=scene.offer)["permit"])
    ready = prepare(browser, "buy-license", newcomer, offer=scene.offer, permit=permit)
    raw = sign(newcomer, ready["transactions"][0])
    before = scene.market.license_count()
    answers = [browser.client.post("/v1/transactions", json={"raw": raw}) for _ in range(3)]
    assert [each.status_code for each in answers] == [202] * 3
    assert len({each.json()["tx"] for each in answers}) == 1
    assert scene.market.license_count() == before + 1


def test_a_receipt_that_is_not_there_yet(browser: ApiClient) -> None:
    """Unknown transactions are 404."""
    assert browser.client.get("/v1/transactions/0x" + "0" * 64).json()["code"] == "not-found"
