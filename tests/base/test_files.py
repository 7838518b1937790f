"""House rules that every file keeps: documented, short, and tied to no machine or registry."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import AREAS, KINDS, SLOW, area_of

ROOT = Path(__file__).parents[2]
CODE = ("app", "darkroom", "fhe", "ingestion", "contracts", "frontend", "benchmarks", "examples", "tests", "scripts")
SKIPPED = {"node_modules", "__pycache__", "out", "cache", "artifacts", "vendor"}
MAX_LINES = 600
ARGUED_LINES = 400
OTHERS = (".js", ".mjs", ".ts", ".css", ".html", ".sh")  # ruff sees to Python, forge to Solidity


def files(*suffixes: str) -> Iterator[Path]:
    """The project's own files with one of the suffixes."""
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and not SKIPPED & set(path.relative_to(ROOT).parts):
                yield path


def name(path: Path) -> str:
    """A file's path inside the project."""
    return str(path.relative_to(ROOT))


def test_every_module_says_what_it_is_for() -> None:
    """Each Python module begins with a docstring."""
    silent = [name(path) for path in files(".py") if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert not silent


def test_every_test_states_a_behaviour() -> None:
    """Each test function's docstring is a sentence."""
    silent = []
    for path in files(".py"):
        if path.name.startswith("test_"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    words = ast.get_docstring(node) or ""
                    if not words.endswith("."):
                        silent.append(f"{name(path)}: {node.name}")
    assert not silent


def test_files_stay_short() -> None:
    """No source file has more than 600 lines; one with more than 400 says near its top why it is long."""
    long = {}
    for path in files(".py", ".sol", ".c", ".h", ".js", ".mjs", ".sh"):
        lines = path.read_text("utf-8").splitlines()
        argued = any("Long because" in line for line in lines[:40])
        if len(lines) > MAX_LINES or (len(lines) > ARGUED_LINES and not argued):
            long[name(path)] = len(lines)
    assert not long


def test_lines_stay_short() -> None:
    """No line is longer than ruff lets Python's be, in any other language that people read here."""
    limit = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["line-length"]
    seen = {path.suffix for path in files(*OTHERS)}
    assert seen == set(OTHERS)
    long = [
        f"{name(path)}:{number}"
        for path in files(*OTHERS)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > limit
    ]
    assert not long


def test_every_script_of_a_page_is_checked_for_types() -> None:
    """Each module begins by asking TypeScript to check it, which is strict; vendored ones are not ours to change."""
    scripts = sorted((ROOT / "frontend" / "static").glob("*.js"))
    assert len(scripts) > 30
    assert not [path.name for path in scripts if not path.read_text("utf-8").startswith("// @ts-check\n")]
    assert not [
        path.name for path in scripts if re.search(r"@ts-(?:ignore|nocheck|expect-error)", path.read_text("utf-8"))
    ]
    settings = json.loads((ROOT / "frontend" / "tools" / "tsconfig.json").read_text("utf-8"))
    assert settings["compilerOptions"]["strict"] is True
    assert settings["include"] == ["../static/*.js", "types/**/*.d.ts"]


def test_modules_are_named_by_domain() -> None:
    """No module is a drawer for everything."""
    drawers = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
    assert not [name(path) for path in files(".py") if path.name in drawers]


@pytest.mark.parametrize("lock", ["build.txt", "dev.txt", "provider.txt"])
def test_python_locks_name_no_host(lock: str) -> None:
    """A lock pins every distribution by version and hash and leaves the choice of index to its user."""
    text = (ROOT / "locks" / lock).read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option line would choose an index"
    entries = re.findall(r"^[a-z0-9].*(?:\n +--hash.*)*", text, re.MULTILINE)
    assert len(entries) > 4
    assert not [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]


def test_the_small_locks_are_parts_of_the_large_one() -> None:
    """A provider runs the very versions that the project tests, and none of the owner's heavy ones."""
    pins = {
        lock: dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / "locks" / lock).read_text("utf-8"), re.MULTILINE))
        for lock in ("build.txt", "dev.txt", "provider.txt")
    }
    assert pins["build.txt"].items() <= pins["dev.txt"].items()
    assert pins["provider.txt"].items() <= pins["dev.txt"].items()
    assert not {"torch", "concrete-ml", "concrete-python", "polars", "pycapnp"} & pins["provider.txt"].keys()


def test_npm_locks_name_no_host() -> None:
    """npm locks hold integrity hashes and no addresses."""
    locks = [path for path in files(".json") if path.name == "package-lock.json"]
    assert locks
    for path in locks:
        packages = json.loads(path.read_text("utf-8"))["packages"]
        assert "resolved" not in {key for entry in packages.values() for key in entry}
        own = [entry for key, entry in packages.items() if key and not entry.get("link")]
        assert all(entry.get("integrity", "").startswith("sha512-") for entry in own)


def test_every_area_of_tests_has_its_place_in_the_order() -> None:
    """Each file with tests belongs to an area, which has a place in the order and a kind; and every area has tests."""
    assert {area_of(path) for path in (ROOT / "tests").rglob("test_*.py")} == set(AREAS)
    assert set(AREAS.values()) == set(KINDS)
    assert [each for each in SLOW if not (ROOT / "tests" / each).exists()] == []


def test_every_test_has_one_kind(request: pytest.FixtureRequest) -> None:
    """Each test that is run together with this one has exactly one of the markers that say what a test is."""
    for item in request.session.items:
        assert [marker.name for marker in item.iter_markers() if marker.name in KINDS] == [AREAS[area_of(item.path)]]


# It lets the tests of three other modules run a second time, on PostgreSQL.
RUN_AGAIN = "tests/market/web/test_postgres.py"


def test_tests_share_by_support_alone() -> None:
    """A test takes helpers from its own area, tests/support or tests/vectors, and none from another test's module."""
    wrong = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        area = path.relative_to(ROOT / "tests").parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                for words in (each.split(".")[1:] for each in names):
                    foreign = words[0] not in {area, "support", "vectors"} and (area, words[0]) != ("base", "conftest")
                    if foreign or (any(word.startswith("test_") for word in words[:-1]) and name(path) != RUN_AGAIN):
                        wrong.append(f"{name(path)}: {'.'.join(words)}")
    assert wrong == []
