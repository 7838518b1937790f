"""forge's own tests, and proof that they can fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.contracts.mutants import MUTANTS, Mutant, caught
from tests.contracts.tooling import CONTRACTS, forge

pytestmark = pytest.mark.node

# One of each kind on every change; all of them in the deep tests.
QUICK = ("a job settles twice", "the custodian may answer late", "jobs without a quota")


def outcomes(report: str) -> dict[str, str]:
    """Each test's status in forge's JSON report."""
    suites = json.loads(report[report.index("{") :])
    return {
        f"{suite}:{test}": result["status"]
        for suite, found in suites.items()
        for test, result in found["test_results"].items()
    }


def test_every_contract_test_passes() -> None:
    """Units, 256 fuzz runs each, and 64 x 50 steps of the market in random use."""
    done = forge("test", "--json")
    found = outcomes(done.stdout)
    assert {name for name, status in found.items() if status != "Success"} == set(), done.stderr
    written = sum(
        len(re.findall(r"function (?:test|invariant)\w*\(", path.read_text(encoding="utf-8")))
        for path in (CONTRACTS / "test").glob("*.t.sol")
    )
    assert len(found) == written
    assert done.returncode == 0


def test_every_branch_is_taken() -> None:
    """Lines, statements, branches and functions of every source: all of them, by the unit tests alone.

    The game about lookups is played from Python, with real ciphertexts (test_lookup_disputes.py, test_line_rules.py);
    no test sees the hash of a leaf run out of gas, or what of a program is asked for by that game alone.
    """
    games = "LookupGame|StretchGame|LineRules|NodeRules|PackingRules|PackedLine"
    lookups = f"test/|src/dispute/({games}|Tables|Line|Prefix|Aes|Digits|Leaves|Programs).sol"
    done = forge("coverage", "--no-match-coverage", lookups, "--no-match-contract", "Invariants", "--report", "summary")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| (\S+)\s+\|(.*)\|$", done.stdout, re.MULTILINE)
    shares = {
        name: re.findall(r"([\d.]+)%", cells) for name, cells in rows if name.startswith("src/") or name == "Total"
    }
    assert len(shares) > 9
    assert all(share == ["100.00"] * 4 for share in shares.values()), shares


def test_sources_are_in_forge_s_format() -> None:
    """`contracts/tools/forge.sh fmt` would change nothing."""
    done = forge("fmt", "--check")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.name in QUICK], ids=lambda each: each.name)
def test_a_planted_mistake_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """With this mistake in the sources some test fails."""
    assert caught(mutant, tmp_path)


@pytest.mark.deep
@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.name not in QUICK], ids=lambda each: each.name)
def test_every_planted_mistake_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    """With this mistake in the sources some test fails."""
    assert caught(mutant, tmp_path)


def test_every_mistake_has_its_place_in_today_s_sources() -> None:
    """Each mutant's text occurs once where it says, and there are more than twenty."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) > 20
    for mutant in MUTANTS:
        text = (CONTRACTS / "src" / f"{mutant.source}.sol").read_text(encoding="utf-8")
        assert text.count(mutant.right) == 1, mutant.name
        assert mutant.wrong != mutant.right


@pytest.mark.deep
def test_every_contract_test_passes_on_the_shipped_form() -> None:
    """The same tests on code made through the IR, as the artifacts are."""
    done = forge("test", "--json", env={"FOUNDRY_PROFILE": "ir"}, limit=1800)
    assert {name for name, status in outcomes(done.stdout).items() if status != "Success"} == set(), done.stderr


@pytest.mark.deep
def test_ten_thousand_runs_and_long_lives() -> None:
    """10,000 fuzz runs each, and 375 x 500 steps of the market in random use."""
    done = forge("test", "--json", env={"FOUNDRY_PROFILE": "deep"}, limit=7200)
    assert {name for name, status in outcomes(done.stdout).items() if status != "Success"} == set(), done.stderr


def test_the_lock_pins_what_the_tools_ask_for() -> None:
    """The lock names every package that package.json asks for, at that version and with an integrity hash."""
    asked = json.loads((CONTRACTS / "package.json").read_text(encoding="utf-8"))
    wanted = asked["devDependencies"] | asked["optionalDependencies"]
    packages = json.loads((CONTRACTS / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert packages[""]["devDependencies"] | packages[""]["optionalDependencies"] == wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
        assert packages[f"node_modules/{name}"]["integrity"].startswith("sha512-")
