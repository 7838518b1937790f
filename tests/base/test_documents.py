"""What documents show is what the project does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

ADR_FORMS = {"README.md", "0000-template.md"}


@pytest.mark.slow
def test_help_in_documents_is_todays_help() -> None:
    """docs/cli.md shows the help of every command as it is, docs/python.md the reference; `make docs` writes them."""
    done = subprocess.run(
        [sys.executable, "scripts/write_help.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    """Every relative link names a file that is there."""
    targets = re.findall(r"\]\((?!\w+:)([^)#\s]+)[^)]*\)", document.read_text("utf-8"))
    assert not [target for target in targets if not (document.parent / target).exists()]


def test_every_decision_stands_in_the_index() -> None:
    """docs/adr/README.md has one row for each page of a decision, by number, under its own title, with its date."""
    pages = sorted(path for path in (ROOT / "docs" / "adr").glob("*.md") if path.name not in ADR_FORMS)
    index = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| [^|]+ \| \d{4}-\d\d-\d\d \|$", index, re.MULTILINE)
    titles = [path.read_text("utf-8").splitlines()[0].removeprefix("# ") for path in pages]
    assert len(pages) > 20
    assert rows == [(title[:4], path.name, title[5:]) for path, title in zip(pages, titles, strict=True)]


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.parent.name == "adr"], ids=lambda path: path.stem
)
def test_a_decision_says_why_and_what_follows(document: Path) -> None:
    """Each page of a decision has a status, its context, what was decided, and the consequences or what is open."""
    text = document.read_text("utf-8")
    if document.name not in ADR_FORMS:
        assert re.search(r"^Status: (proposed|accepted|replaced)", text, re.MULTILINE)
        assert re.search(r"^## Context$", text, re.MULTILINE)
        assert re.search(r"^## Decisions?$", text, re.MULTILINE)
        assert re.search(r"^## (Consequences|Not done|Not decided|Look again)", text, re.MULTILINE)


def test_the_readme_starts_with_the_two_commands() -> None:
    """A newcomer's first lines are the commands that show and prove everything."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()[:6]
    assert [line.split("#")[0].strip() for line in lines if line.startswith("    ")] == ["make demo", "make test"]


def test_the_readme_fits_a_screen() -> None:
    """What it is, how to begin, where it ends, what else there is; the rest has its own page."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 100


def test_make_targets_in_the_readme_exist() -> None:
    """Each `make` target that README.md names is one of the Makefile's."""
    named = set(re.findall(r"(?:`|^    )make ([a-z-]+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert named
    assert named <= known


def test_the_changelog_keeps_its_form() -> None:
    """CHANGELOG.md has an Unreleased section, and its entries stand under the headings that Keep a Changelog knows."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(r"^## \[Unreleased\]", text, re.MULTILINE)
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
