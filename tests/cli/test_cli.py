"""What every command keeps to: JSON on stdout, remarks on stderr, exit codes by kind of error, no secret in a word."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from app.chain.contracts.deployment import ORDER
from app.cli.context import CommandContext
from app.cli.dataset import _show
from app.cli.main import app, run
from app.console.output import Terminal
from app.protocol.ports import EncryptedSoFar

ROWS = "age,weight,name\n" + "\n".join(f"{20 + i},{50.5 + i},p{i}" for i in range(40)) + "\n"
Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def darkroom(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: exit code, stdout as JSON or text, stderr."""

    def call(*words: str) -> tuple[int, Any, str]:
        code = run(list(words))
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in words and out else out, err

    return call


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small CSV with two columns of numbers and one of text."""
    path = tmp_path / "people.csv"
    path.write_text(ROWS)
    return path


def _commands(group: typer.Typer, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*prefix, command.name or command.callback.__name__)
    for sub in group.registered_groups:
        assert sub.typer_instance is not None
        yield from _commands(sub.typer_instance, (*prefix, str(sub.name)))


@pytest.mark.parametrize("words", list(_commands(app)), ids=" ".join)
def test_every_command_explains_itself(darkroom: Run, words: tuple[str, ...]) -> None:
    """`--help` of every command says what it does and asks for no secret as a word."""
    code, out, _ = darkroom(*words, "--help")
    assert code == 0
    assert "Usage" in out
    assert not any(secret in out.lower() for secret in ("--passphrase", "--password", "--private", "--secret"))


def test_wrong_usage_exits_with_2(darkroom: Run) -> None:
    """An unknown command, a missing argument and a bad number are usage errors."""
    for words in (["frobnicate"], ["audit"], ["audit", "zero"], ["audit", "0"], ["job", "open"]):
        code, out, err = darkroom(*words)
        assert code == 2, words
        assert out == ""
        assert err
        code, told, err = darkroom(*words, "--json")
        assert (code, told["error"]["code"]) == (2, "usage-error"), words
        assert told["error"]["message"]
        assert "usage-error" in err
    code, told, _ = darkroom("job", "list", "--state", "asleep", "--json")
    assert (code, told["error"]["code"]) == (2, "usage-error")


def test_a_home_that_is_not_set_up(darkroom: Run) -> None:
    """Without a market the commands say how to get one, with exit code 5."""
    code, value, err = darkroom("dataset", "list", "--json")
    assert code == 5
    assert value["error"]["code"] == "not-found"
    assert "darkroom demo" in value["error"]["next_step"]
    assert "darkroom demo" in err


def test_a_table_is_profiled_with_its_costs(darkroom: Run, table: Path) -> None:
    """`dataset profile` shows kinds, ranges, codes and bytes, and warns that measured ranges reveal something."""
    code, value, err = darkroom("dataset", "profile", str(table), "--json")
    assert code == 0
    columns = {column["column"]: column for column in value["columns"]}
    assert (value["rows"], columns["age"]["low"], columns["age"]["high"]) == (40, 20, 59)
    assert columns["age"]["bytes"] == 2048 * 8 * 16
    costs = columns["age"]["published"][0]["encodings"]
    assert (costs["affine"]["bytes"], costs["affine"]["allows"]) == (2048 * 8, "linear models")
    assert columns["name"]["code"] == "-"
    assert any("reveals" in warning for warning in value["warnings"])
    assert "reveals" in err


def test_a_recipe_is_drafted_once(darkroom: Run, table: Path, tmp_path: Path) -> None:
    """`dataset recipe` drafts a recipe that `dataset profile` reads, and never overwrites a file."""
    target = tmp_path / "people.toml"
    assert darkroom("dataset", "recipe", str(table), "--out", str(target))[0] == 0
    assert darkroom("dataset", "profile", str(table), "--recipe", str(target), "--json")[0] == 0
    before = target.read_bytes()
    assert darkroom("dataset", "recipe", str(table), "--out", str(target))[0] == 1
    assert target.read_bytes() == before


def test_files_that_are_no_tables(darkroom: Run, tmp_path: Path) -> None:
    """Binary noise and an empty file are refused with a sentence; of words alone it is said that nothing is left."""
    noise, empty, words = (tmp_path / name for name in ("noise.parquet", "empty.csv", "words.csv"))
    noise.write_bytes(bytes(range(256)) * 4)
    empty.write_bytes(b"")
    words.write_text("a,b\nx,y\n")
    for path in (noise, empty):
        code, value, _ = darkroom("dataset", "profile", str(path), "--json")
        assert code == 1
        assert value["error"]["code"] == "bad-table"
        assert value["error"]["next_step"]
    code, value, err = darkroom("dataset", "profile", str(words), "--json")
    assert (code, [column["published"] for column in value["columns"]]) == (0, [[], []])
    assert "No column is left to publish" in err


def test_a_profile_is_a_page_and_a_recipe_for_its_owner_alone(darkroom: Run, tmp_path: Path) -> None:
    """`dataset profile --html --draft` writes both for nobody else to read, over no file, and tells who is in it."""
    rows = "".join(f"a{n}@example.org;{n % 60 + 18};1,{n % 7}\n" for n in range(80))
    (table := tmp_path / "wide <i>.csv").write_text("Export of May\nE-Mail;age;bmi <b>\n" + rows)
    page, recipe = tmp_path / "page.html", tmp_path / "draft.toml"
    words = ("dataset", "profile", str(table), "--skip-lines", "1", "--decimal-comma")
    written = ("--html", str(page), "--draft", str(recipe))
    code, value, err = darkroom(*words, *written, "--json")
    assert code == 0
    assert {column["column"]: column["kind"] for column in value["columns"]}["age"] == "integer"
    assert "e-mail addresses: stays at home" in " ".join(err.split())
    assert 'drop = ["E-Mail"]' in recipe.read_text()
    assert "skip_lines = 1" in recipe.read_text()
    text = page.read_text()
    assert "wide &lt;i&gt;.csv" in text
    assert "bmi &lt;b&gt;" in text
    assert "<i>.csv" not in text
    assert "src=" not in text
    assert "<script" not in text
    assert {path.stat().st_mode & 0o777 for path in (page, recipe)} == {0o600}
    assert darkroom(*words, *written)[0] == 1
    assert page.read_text() == text


def test_how_a_file_is_read_is_checked(darkroom: Run, table: Path) -> None:
    """An encoding that nobody knows, or one sign for thousands and decimals, is a bad input with a next step."""
    for words in (("--encoding", "klingon"), ("--thousands", "."), ("--no-header",)):
        code, value, _ = darkroom("dataset", "profile", str(table), *words, "--json")
        assert (code, value["error"]["code"]) == (1, "bad-input"), words
        assert value["error"]["next_step"]


def test_a_table_that_is_encrypted_shows_rows_bytes_and_time() -> None:
    """On a terminal; where the output is for a program, or nobody looks, nothing is drawn."""
    for as_json, terminal in ((False, True), (True, True), (False, False)):
        out = Terminal(as_json)
        out.err = Console(file=io.StringIO(), force_terminal=terminal, width=160)
        with out.encryption() as report:
            report(EncryptedSoFar(512_000, 1_024_000, 3 << 20, 12 << 20))
            report(EncryptedSoFar(1_024_000, 1_024_000, 6 << 20, 12 << 20))
        drawn = out.err.file.getvalue()  # type: ignore[attr-defined]
        shown = terminal and not as_json
        assert ("1,024,000/1,024,000 rows" in drawn) == ("6.0/12.0 MiB" in drawn) == ("0:00:0" in drawn) == shown


def test_a_market_is_set_up_once(darkroom: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init` deploys the contracts and keeps to it; roles and accounts live in the same home."""
    code, value, _ = darkroom("init", "--json")
    assert code == 0
    assert set(value["contracts"]) == set(ORDER)
    assert darkroom("init", "--json")[0] == 1
    assert darkroom("dataset", "list", "--json")[1] == []

    code, value, _ = darkroom("account", "create", "--as", "buyer", "--json")
    assert (code, value["error"]["code"]) == (2, "usage-error")
    monkeypatch.setenv("DARKROOM_PASSPHRASE", "correct horse 31")
    code, made, err = darkroom("account", "create", "--as", "buyer", "--json")
    assert code == 0
    assert "horse" not in err
    assert darkroom("account", "create", "--as", "buyer", "--json")[0] == 1
    assert darkroom("account", "faucet", "--as", "buyer", "--amount", "7", "--json")[1]["tokens"] == 7_000_000
    shown = darkroom("account", "show", "--as", "buyer", "--json")[1]
    assert (shown["address"], shown["tokens"]) == (made["address"], 7_000_000)

    monkeypatch.setenv("DARKROOM_PASSPHRASE", "wrong horse 32")
    code, value, err = darkroom("account", "show", "--as", "buyer", "--json")
    assert (code, value["error"]["code"]) == (4, "wrong-passphrase")
    assert "wrong horse" not in err
    assert darkroom("license", "buy", "1", "--as", "nobody", "--json")[1]["error"]["code"] == "not-found"


def test_what_a_person_was_shown_before_is_not_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Publishing says first what becomes public and what is sold; the result repeats it to programs alone."""
    value = {"dataset": 1, "reveals": [{"what": "column", "name": "age"}], "sells": ["A label of each row."]}
    for as_json in (False, True):
        _show(CommandContext("anyone", as_json), value)
        out, _ = capsys.readouterr()
        assert ("dataset" in out, "age" in out, "A label" in out) == (True, as_json, as_json)
