"""Training from the command line: typed settings, a score on rows held out, labels as people write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.client.buyer import Buyer
from app.client.dataset import Dataset
from tests.client.conftest import Run
from tests.support.custody import NAMES
from tests.support.web import MarketNode

pytestmark = pytest.mark.filterwarnings("ignore")  # of Concrete ML's imports, and of convergence


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """The buyer's own rows, with a label in words, in numbers, and as a value."""
    rng = np.random.default_rng(5)
    frame = pl.DataFrame({name: rng.integers(0, 256, 240).astype(float) for name in NAMES})
    score = frame.to_numpy() @ np.linspace(-1, 1, len(NAMES)) + rng.normal(0, 40, 240)
    words = np.array(["low", "middle", "high"])[np.digitize(score, [-60, 60])]
    label = pl.Series("grade", words), pl.Series("yes", np.where(score > 0, 7, -3)), pl.Series("score", score)
    path = tmp_path / "mine.csv"
    frame.with_columns(*label).write_csv(path)
    return path


def test_a_score_is_of_rows_that_were_kept_back(scene: MarketNode, darkroom: Run, rows: Path) -> None:
    """A quarter of each class is held out by a seed; the same seed gives the same model, another one another."""
    words = ("model", "compile", "1", str(rows), "--target", "yes", "--json")
    code, told, _ = darkroom(*words)
    assert code == 0, told
    training = told["training"]
    assert training["rows"] + training["held_out"] == 240
    assert 58 <= training["held_out"] <= 60
    assert 0.7 < training["score"] < 1
    assert told["classes"] == [-3, 7]
    assert darkroom(*words)[1]["model"] == told["model"]
    assert darkroom(*words, "--seed", "1")[1]["model"] != told["model"]
    shown = darkroom("model", "show", told["model"][:12], "--json")[1]
    assert shown["training"] == training
    assert shown["features"] == list(NAMES)
    assert "rows kept back" in darkroom("model", "show", told["model"])[1]
    report = shown["faithfulness"]
    assert report["rows"] > 1000
    assert (report["labels_differing"], report["own_rows"]) == (0, training["held_out"])
    assert report["accuracy"] == pytest.approx(training["score"])
    quoted = darkroom("model", "quote", told["model"], "--offer", str(scene.offer), "--json")[1]
    assert quoted["faithfulness"] == report
    whole = darkroom(*words, "--held-out", "0")[1]["training"]
    assert (whole["held_out"], whole["score"]) == (0, None)
    alone = darkroom(*words[:-1], "--held-out", "0")[1]
    assert "no rows were kept back" in alone
    assert f"{whole['training_score']:.4f}" not in alone  # never shown without the other


def test_labels_may_be_words(darkroom: Run, rows: Path) -> None:
    """Three classes in words are the model's classes, in every report and result."""
    code, told, _ = darkroom("model", "compile", "1", str(rows), "--target", "grade", "--json")
    assert code == 0, told
    assert told["classes"] == ["high", "low", "middle"]
    assert told["training"]["score"] > 0.5


def test_settings_are_typed_and_known(darkroom: Run, rows: Path) -> None:
    """A setting reaches the model; an unknown one is refused with the list, another type with the default."""
    words = ("model", "compile", "1", str(rows), "--target", "yes", "--json")
    plain = darkroom(*words)[1]
    code, told, _ = darkroom(*words, "--set", "C=0.0001", "--set", "n_bits=6")
    assert (code, told["training"]["settings"]) == (0, {"C": "0.0001", "n_bits": "6"})
    assert told["circuit"] != plain["circuit"]
    for word, part in (("depth=3", "max_iter"), ("max_iter=many", "2000"), ("C", "NAME=VALUE"), ("penalty=l7", "")):
        code, told, _ = darkroom(*words, "--set", word)
        assert told["error"]["code"] == ("bad-model" if word == "penalty=l7" else "usage-error"), told
        assert part in told["error"]["next_step"]
    assert darkroom(*words, "--kind", "nothing")[1]["error"]["code"] == "bad-model"


def test_a_target_that_cannot_be_learned(darkroom: Run, rows: Path, tmp_path: Path) -> None:
    """Missing labels, one class, fractions for a classifier and words for a regressor are told as such."""
    frame = pl.read_csv(rows)
    holes, same = tmp_path / "holes.csv", tmp_path / "same.csv"
    frame.with_columns(pl.when(pl.col("yes") > 0).then("yes")).write_csv(holes)
    frame.with_columns(pl.lit(1).alias("yes")).write_csv(same)
    for path, target, kind in (
        (holes, "yes", "logistic-regression"),
        (same, "yes", "logistic-regression"),
        (rows, "score", "logistic-regression"),
        (rows, "grade", "ridge"),
        (rows, "nothing", "ridge"),
    ):
        code, told, _ = darkroom("model", "compile", "1", str(path), "--target", target, "--kind", kind, "--json")
        assert (code, told["error"]["code"]) == (1, "bad-table"), told
    assert darkroom("model", "compile", "1", str(rows), "--target", "score", "--kind", "ridge", "--json")[0] == 0


