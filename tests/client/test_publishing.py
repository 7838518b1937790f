"""`darkroom dataset publish`: what it sells is said first, and what must not be published leaves nothing behind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from app.chain.wallet.account import Account
from app.cli.main import run
from app.client.owner import Owner
from app.client.publishing import publish_plan
from app.home.config import NodeConfig, write_config
from app.protocol.errors import NotAllowed, TransactionPending, Unavailable
from ingestion.draft import default_recipe
from ingestion.recipe import parse_recipe
from tests.support.persons import COLUMNS, HEAD, PASSPHRASE, OwnersHome, chain_template, people
from tests.support.persons import recipe as recipe_of


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
    code = run(
        ["dataset", "publish", str(town.file(frame)), "--recipe", str(recipe), "--no-offer", "--yes", "--json", *words]
    )
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


class Keyboard(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def left_behind(town: OwnersHome) -> list[Path]:
    """Keys, store objects, bindings, tags, and half of any of them."""
    actor = town.owner.actor.folder
    places = [town.folder / "store", *(actor / name for name in ("keys", "manifests", "persons"))]
    return [file for place in places if place.is_dir() for file in place.rglob("*") if file.is_file()]


def words_of_publish(town: OwnersHome, text: str = "", *words: str) -> list[str]:
    """The command line that publishes 50 persons by a recipe."""
    recipe = town.folder / "recipe.toml"
    recipe.write_text(text or f'{HEAD}[table]\nperson = "id"\n{COLUMNS}')
    return ["dataset", "publish", str(town.file(people(50))), "--recipe", str(recipe), *words]


@pytest.mark.parametrize("words", [["--json"], []])
def test_scripts_must_have_said_yes(
    town: OwnersHome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """Where nobody can be asked, what would become public is shown, and nothing is made."""
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    before = town.market.dataset_count()
    assert run([*words_of_publish(town, "", "--no-offer"), *words]) == 2
    out, err = capsys.readouterr()
    assert "--yes" in (json.loads(out)["error"]["next_step"] if words else err)
    assert "Becomes public" in err
    assert "256 levels of 1 from 0" in err
    assert (left_behind(town), town.market.dataset_count()) == ([], before)


def test_a_person_is_asked_before_keys_are_made(
    town: OwnersHome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A no, or just Enter, makes nothing; a yes publishes; the question comes after what becomes public."""
    before, keys = town.market.dataset_count(), town.keys()
    mine = sorted(left_behind(town))
    for answer in ("n\n", "\n"):
        monkeypatch.setattr("sys.stdin", Keyboard(answer))
        assert run(words_of_publish(town, "", "--no-offer", "--keys", keys)) == NotAllowed.exit_code
        err = capsys.readouterr().err
        assert err.index("Becomes public") < err.index("Publish this?")
    assert (sorted(left_behind(town)), town.market.dataset_count()) == (mine, before)
    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    assert run(words_of_publish(town, "", "--no-offer", "--keys", keys)) == 0
    assert town.market.dataset_count() == before + 1


def test_a_draft_is_refused_line_by_line(town: OwnersHome, capsys: pytest.CaptureFixture[str]) -> None:
    """What a draft leaves to its owner, prices too, is named by line; filled in, it publishes with bins."""
    text = default_recipe(town.file(people(50))).replace('rest = "refuse"', 'rest = "drop"')
    lines = text.splitlines()
    assert run(words_of_publish(town, text, "--yes", "--json")) == 1
    message = json.loads(capsys.readouterr().out)["error"]["message"]
    for key in ("description", "license", "creator"):
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(f"{key} ="))
        assert f"line {number}: {key}" in message
    assert f"line {lines.index('[offer]') + 1}: offer.price_license" in message
    assert left_behind(town) == []
    for key in ("description", "license", "creator"):
        old = next(line for line in lines if line.startswith(f"{key} ="))
        text = text.replace(old, f'{key} = "Mine."')
    assert run(words_of_publish(town, text, "--yes", "--json", "--no-offer", "--keys", town.keys())) == 0
    shown = {each["name"]: each for each in json.loads(capsys.readouterr().out)["reveals"]}
    assert (shown["license"]["public"], shown["rows"]["public"]) == ("Mine.", "50")
    measured = [each for each in shown.values() if each["what"] == "column"]
    assert measured
    assert all("bins, edges" in each["public"] and each["from"].startswith("MEASURED") for each in measured)


