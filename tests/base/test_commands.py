"""Every command that a text names exists: next steps of errors, help, pages, documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer

from app.cli.main import app
from scripts.write_help import commands

ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "darkroom", "examples", "fhe", "ingestion", "contracts", "frontend", "scripts", "docs", "deploy")
SKIPPED = {"node_modules", "__pycache__", "out", "cache", "artifacts", "vendor"}
TEXTS = {".md", ".html", ".js", ".mjs", ".sol", ".toml", ".json", ".sh", ".yml", ".yaml", ".service", ""}
NAMED = re.compile(r"(?<![\w./-])(?<!import )darkroom\s+([a-z][a-z-]*)(?![\w/-])(?:\s+([a-z][a-z-]*)(?![\w/-]))?")
USED = re.compile(
    r"(?<![\w./-])(?<!import )darkroom +([a-z][a-z-]*(?: +[a-z][a-z-]*)?)((?:(?!darkroom )[^\n`|#;&),])*)"
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
TREE = typer.main.get_command(app)
KNOWN = set(commands(TREE))
GROUPS = {words[0] for words in KNOWN if len(words) > 1}


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """All that anybody reads."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    """(file, text): each string of Python, implicit joints closed; the whole of any other file."""
    files = [ROOT / "README.md", *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")))]
    for path in files:
        name = path.relative_to(ROOT)
        if not path.is_file() or SKIPPED & set(name.parts):
            continue
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = (str(each.value) if isinstance(each, ast.Constant) else "\0" for each in node.values)
                    yield str(name), "".join(parts)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield str(name), node.value
        elif path.suffix in TEXTS:
            yield str(name), path.read_text("utf-8", errors="replace")


def exists(first: str, second: str) -> bool:
    """Whether these are a command, or a group and nothing more; a command may be followed by arguments or prose."""
    if first in GROUPS:
        return not second or (first, second) in KNOWN
    return (first,) in KNOWN


def test_every_command_that_a_text_names_exists() -> None:
    """No string sends anybody to a command that the command line does not have."""
    found = [(file, each) for file, text in texts() for each in NAMED.findall(text)]
    assert {file for file, _ in found} >= {"README.md", "docs/cli.md", "app/protocol/market/entities.py"}
    assert len(found) > 300
    assert [(file, " ".join(each)) for file, each in found if not exists(*each)] == []


def options(words: str) -> set[str] | None:
    """The options of the command that these words begin with; None where they are a group's or prose."""
    for length in (2, 1):
        name = tuple(words.split()[:length])
        if name in KNOWN:
            command: Any = TREE
            for word in name:
                command = command.commands[word]
            return {each for option in command.params for each in (*option.opts, *option.secondary_opts)} | {"--help"}
    return None


def test_every_option_that_a_text_names_exists() -> None:
    """Nor to an option that the command does not take."""
    found = [
        (file, words, option, known)
        for file, text in texts()
        for words, rest in USED.findall(text.replace("\\\n", " "))
        for option in OPTION.findall(rest)
        if (known := options(words)) is not None
    ]
    assert len(found) > 250
    assert [each[:3] for each in found if each[2] not in each[3]] == []


def test_a_groups_help_lists_its_commands() -> None:
    """Where the one line about a group names commands, all the words in it that stand alone are ones."""
    wrong = []
    for group in sorted(GROUPS):
        line = TREE.commands[group].help or ""  # type: ignore[attr-defined]
        items = [each.strip(" .") for each in re.split("[,;]", line.partition(":")[2])]
        alone = {each for each in items if each and " " not in each}
        if alone & {words[1] for words in KNOWN if words[0] == group and len(words) > 1}:
            wrong += [(group, each) for each in sorted(alone) if (group, each) not in KNOWN]
    assert wrong == []
