"""The documents' site: it builds, its links lead somewhere, and each document stands in its menu."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MENU = ROOT / "scripts" / "site" / "mkdocs.yml"
COPIED = ("docs", "examples", "contracts", "scripts", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the site is made of, and this environment."""
    skip = shutil.ignore_patterns("node_modules", "out", "cache", "artifacts", "src", "test", "tools")
    for name in (*COPIED, "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=skip)
        else:
            shutil.copy(source, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


def build(checkout: Path) -> subprocess.CompletedProcess[str]:
    """`make docs` less its first half."""
    return subprocess.run(
        ["sh", "scripts/site/build.sh"], cwd=checkout, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


def test_the_site_is_built_and_links_are_held(checkout: Path) -> None:
    """All pages are there, nothing is loaded from elsewhere, and one link to nowhere stops it."""
    done = build(checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = checkout / "build" / "site" / "pages"
    assert (pages / "docs" / "adr" / "0097-owners-without-torch.html").is_file()
    first = (pages / "index.html").read_text("utf-8")
    assert "Negatives go in" in first
    loaded = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?:[^\" >]+)", first)
    assert loaded == []
    with (checkout / "docs" / "fit.md").open("a", encoding="utf-8") as document:
        document.write("\n[gone](gone.md)\n")
    done = build(checkout)
    assert done.returncode != 0
    assert "(gone.md)" in re.sub(r"\x1b\[[\d;]*m", "", done.stderr)


def test_every_document_stands_in_the_menu() -> None:
    """Decisions stand in their own index instead; the menu names nothing twice."""
    named = re.findall(r"\S+\.md$", MENU.read_text("utf-8"), re.MULTILINE)
    inner = ("tutorials", "notebooks", "how-to", "explanation")
    folders = ROOT, ROOT / "docs", *(ROOT / "docs" / each for each in inner), ROOT / "contracts"
    there = [path for folder in folders for path in folder.glob("*.md")]
    wanted = [*(str(path.relative_to(ROOT)) for path in there), "docs/adr/README.md"]
    assert sorted(named) == sorted(wanted)
