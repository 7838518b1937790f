"""The collection: real tables, each published on its own terms, with a model and a history that go through."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.client.licenses import check_licenses, left_to_sell
from app.custodian.readout import to_levels
from app.demo import table as sample
from app.home.home import Home
from app.node.collection.collection import FILE
from app.node.collection.record import CollectionRecord, Progress
from app.node.collection.tables import TABLES, CollectedTable
from app.node.node import newcomer, services
from app.node.sample import FOLDER, model_file
from app.protocol.errors import BadDocument
from app.protocol.policy.bits import person_limit
from app.protocol.policy.rules import policy_problems
from fhe.compile import from_model
from fhe.profiles import REFERENCE
from ingestion.codes import encode
from ingestion.publish import survey
from tests.support.running_node import RunningNode, running


def test_six_tables_have_six_policies() -> None:
    """With the sample there are six, of different titles, prices, words and rules of release."""
    recipes = [sample.recipe(), *(each.recipe() for each in TABLES)]
    assert len(recipes) == 6
    for told in (
        {each.title for each in recipes},
        {each.policy.digest for each in recipes},
        {each.offer.price_license for each in recipes},
        {each.keywords for each in recipes},
    ):
        assert len(told) == 6
    assert {each.policy.release for each in recipes} == {"label", "score", "aggregate"}
    assert {each.policy.approval for each in recipes} == {"automatic", "manual"}
    assert {each.policy.verify for each in recipes} == {"self", "both"}


@pytest.mark.parametrize("table", TABLES, ids=[each.name for each in TABLES])
def test_a_table_is_published_as_its_recipe_says(table: CollectedTable, tmp_path: Path) -> None:
    """Its real rows fit the recipe's ranges, its policy can be used, licenses are left after the history's, and its
    model compiles faithfully. What the model predicts is not in the owner's file, but for sums.
    """
    recipe, (rows, mine) = table.recipe(), table.rows()
    file = tmp_path / "table.csv"
    rows.select(list(recipe.columns)).write_csv(file)
    codebook = survey(file, recipe).built.codebook
    for name, column in recipe.columns.items():
        assert column.low is not None
        assert column.high is not None
        assert column.low <= rows[name].min() <= rows[name].max() <= column.high  # type: ignore[operator]
    assert policy_problems(recipe.policy) == []
    left = left_to_sell(recipe.policy, person_limit(recipe.policy, codebook), 0)
    assert check_licenses(recipe.policy, left, recipe.offer) >= 2
    assert table.history
    if (model := table.model) is None:
        assert mine.is_empty()
        return
    assert recipe.policy.release == "aggregate" or model.target not in recipe.columns
    features = [each.name for each in codebook.columns if not each.label]
    codes = encode(codebook, mine, features)
    fitted = model.make().fit(codes, mine[model.target].to_numpy())
    compiled = from_model(fitted, codebook, REFERENCE, columns=features, fitted_on="codes", check=mine.select(features))
    assert compiled.circuit.inputs
    if model.outcomes:
        assert len(model.outcomes) == mine[model.target].n_unique()


def test_steps_are_written_down_once_they_are_whole(tmp_path: Path) -> None:
    """A record survives its process; another file in its place is refused with what to do."""
    path = tmp_path / FILE
    Progress(path, "0xA").published("wine", 3)
    Progress(path, "0xB").did("wine: offer")
    assert Progress(path, "0xC").record == CollectionRecord(market="0xA", datasets={"wine": 3}, done=("wine: offer",))
    assert path.stat().st_mode & 0o077 == 0
    path.write_text("{}")
    with pytest.raises(BadDocument, match=r"collection\.json"):
        Progress(path, "0xA")


def test_the_collection_comes_after_the_sample_or_not_at_all() -> None:
    """It is a part of its own, which waits for the sample; a setting leaves it out, and a node without one has none."""

    def named(**changed: Any) -> dict[str, str]:
        settings = newcomer().model_copy(update=changed)
        return {each.name: each.after for each in services(settings, None, listener=None, origin="")}

    assert named()["collection"] == "sample"
    assert "collection" not in named(collection=False)
    assert "collection" not in named(sample=False)


@pytest.mark.deep
def test_a_market_that_looks_alive(tmp_path: Path) -> None:
    """`darkroom up` is ready with one table and goes on to six, though its part is killed twice on the way.

    Every dataset is there once, with an offer that can be bought and a model at hand; jobs of the history are settled,
    one is refused, one waits for its owner, and the scores that came out are those of the model in the clear. A second
    start makes nothing.
    """
    home = tmp_path / "home"
    with running(home, collection=True) as node:
        node.said("node", "ready")
        assert len(node.get("/v1/datasets")[1]["items"]) == 1
        for event in ("published", "trained"):
            _kill(node, event)
        node.wait(
            lambda each: each["event"] == "part-ended" and each["service"] == "collection" and not each["code"], 900
        )
        cards = node.get("/v1/datasets?limit=50")[1]["items"]
        titles = [each["title"] for each in cards]
        assert sorted(titles) == sorted({sample.recipe().title, *(each.recipe().title for each in TABLES)})
        datasets = CollectionRecord.from_bytes((home / FOLDER / FILE).read_bytes()).datasets
        wanted = {"settled": 4, "refused": 1, "computed": 1}
        assert _states(node, wanted) == wanted
        for table in TABLES:
            offers = node.get(f"/v1/offers?dataset={datasets[table.name]}")[1]["items"]
            assert len(offers) == 1
            if table.model is not None:
                assert model_file(home / FOLDER, datasets[table.name], table.model.target).is_file()
        _scores_are_the_models(home, datasets["wine"])
        assert node.stop() == 0
    with running(home, collection=True) as node:
        node.said("collection", "part-ended", code=0)
        assert not [each for each in node.events if each["event"] in ("published", "offered", "ordered", "making keys")]
        assert len(node.get("/v1/datasets?limit=50")[1]["items"]) == 6


def _kill(node: RunningNode, after: str) -> None:
    """End the collection's process without a word, as soon as it did something."""
    node.said("collection", after)
    started = [each for each in node.events if (each["service"], each["event"]) == ("collection", "part-started")]
    pid = started[-1]["pid"]
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    node.wait(lambda each: each["event"] == "part-started" and each["service"] == "collection" and each["pid"] != pid)