def test_an_offer_is_checked_before_its_dataset_is_made(town: OwnersHome, capsys: pytest.CaptureFixture[str]) -> None:
    """More licenses than the bits are for are refused before anything is made, not after the dataset is recorded."""
    text = f'{HEAD}[table]\nperson = "id"\n{COLUMNS}[offer]\nprice_job = 1\nlicenses = 9\n'
    assert run(words_of_publish(town, text, "--yes", "--json")) == NotAllowed.exit_code
    assert "9 licenses take 72 bits" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert left_behind(town) == []


def test_a_refused_publication_leaves_nothing(town: OwnersHome) -> None:
    """An account without ether is refused by the chain after all was made: keys, ciphertext, tags and bindings go."""
    poor = Owner(town.owner.network, town.owner.actor, Account.generate())
    with (
        poor.plan(town.file(people(50)), recipe_of()) as plan,
        pytest.raises(NotAllowed, match=r"ether|funds|gas"),
    ):
        publish_plan(poor, plan, lookups=False)
    assert left_behind(town) == []
    assert poor.cabinet.names() == []


def test_a_publication_that_may_be_recorded_keeps_its_keys(town: OwnersHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody can tell what became of the transaction the keys stay: the dataset may stand on the chain."""
    network, keys, before = town.owner.network, town.keys(), town.market.dataset_count()

    def lost(*_: object) -> None:
        raise Unavailable("The answer was lost.")

    monkeypatch.setattr(network.node, "fates", lost)
    monkeypatch.setattr("app.chain.sender.RECEIPT_SECONDS", 0.0)
    with town.owner.plan(town.file(people(50)), recipe_of()) as plan, pytest.raises(TransactionPending):
        publish_plan(town.owner, plan, keys=keys)
    assert town.market.dataset_count() == before + 1
    record = town.market.dataset(before + 1)
    assert town.owner.cabinet.name_of(record.manifest) == keys
    assert town.table(before + 1).rows == 50


def test_a_file_without_names_is_drafted_when_they_are_given(
    town: OwnersHome, capsys: pytest.CaptureFixture[str]
) -> None:
    """No command takes a first record for names; with names and `--no-header` the draft keeps both."""
    file = town.folder / "raw.csv"
    file.write_text("41,1.5\n52,2.5\n63,NA\n")
    assert run(["dataset", "recipe", str(file)]) == 1
    out, err = capsys.readouterr()
    assert (out, "--no-header --names" in err) == ("", True)
    assert not [value for value in ("41", "1.5") if value in err]
    words = ["--no-header", "--names", "age, bmi", "--missing", "NA"]
    assert run(["dataset", "recipe", str(file), *words]) == 0
    drafted = parse_recipe(capsys.readouterr().out)
    assert list(drafted.columns) == ["age", "bmi"]
    assert (drafted.table.header, drafted.table.names) == (False, ("age", "bmi"))


def test_a_new_version_is_asked_for_too(town: OwnersHome, capsys: pytest.CaptureFixture[str]) -> None:
    """`dataset update` shows what becomes public and needs a yes as `dataset publish` does."""
    number = town.publish(people(50))
    words = ["dataset", "update", str(number), *words_of_publish(town)[2:], "--json"]
    assert run(words) == 2
    assert "Becomes public" in capsys.readouterr().err
    assert town.market.dataset(number).version == 1
    assert run([*words, "--yes"]) == 0
    assert town.market.dataset(number).version == 2