def test_a_model_that_was_trained_elsewhere_is_imported(
    scene: MarketNode, buyer: Buyer, darkroom: Run, rows: Path, tmp_path: Path
) -> None:
    """A file of ONNX is compiled and held against itself on the buyer's rows; a pickle is never opened."""
    from skl2onnx import to_onnx  # type: ignore[import-untyped]
    from sklearn.linear_model import Ridge
    from xgboost import XGBClassifier

    frame, dataset = pl.read_csv(rows), Dataset.open(buyer.network, 1)
    codes = dataset.encode(frame.select(NAMES))
    labels = (frame["yes"] > 0).to_numpy().astype(int)
    labelled = tmp_path / "labelled.csv"
    frame.with_columns(pl.Series("yes", labels)).write_csv(labelled)
    linear, trees = tmp_path / "linear.onnx", tmp_path / "trees.json"
    table = codes.astype(np.float32)
    graph = to_onnx(Ridge().fit(table, frame["score"]), table[:1], target_opset={"": 15, "ai.onnx.ml": 3})
    linear.write_bytes(graph.SerializeToString())
    XGBClassifier(n_estimators=3, max_depth=2).fit(table, labels).save_model(trees)
    more = ("--check", str(labelled), "--fitted-on", "codes", "--json")
    code, told, _ = darkroom("model", "import", "1", str(linear), "--target", "score", *more)
    assert (code, told.get("target")) == (0, "score"), told
    assert told["faithfulness"]["own_rows"] == 240
    assert told["faithfulness"]["accuracy"] == pytest.approx(told["faithfulness"]["float_accuracy"], abs=0.01)
    assert (told["training"], told["faithfulness"]["largest_difference"] < 0.01) == (None, True)
    code, told, _ = darkroom("model", "import", "1", str(trees), "--target", "yes", *more)
    assert (code, told["error"]["code"]) == (1, "bad-model")  # this dataset publishes no bins for trees
    pickled = tmp_path / "model.pkl"
    pickled.write_bytes(b"\x80\x04.")
    code, told, _ = darkroom("model", "import", "1", str(pickled), "--json")
    assert (code, told["error"]["code"]) == (1, "bad-model")
    assert "never opened" in told["error"]["next_step"]


def test_a_sample_is_read_as_tables_are(scene: MarketNode, darkroom: Run, rows: Path) -> None:
    """Semicolons and blanks make no other model; a word among numbers, or in a label's, is named by line and column."""
    words = ("--target", "yes", "--json")
    plain = darkroom("model", "compile", "1", str(rows), *words)[1]["model"]
    text = rows.read_text()
    (other := rows.with_name("other.csv")).write_text("\ufeff" + text.replace(",", "; "))
    assert darkroom("model", "compile", "1", str(other), *words)[1]["model"] == plain
    (meant := rows.with_name("meant.toml")).write_text(
        '[table]\nskip_lines = 1\ndecimal = ","\nencoding = "utf-16-le"\n'
    )
    other.write_bytes(("Mine\n" + text.replace(",", ";").replace(".", ",")).encode("utf-16-le"))
    assert darkroom("model", "compile", "1", str(other), "--reading", str(meant), *words)[1]["model"] == plain
    meant.write_text("[table]\nskip_lines = 1\n[columns.x]\nlow = 0\n")
    refused = darkroom("model", "compile", "1", str(other), "--reading", str(meant), *words)[1]["error"]
    assert (refused["code"], "line 3" in refused["message"]) == ("bad-recipe", True)
    lines = text.splitlines()
    for column in (NAMES[0], "yes"):
        cells = lines[5].split(",")
        cells[lines[0].split(",").index(column)] = "NA"
        other.write_text("\n".join([*lines[:5], ",".join(cells), *lines[6:]]) + "\n")
        code, told, _ = darkroom("model", "compile", "1", str(other), *words)
        assert (code, told["error"]["code"]) == (1, "bad-table")
        assert f"Column '{column}'" in told["error"]["message"]
        assert 'at line 6 the word "NA"' in told["error"]["message"]
    other.write_text("\n".join([*lines[:5], "1", *lines[5:]]))
    assert (
        "Line 6 of other.csv has 1 of" in darkroom("model", "compile", "1", str(other), *words)[1]["error"]["message"]
    )
