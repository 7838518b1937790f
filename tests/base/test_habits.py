"""What developers' tools are told is what the project keeps: hooks, editors' settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (
    "app",
    "benchmarks",
    "contracts",
    "darkroom",
    "docs",
    "examples",
    "fhe",
    "frontend",
    "ingestion",
    "scripts",
    "tests",
)
SKIPPED = {"node_modules", "__pycache__", "out", "cache", "artifacts", "vendor", "vectors", "images"}
TEXTS = {
    ".py",
    ".sol",
    ".js",
    ".mjs",
    ".html",
    ".css",
    ".c",
    ".h",
    ".cu",
    ".md",
    ".toml",
    ".sh",
    ".json",
    ".yaml",
    ".yml",
}


def texts() -> Iterator[tuple[str, bytes]]:
    """(file, bytes) of each text that people write."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    for path in (*sorted(ROOT.glob("*")), *paths):
        name = path.relative_to(ROOT)
        if path.is_file() and not SKIPPED & set(name.parts) and (path.suffix in TEXTS or path.name == "Makefile"):
            yield str(name), path.read_bytes()


def test_texts_are_as_editors_are_told() -> None:
    """As .editorconfig says: UTF-8, line feeds, none missing at a file's end, no spaces at a line's, no tabs before."""
    wrong = []
    for name, data in texts():
        text = data.decode("utf-8")
        indented = name != "Makefile" and re.search(r"^ *\t", text, re.MULTILINE)
        if b"\r" in data or re.search(r"[ \t]$", text, re.MULTILINE) or not text.endswith("\n") or indented:
            wrong.append(name)
    assert wrong == []


def test_hooks_run_the_projects_own_tools() -> None:
    """.pre-commit-config.yaml downloads nothing: its hooks are local, and run what the lock installs, or git."""
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"repo: (\S+)", text) == ["local"]
    assert "://" not in text
    hooks, entries = re.findall(r"- id: ", text), re.findall(r"entry: (\S+)(.*)", text)
    assert len(entries) == len(hooks) == len(re.findall(r"language: system", text)) >= 4
    lock = (ROOT / "locks" / "dev.txt").read_text("utf-8")
    tools = {"ruff": "ruff", "lint-imports": "import-linter"}
    for program, arguments in entries:
        if program == "sh":
            script, tool = arguments.split()[:2]
            assert (ROOT / script).is_file()
            assert f'"@{tool}js/{tool}"' in (ROOT / script).with_name("package.json").read_text("utf-8")
        elif program != "git":
            assert re.search(rf"^{tools[program.removeprefix('.venv/bin/')]}==", lock, re.MULTILINE), program


def test_coroutines_are_run_apart() -> None:
    """In one place, in a thread of their own: after a browser's test this thread's loop runs until the session ends."""
    starts = re.compile(r"\b(?:anyio|asyncio)\.run\b|run_until_complete")
    at = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if "node_modules" not in path.parts and starts.search(path.read_text(encoding="utf-8"))
    }
    assert at - {str(Path(__file__).relative_to(ROOT))} == {"tests/support/apart.py"}
