"""Notebooks as they are read and run here: JSON, and cells in one namespace, the last line of each shown.

Jupyter's own runner would bring a kernel, its protocol and its server (26 packages) for what `exec` does; nothing in
ours needs a kernel. ADR 0106.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"


def notebooks() -> list[Path]:
    """All of them, in the order in which they go on from one another."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    """A notebook's JSON."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def code(path: Path) -> list[str]:
    """The text of its code cells."""
    return ["".join(each["source"]) for each in read(path)["cells"] if each["cell_type"] == "code"]


def run(path: Path) -> dict[str, Any]:
    """What its cells define; `shown` is what the last line of each shows, where it is an expression."""
    space: dict[str, Any] = {"__name__": "__main__"}
    shown: list[Any] = []
    for number, text in enumerate(code(path), 1):
        tree = ast.parse(text, f"{path.name}, code cell {number}")
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{path.name}, code cell {number}", "exec"), space)  # noqa: S102 - our own
        if isinstance(last, ast.Expr):
            expression = ast.Expression(last.value)
            shown.append(eval(compile(expression, f"{path.name}, code cell {number}", "eval"), space))  # noqa: S307
            getattr(shown[-1], "_repr_html_", lambda: repr(shown[-1]))()
    return space | {"shown": shown}
