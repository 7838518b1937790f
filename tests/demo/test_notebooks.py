"""The notebooks of docs/notebooks, run cell by cell in one home: each begins where the one before ended."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from app.home.home import Home
from app.home.setup import set_up
from tests.support.homes import PASSPHRASE
from tests.support.notebooks import code, notebooks, read, run

NAMES = ("1-owner", "2-buyer", "3-questions", "4-fit", "5-auditor")


@pytest.mark.deep
def test_the_notebooks_tell_one_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is published, scored, asked about, fitted from its sums and audited, by every cell, with real keys."""
    monkeypatch.setenv("DARKROOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)
    monkeypatch.chdir(tmp_path)
    set_up(Home(tmp_path / "home"))
    owner, buyer, questions, fit, auditor = (run(path) for path in notebooks())
    assert any("Only the predicted label of a row is released" in each for each in owner["told"])
    assert [each.licenses_left for each in buyer["dataset"].offers()] == [3]  # the one for sums is sold out by now
    theirs = buyer["pl"].read_csv("patients.csv")[:100]
    clear = buyer["fitted"].predict(buyer["dataset"].encode(theirs))
    assert (buyer["labels"] == clear).all()
    assert buyer["shown"][-1]["every fact confirmed"]
    assert questions["shown"][-1] is True
    for row in questions["reply"].to_dicts():
        of_sex = questions["reply"].to_polars().filter(buyer["pl"].col("sex") == row["sex"])
        assert of_sex["avg_progression_low"][0] < of_sex["avg_progression_high"][0]
    noisy, plain = fit["shown"][-1].values()
    assert plain > 0.3
    assert noisy > -0.5  # its noise is drawn anew each time: 0.13 was seen
    assert auditor["audit"].complete
    assert {"entity", "activity", "used"} <= set(auditor["prov"])
    assert len(auditor["statements"]) == 2


def test_there_are_five_and_each_goes_on_from_the_one_before() -> None:
    """The names say the order, and each but the first links to its predecessor."""
    assert tuple(path.stem for path in notebooks()) == NAMES
    for path, before in zip(notebooks()[1:], NAMES, strict=False):
        words = "".join(
            line for cell in read(path)["cells"] if cell["cell_type"] == "markdown" for line in cell["source"]
        )
        assert f"({before}.ipynb)" in words


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_one_without_outputs(path: Path) -> None:
    """It is of format 4.5, its cells have names, nothing of a run is kept in it, and its code is Python."""
    book = read(path)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    cells = book["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert cells[0]["cell_type"] == "markdown"
    for cell in cells:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
    for text in code(path):
        ast.parse(text)
