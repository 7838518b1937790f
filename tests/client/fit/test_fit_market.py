"""Fitting on a real market: sums of published products on ciphertext, noise, a receipt, a model of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sklearn.linear_model import LinearRegression

from app.cli.kinds import FITTED
from app.client.buyer import MAX_RESULT_BYTES, Buyer
from app.client.dataset import Dataset
from app.client.evaluate.planning import plan_test
from app.client.evaluate.testing import explain_test
from app.client.fit.fitting import explain_fit, fit, plan_fit
from app.client.fit.names import KINDS, classifies, name_of
from app.client.place import OrderPlace
from app.client.sums import SumsWanted, order_sums, read_sums
from app.files.sealed import MIN_WORK
from app.market.web import pages
from app.protocol.errors import BadQuery, NotAllowed, NotFound, UsageError
from app.protocol.market.receipt import OutputPolicy
from app.seal.keys import SealingKey
from fhe.circuit.codec import digest, encode
from tests.client.conftest import Run as Command
from tests.support.adults import EncryptedAdults, noised, sums_in_the_clear
from tests.support.homes import PASSPHRASE, home
from tests.support.market import DOLLAR
from tests.support.policies import PLENTY
from tests.support.regression import settle
from tests.support.web import SETTINGS, MarketNode, api_client, build_node

__all__ = ["home"]

POLICY = OutputPolicy(
    release="aggregate", circuits=("linear", "additive", "trees", "lookup"), min_group=20,
    epsilon_micro_per_job=2_000_000, micro_bits_per_license=20_000_000, micro_bits_per_person=PLENTY,
)  # fmt: skip
ROWS = 2500


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> MarketNode:
    """A market that sells sums over a table with products."""
    folder = tmp_path_factory.mktemp("fit")
    return build_node(folder, EncryptedAdults(folder, ROWS, POLICY))


@pytest.fixture(autouse=True)
def key(buyer: Buyer, darkroom: Command) -> None:
    """The buyer's sealing key, where commands find it."""
    SealingKey.create(buyer.actor.path("sealing.key"), PASSPHRASE, work=MIN_WORK)


