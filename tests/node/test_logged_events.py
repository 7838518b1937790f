"""Every event that a part logs stands in docs/operations.md, and every event there is logged by something."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOGGERS = {"LOG", "log", "logger"}
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
PLACES = {"_say": 2, "log": 1, "NodeEvent": 3} | dict.fromkeys(LEVELS, 0)  # of the event among the arguments


def logged() -> Iterator[tuple[str, str]]:
    """(event, file): every literal that is handed to a logger, and those of the supervisor and the node."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (name := _logs(node.func)) and len(node.args) > PLACES[name]:
                said = node.args[PLACES[name]]
                if isinstance(said, ast.Constant) and isinstance(said.value, str):
                    yield said.value, str(path.relative_to(ROOT))


def _logs(called: ast.expr) -> str:
    """How a call logs; "" where it does not."""
    if isinstance(called, ast.Name):
        return called.id if called.id == "NodeEvent" else ""
    if not isinstance(called, ast.Attribute):
        return ""
    if called.attr == "_say":
        return "_say"
    of = called.value
    named = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
    return called.attr if named.lstrip("_") in LOGGERS and called.attr in LEVELS | {"log"} else ""


def documented() -> set[str]:
    """The events of the table of operations.md."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (table,) = re.findall(r"^\| event \| of \| what it says \|\n\| --- .*\n((?:\|.*\n)+)", page, re.MULTILINE)
    return {event for row in table.splitlines() for event in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_every_logged_event_is_documented_and_the_other_way_round() -> None:
    """None is missing, and none is there that nothing logs."""
    found = dict(logged())
    assert len(found) > 30
    assert {event: file for event, file in found.items() if event not in documented()} == {}
    assert documented() - set(found) == set()
