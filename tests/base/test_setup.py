"""`make setup` stops at once, with a sentence, where it cannot go on; CI accepts no skipped test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NPM_SCRIPTS = (
    "contracts/setup.sh",
    "tests/storage/jsipfs/setup.sh",
    "frontend/tools/setup.sh",
    "tests/market/web/clients/setup.sh",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what setup reads, and nothing else."""
    for name in ("scripts/setup.sh", "locks/dev.txt", "locks/buyer.txt", "pyproject.toml", "hatch_build.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def interpreter(folder: Path, name: str, version: str) -> Path:
    """A program that answers for its version as a Python of that version does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


def setup(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run setup with a PATH that holds the system's tools behind `bin`, where the interpreters are."""
    tools = checkout / "tools"
    tools.mkdir(exist_ok=True)
    for tool in ("sh", "dirname", "cat", "rm", "env"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    variables.setdefault("PATH", f"{checkout / 'bin'}:{tools}")
    return subprocess.run(
        ["/bin/sh", "scripts/setup.sh"], cwd=checkout, env=variables, capture_output=True, encoding="utf-8", timeout=60,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("version", ["3.10.14", "3.13.0", "2.7.18"])
def test_a_wrong_python_is_refused_with_a_sentence(checkout: Path, version: str) -> None:
    """Setup names what is needed and what is there, makes nothing, and leaves with an error."""
    interpreter(checkout / "bin", "python3", version)
    done = setup(checkout)
    assert done.returncode == 1
    assert "Darkroom needs Python 3.11 or 3.12" in done.stderr
    assert f"python3 is {version}" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_named_python_is_checked_too(checkout: Path) -> None:
    """PYTHON=... is not taken on trust, even where a right one is on PATH."""
    interpreter(checkout / "bin", "python3.12", "3.12.1")
    wrong = interpreter(checkout / "other", "python", "3.9.18")
    done = setup(checkout, PYTHON=str(wrong))
    assert done.returncode == 1
    assert f"PYTHON={wrong} is 3.9.18" in done.stderr


def test_a_name_that_lies_is_seen_through(checkout: Path) -> None:
    """An interpreter counts by the version it answers, not by its file's name."""
    interpreter(checkout / "bin", "python3.12", "3.14.0")
    done = setup(checkout)
    assert done.returncode == 1
    assert "python3.12 is 3.14.0" in done.stderr


def test_no_python_at_all_is_said(checkout: Path) -> None:
    """Setup says so where no interpreter is found."""
    done = setup(checkout)
    assert done.returncode == 1
    assert "no Python at all" in done.stderr


def test_an_environment_of_another_python_is_not_overwritten(checkout: Path) -> None:
    """A .venv of a wrong version is kept, and the sentence says how to replace it."""
    interpreter(checkout / ".venv" / "bin", "python", "3.10.14")
    done = setup(checkout)
    assert done.returncode == 1
    assert ".venv holds 3.10.14" in done.stderr
    assert (checkout / ".venv" / "bin" / "python").exists()


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
@pytest.mark.parametrize("whole_module", [True, False])
def test_ci_turns_a_skip_into_a_failure(tmp_path: Path, ci: str, code: int, whole_module: bool) -> None:
    """With CI=true a skipped test or module fails the run; without it, it is only reported."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    skip = "pytest.skip('part missing', allow_module_level=True)" if whole_module else ""
    body = f"import pytest\n{skip}\ndef test_part():\n    pytest.skip('part missing')\ndef test_rest():\n    pass\n"
    (tmp_path / "test_it.py").write_text(body)
    # a second module, since a run without any test is an error of its own
    (tmp_path / "test_other.py").write_text("def test_fine():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode != 0) == bool(code), done.stdout
    assert ("does not accept" in done.stdout) == bool(code)


@pytest.mark.parametrize("script", NPM_SCRIPTS)
def test_npm_parts_come_from_the_checkouts_environment(tmp_path: Path, script: str) -> None:
    """`make test PYTHON=...` names the interpreter to make .venv with; Node.js is .venv's, whatever PYTHON says."""
    for name in (*NPM_SCRIPTS, "contracts/tools/node-path.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    interpreter(tmp_path / ".venv" / "bin", "python", str(tmp_path / "wheel"))
    interpreter(tmp_path / "wheel" / "bin", "node", "ran")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "dirname"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    named = interpreter(tmp_path / "other", "python3.12", "a Python without the wheel")
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / script)], env={"PATH": str(tools), "PYTHON": str(named)}, capture_output=True,
        encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_javascript_without_its_tools_is_said_to_be_unchecked(tmp_path: Path, ci: str, code: int) -> None:
    """Where npm's part is not installed, or is of another lock, lint and types say so; in CI that is a failure."""
    folder = tmp_path / "frontend" / "tools"
    (folder / "node_modules").mkdir(parents=True)
    for name in ("run.sh", "package-lock.json"):
        shutil.copy(ROOT / "frontend" / "tools" / name, folder)
    (folder / "node_modules" / ".darkroom-lock").write_text("another")
    done = subprocess.run(
        ["/bin/sh", str(folder / "run.sh"), "biome", "check"], env={**os.environ, "CI": ci}, capture_output=True,
        encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert "biome is not installed. Run: make frontend" in done.stderr