def test_a_model_is_explained_ordered_and_fitted(
    scene: MarketNode, buyer: Buyer, darkroom: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The price and the noise are known before; the custodian decrypts blocks; the model is that of its sums, which are
    waited for until a store has them.
    """
    world = scene.world
    assert isinstance(world, EncryptedAdults)
    dataset = Dataset.open(buyer.network, 1)
    plan = plan_fit(dataset.codebook, dataset.profile, LinearRegression(), label="hours", columns=["age", "married"])
    place = OrderPlace(license=scene.license)
    told = explain_fit(buyer, dataset, plan, place)
    value = told.to_dict()
    assert (value["problems"], value["epsilon"], value["released"], value["bootstraps"]) == ([], 2.0, 8, 0)
    assert plan.plan.circuit.block >= 2048
    blocks = plan.plan.circuit.result_rows(ROWS)
    assert value["values_decrypted"] == blocks * len(plan.plan.circuit.outputs)
    with pytest.raises(UsageError):
        order_sums(buyer, told, most=None)
    with pytest.raises(NotAllowed):
        order_sums(buyer, told, most=1)
    with pytest.raises(BadQuery, match="epsilon 2"):
        fit(buyer, [dataset], plan, most=100 * DOLLAR, places=[place], epsilon=1.0)
    job = order_sums(buyer, told, most=100 * DOLLAR)
    assert order_sums(buyer, told, most=100 * DOLLAR) == job
    settle(scene, job)
    in_store, missed = buyer.network.store.read, list[str]()

    def late(cid: str, limit: int) -> bytes:
        if limit == MAX_RESULT_BYTES and not missed:
            missed.append(cid)
            raise NotFound("No store has it yet.")
        return in_store(cid, limit=limit)

    with monkeypatch.context() as patch:
        patch.setattr(buyer.network.store, "read", late)
        found = fit(buyer, [dataset], plan, most=100 * DOLLAR, places=[place], epsilon=2.0)
    assert len(missed) == 1
    report = found.report_.to_dict()
    assert (report["jobs"], report["epsilon"], report["rows"]) == ([job], 2.0, ROWS)
    assert report["receipts"] == [scene.market.job(job).receipt]
    assert report["noise_scales"] == [told.noise_scale]
    read = read_sums(buyer, job, SumsWanted.of(plan.plan.circuit))
    truth = sums_in_the_clear(plan.plan.circuit, dataset.codebook, world.frame)
    assert np.abs(read.values - truth).max() < 40 * told.noise_scale
    assert (read.values != truth).all()
    assert plan.solve([read])[0].coef_ == pytest.approx(found.coef_)
    assert darkroom("audit", str(job), "--json")[1]["confirmed"]


def test_the_command_fits_and_keeps_the_model(scene: MarketNode, buyer: Buyer, darkroom: Command) -> None:
    """Explained for free; fitted, it is compiled for the dataset and kept like any other model."""
    words = ("model", "fit", "1", "--label", "rich", "--kind", "logistic-regression", "--license", str(scene.license))
    columns = ("--column", "age", "--column", "married", "--json")
    code, told, _ = darkroom(*words, *columns, "--explain")
    assert (code, told["problems"]) == (0, [])
    before = scene.market.job_count()
    assert darkroom(*words, *columns)[1]["error"]["code"] == "usage-error"
    assert scene.market.job_count() == before
    dataset = Dataset.open(buyer.network, 1)
    from sklearn.linear_model import LogisticRegression

    plan = plan_fit(dataset.codebook, dataset.profile, LogisticRegression(), label="rich", columns=["age", "married"])
    job = order_sums(buyer, explain_fit(buyer, dataset, plan, OrderPlace(license=scene.license)), most=100 * DOLLAR)
    settle(scene, job)
    code, made, _ = darkroom(*words, *columns, "--max-price", "100")
    assert code == 0
    assert made["report"]["jobs"] == [job]
    assert buyer.models.find(made["model"]).card.features == ("age", "married")
    assert set(made["weights"]) == {"age", "married", "intercept"}
    assert darkroom(*words, *columns, "--job", str(job))[1]["weights"] == made["weights"]
    other = darkroom(*words, "--column", "age", "--json", "--job", str(job))[1]["error"]
    assert other["code"] == "bad-document"
    refused = darkroom("model", "fit", "1", "--label", "nobody", "--json")[1]["error"]
    assert refused["code"] == "bad-query"


def test_noise_in_the_clear_is_what_the_custodian_adds(scene: MarketNode, buyer: Buyer) -> None:
    """The scale that tests of fits use is the one that the market's policy gives."""
    dataset = Dataset.open(buyer.network, 1)
    plan = plan_fit(dataset.codebook, dataset.profile, LinearRegression(), label="rich", columns=["age"])
    told = explain_fit(buyer, dataset, plan, OrderPlace(license=scene.license))
    _, scale = noised(plan.plan.circuit, dataset.codebook, np.zeros(len(plan.plan.circuit.released), np.int64), 2.0)
    assert scale == told.noise_scale


def test_programs_price_and_compile_fits_and_tests(scene: MarketNode, buyer: Buyer) -> None:
    """The circuits are those that clients order; what cannot be is refused with what can."""
    opened = Dataset.open(buyer.network, 1)
    plan = plan_fit(opened.codebook, opened.profile, LinearRegression(), label="hours", columns=["age", "married"])
    line = LinearRegression().fit(np.random.default_rng(1).integers(0, 2, (90, 2)), np.arange(90) % 7)
    model = opened.compile(line, columns=["age", "married"], fitted_on="codes")
    test = plan_test(model.circuit, model.decoder, opened.codebook, opened.profile, "hours")
    asked = {"kind": "linear-regression", "label": "hours", "columns": ["age", "married"]}
    document = {"circuit": encode(model.circuit).decode(), "decoder": model.decoder.to_bytes().decode()}
    with api_client(scene) as api:

        def post(path: str, **body: Any) -> tuple[int, Any]:
            answer = api.client.post(f"/v1/datasets/1/{path}", json=body)
            return answer.status_code, answer.json()

        for path, body, circuit in (
            ("fits", asked, plan.plan.circuit),
            ("tests", document | {"label": "hours"}, test.circuit),
        ):
            code, told = post(path, **body, license=scene.license)
            assert (code, told["epsilon"], told["released"]) == (200, 2.0, str(len(circuit.released)))
            assert told["quote"]["ready"]
            code, made = post(f"{path}/compiled", **body)
            assert (code, made["circuit"].encode()) == (200, encode(circuit))
            assert (made["digest"], made["columns"]) == (digest(circuit), ["age", "married"])
        code, refused = post("fits", kind="forest", label="hours")
        assert (code, refused["code"]) == (422, "bad-query")
        assert "one-vs-rest" in refused["next_step"]
        changed = document | {"circuit": encode(plan.plan.circuit).decode()}
        assert post("tests/compiled", **changed, label="hours")[1]["code"] == "bad-document"


def test_a_page_explains_a_fit_and_names_its_command(scene: MarketNode) -> None:
    """Without scripts: price, noise and the words to type; what cannot be fitted, with what can."""
    scene.indexer.sync()
    at = "/datasets/1/fit"
    with TestClient(scene.app(extensions=[pages.install]), base_url=SETTINGS.origin) as client:
        asked = {"kind": "ridge", "label": "hours", "columns": "age, married", "terms": f"license-{scene.license}"}
        page = client.get(at, params=asked).text
        assert "This can be fitted" in page
        words = (
            f"darkroom model fit 1 --kind ridge --label hours --column age --column married --license {scene.license}"
        )
        assert words in page
        assert "one-vs-rest" in client.get(at).text
        refused = client.get(at, params={"kind": "ridge", "label": "nobody"}).text
        assert "This cannot be fitted" in refused
        assert "It has age" in refused


def test_kinds_have_one_name_everywhere() -> None:
    """What the command fits is what the API prices, and each is the estimator that it says."""
    assert set(FITTED) == set(KINDS)
    for kind, recipe in FITTED.items():
        assert (name_of(recipe.make()), classifies(recipe.make())) == KINDS[kind]


class PublicSession:
    """What a public dataset reads of its session."""

    def __init__(self, buyer: Buyer) -> None:
        self.buyer, self.network, self.models = buyer, buyer.network, buyer.models


def test_a_model_is_tested_by_command_and_by_programs(scene: MarketNode, buyer: Buyer, darkroom: Command) -> None:
    """The error of a line on rows that nobody reads: explained for free, paid once, the same for both."""
    from darkroom import fit as fit_many
    from darkroom.dataset import Dataset as Public
    from darkroom.model import Model

    world, opened = scene.world, Dataset.open(buyer.network, 1)
    assert isinstance(world, EncryptedAdults)
    codes = opened.encode(world.frame[:200], columns=["age", "married"])
    line = LinearRegression().fit(codes, world.frame["hours"].to_numpy()[:200])
    kept = buyer.models.keep(opened.compile(line, columns=["age", "married"], fitted_on="codes"), target="hours")
    public = Public(PublicSession(buyer), opened)  # type: ignore[arg-type]
    words = ("model", "test", "1", kept.digest, "--label", "hours", "--license", str(scene.license), "--json")
    code, told, _ = darkroom(*words, "--explain")
    assert (code, told["problems"], told["released"]) == (0, [], 5)
    assert public.explain_evaluate(Model(kept), label="hours", license=scene.license)["price"] == told["price"]
    assert darkroom(*words)[1]["error"]["code"] == "usage-error"
    plan = plan_test(kept.circuit, kept.decoder, opened.codebook, opened.profile, "hours")
    place = OrderPlace(license=scene.license)
    job = order_sums(buyer, explain_test(buyer, opened, plan, place)[0], most=100 * DOLLAR)
    settle(scene, job)
    code, found, _ = darkroom(*words, "--max-price", "100")
    assert (code, found["report"]["job"]) == (0, job)
    all_codes = opened.encode(world.frame, columns=["age", "married"])
    truth = float(((line.predict(all_codes) - world.frame["hours"].to_numpy()) ** 2).mean())
    assert found["figures"]["mse"] == pytest.approx(truth, rel=0.5)
    same = public.evaluate(Model(kept), label="hours", license=scene.license, max_price=100)
    assert (same["mse"], same.job, same.epsilon) == (found["figures"]["mse"], job, 2.0)
    with pytest.raises(BadQuery):
        public.explain_fit(LinearRegression(), label="nobody")
    with pytest.raises(UsageError):
        fit_many([], LinearRegression())
    plan_of_fit = plan_fit(opened.codebook, opened.profile, LinearRegression(), label="hours", columns=["school"])
    settle(scene, order_sums(buyer, explain_fit(buyer, opened, plan_of_fit, place), most=100 * DOLLAR))
    terms: dict[str, Any] = {"label": "hours", "columns": ["school"], "max_price": 100}
    one = public.fit(LinearRegression(), license=scene.license, **terms)
    assert fit_many([public], LinearRegression(), licenses=[scene.license], **terms).coef_ == one.coef_
