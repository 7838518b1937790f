"""Every door tells the same of an order: what the real one is refused for, quote, dry run, API and page say before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.client.buyer import Buyer
from app.client.dataset import Dataset
from app.client.models import Model
from app.client.verdict import verdict
from app.protocol.data.dataset import KeyRoots
from app.protocol.errors import BadKey, DarkroomError
from app.protocol.market.entities import ZERO
from app.protocol.market.receipt import OutputPolicy
from app.seal.keys import SealingKey
from fhe.circuit.circuit import Linear, Selection
from fhe.circuit.codec import encode
from tests.client.conftest import Run
from tests.support.market import BITS, DOLLAR, HOUR
from tests.support.policies import roomy
from tests.support.regression import POLICY, WEIGHTS, regressor
from tests.support.site import application
from tests.support.web import ORIGIN, MarketNode, opened_node

KEY = SealingKey.generate()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketNode]:
    """One market for all doors, on which nobody asked anything before."""
    yield from opened_node(tmp_path_factory)


@dataclass(frozen=True)
class Case:
    """An order: the policy it is sold under, how it differs from one that goes through, and the code to expect."""

    code: str
    policy: OutputPolicy = field(default_factory=roomy)
    rows: int = 20
    first_row: int = 0
    replicas: int = 2
    terms: dict[str, Any] = field(default_factory=dict)
    before: Callable[[MarketNode, int], object] = lambda scene, license: None
    key: str = KEY.public.hex()


def revoke(scene: MarketNode, license: int) -> None:
    """The owner ends the license."""
    scene.market.revoke_license(scene.stage.owner, license)


CASES = {
    "it goes through": Case(""),
    "more rows than the policy lets out": Case("policy-refused", roomy(max_rows_per_job=19)),
    "a class that is not sold": Case("policy-refused", roomy(circuits=("trees",))),
    "more bits than a license has": Case("policy-refused", POLICY),
    "fewer executors than the quorum": Case("policy-refused", roomy(verify="both", quorum=3)),
    "rows outside": Case("rows-outside-dataset", first_row=50),
    "more rows than are left": Case("license-exhausted", terms={"max_rows": 19}),
    "a license that is over": Case("license-revoked", before=revoke),
    "more executors than there are": Case("unavailable", replicas=5),
}
DOORS = ("order", "open", "quote", "dry run", "command", "api quote", "api order", "page")


def sold(scene: MarketNode, case: Case) -> int:
    """A license under the case's policy and terms."""
    scene.store.put(case.policy.to_bytes())
    terms = {"price_license": DOLLAR, "price_job": DOLLAR, "price_row": 1, "max_jobs": 100, "max_rows": 10_000}
    offer = scene.market.create_offer(
        scene.stage.owner,
        1,
        **(terms | case.terms),
        duration=24 * HOUR,
        policy=case.policy.digest,
        **(BITS | {"micro_bits": 30_000_000, "licenses": 1}),
    ).value
    license = scene.market.buy_license(scene.stage.buyer, offer).value
    case.before(scene, license)
    scene.indexer.sync()
    return license


def raised(call: Callable[[], object]) -> str:
    """The code of the error that a call ends with; "" where it does not."""
    try:
        call()
    except DarkroomError as error:
        return error.code
    return ""


@pytest.fixture
def model(buyer: Buyer) -> Model:
    """A model of the buyer's that releases a score."""
    return buyer.models.keep(regressor(Dataset.open(buyer.network, 1), WEIGHTS[::-1] + 0.375))


@pytest.mark.parametrize("name", CASES)
def test_all_doors_say_the_same(scene: MarketNode, buyer: Buyer, model: Model, darkroom: Run, name: str) -> None:
    """The first problem is the same at each door, no door lets through what another refuses, and no money moves."""
    case, dataset = CASES[name], Dataset.open(buyer.network, 1)
    license = sold(scene, case)
    place: dict[str, Any] = {"first_row": case.first_row, "rows": case.rows, "replicas": case.replicas}
    before = (scene.market.balance(buyer.account.address), scene.market.job_count())
    words = [str(each) for pair in place.items() for each in (f"--{pair[0].replace('_', '-')}", pair[1])]
    checked = buyer.check(dataset, model, license=license, sealing_key=KEY, **place)
    said = {
        "check": checked.problems[0].code if checked.problems else "",
        "order": raised(lambda: buyer.order(license, model, sealing_key=KEY, **place)),
    }
    command = ("job", "open", "--license", str(license), "--model", model.digest, *words, "--json")
    said["dry run"] = darkroom(*command, "--dry-run")[1].get("error", {"code": ""})["code"]
    quoted = darkroom("model", "quote", model.digest, "--license", str(license), *words, "--json")[1]
    said["quote"] = quoted["problems"][0]["code"] if quoted["problems"] else ""
    assert quoted["units"] > 0
    assert quoted["slowest_seconds"] > 0
    assert quoted["total"] > quoted["price_job"] > DOLLAR
    scene.store.put(model.data)
    with TestClient(application(scene, ORIGIN), base_url=ORIGIN) as web:
        query = f"license={license}&rows={case.rows}&first_row={case.first_row}&replicas={case.replicas}"
        answer = web.post(f"/v1/datasets/1/quotes?{query}", content=encode(model.circuit))
        report = answer.json()
        if answer.is_success:
            said["api quote"] = report["problems"][0]["code"] if report["problems"] else ""
            assert report["ready"] == (not case.code)
        else:  # rows that are not there have no price
            said["api quote"] = report["code"]
        body = {"account": buyer.account.address, "license": license, "circuit": model.circuit_digest}
        answer = web.post("/v1/transactions/open-job", json=body | place | {"sealing_key": case.key})
        said["api order"] = "" if answer.is_success else answer.json()["code"]
        page = web.post(f"/datasets/1/run/quote?{query}&terms=license-{license}", content=encode(model.circuit))
        ready = 'data-ready="1"' in page.text
        said["page"] = case.code if page.is_success and ready == (not case.code) else page.text
    if case.code:
        said["open"] = raised(lambda: buyer.open_job(license, model, sealing_key=KEY, **place))
        said["command"] = darkroom(*command)[1]["error"]["code"]
    assert said == dict.fromkeys(said, case.code)
    assert (scene.market.balance(buyer.account.address), scene.market.job_count()) == before
    assert all(each in said for each in DOORS) or not case.code


def test_what_selects_is_refused_before_anybody_pays(buyer: Buyer, model: Model, scene: MarketNode) -> None:
    """A circuit that needs a packing key, on a dataset that states none: at the order's first look, with what to do."""
    opened, license = Dataset.open(buyer.network, 1), sold(scene, Case(""))
    last = model.circuit.layers[-1]
    assert isinstance(last, Linear)
    chosen = Selection(last.width, np.array([0]), np.zeros((1, 2), np.int64))
    circuit = replace(model.circuit, layers=(last, chosen, last), centred=True, shared=True)
    for packs in (None, False):
        roots = None if packs is None else KeyRoots(keyswitch=ZERO, points=ZERO, packs=packs)
        table = opened.table.model_copy(update={"evaluation_key": "a", "key_roots": roots})
        dataset = replace(opened, manifest=opened.manifest.model_copy(update={"table": table}))
        with pytest.raises(BadKey, match="packing key") as refused:
            verdict(dataset, circuit, 20, license=license)
        assert "Compile the model again for this dataset" in refused.value.next_step
