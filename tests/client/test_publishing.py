"""`darkroom dataset publish`: what it sells is said first, and what must not be published leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from app.cli.main import run
from app.home.network import NodeConfig, write_config
from tests.support.persons import COLUMNS, HEAD, PASSPHRASE, OwnersHome, chain_template, people


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain to copy."""
    return chain_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def town(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnersHome:
    """An owner's home that commands work in."""
    made = OwnersHome(template, tmp_path)
    chain, store = tmp_path / "chain", tmp_path / "store"
    write_config(
        made.home,
        NodeConfig(
            chain=f"embedded:{chain}/chain.sqlite", deployment=f"{chain}/deployment.json", store=f"folder:{store}"
        ),
    )
    made.account.save(made.owner.actor.path("account.json"), PASSPHRASE, light=True)
    monkeypatch.setenv("DARKROOM_HOME", str(made.home.root))
    monkeypatch.setenv("DARKROOM_PASSPHRASE", PASSPHRASE)
    return made


def publish(
    town: OwnersHome, capsys: pytest.CaptureFixture[str], frame: pl.DataFrame, rules: str, *words: str
) -> tuple[int, Any, str]:
    """Run the command on these rows: exit code, what it printed as JSON, and what it said."""
    recipe = town.folder / "recipe.toml"
    recipe.write_text(f'{HEAD}[table]\nperson = "id"\n{COLUMNS}{rules}')
    code = run(["dataset", "publish", str(town.file(frame)), "--recipe", str(recipe), "--no-offer", "--json", *words])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_what_is_sold_is_said_first(town: OwnersHome, capsys: pytest.CaptureFixture[str]) -> None:
    """Bits of a license and of a person, who is a person, and how many licenses, in words, before the transaction."""
    code, value, err = publish(town, capsys, people(50), "[offer]\nlicenses = 3\n", "--keys", town.keys())
    assert code == 0
    for words in (
        "A license is told at most 8 bits (yes-or-no facts) about a person, all buyers for ever 16.",
        "A person is known by the column 'id', and has at most 1 rows.",
        "16 bits about each person are left to sell on every row.",
        "An offer sells at most 3 licenses at once, and reserves the bits of each.",
    ):
        assert words in value["sells"]
        assert words in err.replace("\n", " ")
    code, value, err = publish(town, capsys, people(50), "", "--keys", town.keys())
    assert code == 0
    assert "0 bits about each person are left to sell on every row." in value["sells"]
    assert any("50 of the rows are of persons of dataset 2; 16 bits about each" in words for words in value["sells"])


def test_too_many_rows_of_a_person_leave_nothing_behind(town: OwnersHome, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal comes before keys, ciphertext and transaction, and says a count, never a person."""
    before = town.market.dataset_count()
    twice = pl.concat([people(50), people(50)[:4]])
    code, value, err = publish(town, capsys, twice, "", "--keys", "never-made")
    assert code != 0
    assert "4 persons have more rows than rows_per_person = 1 says; one has 2" in value["error"]["message"]
    assert "p1-" not in err
    assert town.owner.cabinet.names() == []
    assert not [file for file in (town.folder / "store").rglob("*") if file.is_file()]
    assert list(town.owner.actor.path("persons").iterdir()) == []
    assert town.market.dataset_count() == before


def test_raw_scores_are_said_in_the_owners_words(town: OwnersHome, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the sentence a policy of raw scores is refused; with it, the number of columns given away is said."""
    rules = '[policy]\nrelease = "score"\nraw_scores = "{}"\n'
    code, value, _ = publish(town, capsys, people(50), rules.format("yes"), "--keys", town.keys())
    assert code != 0
    assert "raw_scores must be left out, or say the owner's sentence word for word" in value["error"]["message"]
    sentence = "I sell raw scores. A buyer can compute my columns from as many of them as there are columns."
    code, value, err = publish(town, capsys, people(50), rules.format(sentence), "--keys", town.keys())
    assert code == 0
    assert "Raw scores: as many of them as there are columns (8) give the columns away." in err.replace("\n", " ")
