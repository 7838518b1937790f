"""The conformance kit: our auditor judges every recorded case as it must, and so can any other command."""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.auditor.conformance.judge import judge, ours, theirs
from app.auditor.conformance.kit import KIT, Kit, RecordedCase, load
from app.cli.conformance import app
from app.protocol.errors import NotFound, UsageError
from tests.vectors.audits import write

MOST_CASES = 40  # that an auditor should be held against


def first_of_each(kit: Kit) -> list[RecordedCase]:
    """A case for every verdict on every fact, and all honest ones."""
    found: dict[tuple[str, ...], RecordedCase] = {}
    for case in kit.cases:
        found.setdefault((case.verdict, case.fact, case.name if not case.fact else ""), case)
    return list(found.values())


def test_what_the_kit_holds() -> None:
    """Honest jobs of every kind, and far more than forty faults of every fact that an audit has."""
    kit = load()
    facts = {case.fact for case in kit.cases if case.verdict == "wrong"}
    assert facts == {
        "agreement", "bounds", "charge", "circuit", "commitment", "decision", "files", "license", "manifest", "place",
        "policy", "program", "receipt", "result", "sealed", "word",
    }  # fmt: skip
    assert len([case for case in kit.cases if case.verdict == "wrong"]) >= MOST_CASES
    assert [case.verdict for case in kit.cases if not case.changes] == ["confirmed"] * 5 + ["open"]
    assert len({case.name for case in kit.cases}) == len(kit.cases)
    with pytest.raises(NotFound, match="darkroom conformance list"):
        kit.case("no such case")


@pytest.mark.parametrize("case", first_of_each(load()), ids=lambda case: case.name)
def test_our_auditor_judges_as_it_must(case: RecordedCase) -> None:
    """The verdict is the kit's, and the fault is among the facts that it calls wrong."""
    (judged,) = judge(load(), [case], ours)
    assert judged.right, judged
    assert (case.fact in judged.said.wrong) == (case.verdict == "wrong")


@pytest.mark.deep
def test_our_auditor_judges_every_case_as_it_must() -> None:
    """All of them."""
    kit = load()
    assert [judged for judged in judge(kit, kit.cases, ours) if not judged.right] == []


def test_the_cases_follow_from_the_recording() -> None:
    """Whoever runs the committed script on the committed recording writes the committed cases."""
    kept = json.loads(lzma.decompress(KIT.read_bytes()))
    assert write.text(write.kit(kept)) == write.text(kept)


AUDITORS = {
    "honest": 'import json; print("words"); print(json.dumps({"verdict": "confirmed"}))',
    "tells": 'import json; print(json.dumps({"verdict": "wrong", "wrong": ["result"]}))',
    "silent": "raise SystemExit(3)",
    "chatty": "print('all is well')",
    "reads": (
        "import json, pathlib, sys; folder = pathlib.Path(sys.argv[1]);"
        "job, chain = (json.loads((folder / name).read_text()) for name in ('job.json', 'chain.json'));"
        "assert chain['logs'] and job['job'] == 1 and any((folder / 'objects').iterdir());"
        "print(json.dumps({'verdict': 'confirmed'}))"
    ),
}


@pytest.mark.parametrize(
    ("auditor", "name", "right"),
    [
        ("honest", "honest linear", True),
        ("honest", "commitment forged", False),
        ("tells", "commitment forged", False),  # for another reason than the fault
        ("tells", "output of zeros", True),
        ("silent", "honest linear", False),
        ("chatty", "honest linear", False),
        ("reads", "honest linear", True),
    ],
)
def test_any_command_is_an_auditor(auditor: str, name: str, right: bool) -> None:
    """It gets the case's folder and says a verdict; one that says none, or blames something else, is not right."""
    kit = load()
    (judged,) = judge(kit, [kit.case(name)], theirs([sys.executable, "-c", AUDITORS[auditor]]))
    assert judged.right is right, judged


def test_a_command_that_is_none() -> None:
    """A clear refusal."""
    kit = load()
    with pytest.raises(UsageError, match="no command"):
        list(judge(kit, kit.cases[:1], theirs(["no-such-auditor-here"])))


def test_the_three_verbs(tmp_path: Path) -> None:
    """List, check and explain, with their exit codes; an explained case is a folder that check's auditors read."""
    run = CliRunner().invoke
    listed = json.loads(run(app, ["list", "--json"]).stdout)
    (forged,) = [each for each in listed if each["name"] == "commitment forged"]
    assert {"job": 1, "verdict": "wrong", "fact": "commitment"}.items() <= forged.items()
    good = run(app, ["check", "--case", "honest refused", "--json"])
    assert (good.exit_code, json.loads(good.stdout)) == (0, {"cases": 1, "right": 1, "missed": []})
    bad = run(app, ["check", "--case", "output of zeros", "--json", "--", sys.executable, "-c", AUDITORS["honest"]])
    assert bad.exit_code == 4
    assert json.loads(bad.stdout)["missed"][0]["said"] == "confirmed"
    folder = tmp_path / "case"
    told = json.loads(run(app, ["explain", "manifest spoilt", "--to", str(folder), "--json"]).stdout)
    assert told["changes"].keys() == {"objects"}
    assert ours(folder).wrong == ("manifest",)
    again = run(app, ["explain", "manifest spoilt", "--to", str(folder)])
    assert isinstance(again.exception, UsageError)