def _states(node: RunningNode, wanted: dict[str, int]) -> dict[str, int]:
    """How many jobs are in which state, once that is what is wanted; else what there is after two minutes."""
    limit = time.monotonic() + 120
    while True:
        jobs = [each["state"] for each in node.get("/v1/jobs?limit=50")[1]["items"]]
        found = {state: jobs.count(state) for state in jobs}
        if found == wanted or time.monotonic() > limit:
            return found
        time.sleep(0.5)


def _scores_are_the_models(home: Path, dataset: int) -> None:
    """What the history's job on wines released is the model's score in the clear, rounded as the policy says."""
    import darkroom
    from app.client.dataset import Dataset
    from app.home.network import Network
    from fhe.circuit.clear import evaluate_clear

    network = Network.open(Home(home))
    record = next(each for each in network.market.jobs() if each.dataset == dataset)
    result = darkroom.connect(home).job(record.id).result(timeout=60, progress=False)
    (wine,) = [each for each in TABLES if each.name == "wine"]
    rows, _ = wine.rows()
    opened, circuit = Dataset.open(network, dataset), opened_circuit(home, dataset, wine)
    clear = evaluate_clear(circuit, opened.inputs(circuit, rows[: record.rows].select(opened.sources)))
    header = result._opened.result.header
    assert header.levels == 16
    assert np.array_equal(result.values, to_levels(clear.T, header.lows, header.highs, header.levels))


def opened_circuit(home: Path, dataset: int, table: CollectedTable) -> Any:
    """The circuit of a table's model."""
    from fhe.circuit.codec import decode

    assert table.model is not None
    return decode(model_file(home / FOLDER, dataset, table.model.target).read_bytes())
