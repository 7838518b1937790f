"""The house's order in figures: circles between packages, class names with two homes, long files, private words.

`circles` counts the imports that import-linter's acyclic contract would have removed. A private word is one for which
the field has a standard term; it is counted where the shipped code gives it to a module, a class, a function, a
parameter or a field, and not where a text, a comment or a local variable uses it as the English word that it is.
"""

from __future__ import annotations

import ast
import configparser
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHIPPED = ("app", "contracts", "darkroom", "fhe", "ingestion")
FACE = "darkroom"  # its classes are named as the public is to know them, and so repeat what stands behind them
OWN = (*SHIPPED, "benchmarks", "examples", "frontend", "scripts", "tests")
SOURCES = {".py", ".sol", ".c", ".h", ".cu", ".js", ".mjs", ".sh"}
SKIPPED = {"node_modules", "__pycache__", "out", "cache", "artifacts", "vendor"}
ARGUED_LINES = 400

# Words of our own making that the field has a standard term for, by what they must not name any more.
MODULES = {
    "alone", "desk", "facts", "happened", "leak", "preparing", "screen", "seams", "several", "sheet", "shelf",
    "standing", "storing", "trusted", "waiting", "wire", "wires", "word", "words",
}  # fmt: skip
DEFINITIONS = {
    "Access", "Backend", "Buckets", "Desk", "Diary", "Evidence", "Gate", "Happened", "Here", "KeyCabinet", "Mark",
    "ModelShelf", "ModelsAtHand", "Opened", "Opener", "PlaceRow", "Prepared", "Pulse", "Purse", "Reply", "RescuedCore",
    "Sheet", "Shelf", "Shield", "Tell", "Told", "Trail", "Vault", "Who", "Witness", "circuit_form", "gather",
    "in_words", "interpret", "leak_of", "open_output", "unwatched",
}  # fmt: skip
# These name nothing at all: no module, class or function, no parameter, no field.
ANYTHING = {
    "cabinet", "desk", "facts", "leak", "opaque", "pulse", "purse", "rare", "said", "say", "sheet", "shelf", "tell",
    "told", "trail", "vault", "witness",
}  # fmt: skip


def files(folders: tuple[str, ...], suffixes: set[str]) -> Iterator[Path]:
    """The project's own files in these folders, in order."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and not SKIPPED & set(path.relative_to(ROOT).parts):
                yield path


def module_of(path: Path) -> str:
    """The dotted name of a Python file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def public_classes() -> tuple[tuple[str, str], ...]:
    """(name, module) of each public class at the top of a module that is shipped."""
    return tuple(
        (node.name, module_of(path))
        for path in files(SHIPPED, {".py"})
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )


def classes_twice() -> dict[str, list[str]]:
    """Class names with more than one home, and the homes."""
    homes: dict[str, list[str]] = {}
    for name, module in public_classes():
        if module.partition(".")[0] == FACE:
            continue
        homes.setdefault(name, []).append(module)
    return {name: modules for name, modules in sorted(homes.items()) if len(modules) > 1}


def long_files() -> dict[str, int]:
    """Lines of each source file that has more than 400 and does not say near its top why."""
    found = {}
    for path in files(OWN, SOURCES):
        lines = path.read_text("utf-8").splitlines()
        if len(lines) > ARGUED_LINES and not any("Long because" in line for line in lines[:40]):
            found[str(path.relative_to(ROOT))] = len(lines)
    return found


def circles() -> list[tuple[str, str]]:
    """(importer, imported) of each import that closes a circle between siblings, as import-linter finds them."""
    from grimp import ImportGraph, build_graph

    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    roots = rules["importlinter"]["root_packages"].split()
    graph = build_graph(*roots, cache_dir=None)

    def below(package: str, graph: ImportGraph) -> Iterator[tuple[str, str]]:
        children = graph.find_children(package)
        if len(children) > 1:
            yield from graph.nominate_cycle_breakers(package)
        for child in sorted(children):
            yield from below(child, graph)

    ancestors = rules["importlinter:contract:acyclic"]["ancestors"].split()
    return sorted({each for ancestor in ancestors for each in below(ancestor, graph)})


def _signs(module: str, source: str) -> Iterator[tuple[str, set[str]]]:
    """Each name that a module shows to others, and the words that must not be it."""
    yield module.rpartition(".")[2], MODULES | ANYTHING
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef(name=name, body=body):
                yield name, DEFINITIONS | ANYTHING
                for field in body:
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                        yield field.target.id, ANYTHING
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, DEFINITIONS | ANYTHING
            case ast.arg(arg=name) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, ANYTHING
            case _:
                pass


def private_words() -> dict[str, int]:
    """How often the shipped code gives each private word to something."""
    count = Counter(
        name
        for path in files(SHIPPED, {".py"})
        for name, words in _signs(module_of(path), path.read_text("utf-8"))
        if name in words
    )
    return dict(sorted(count.items()))


def run(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Count; lists stand beside the figures that are not 0."""
    closing, twice, long = circles(), classes_twice(), long_files()
    progress(1, 2)
    words = private_words()
    progress(2, 2)
    return {
        "circles": len(closing),
        "classes_twice": len(twice),
        "long_files": len(long),
        "private_words": sum(words.values()),
        "public_classes": len(public_classes()),
        "which_circles": [" -> ".join(each) for each in closing],
        "which_classes": twice,
        "which_files": long,
        "which_words": words,
    }
