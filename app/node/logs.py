"""Structured logs on stderr: one JSON object a line for programs, one plain line for people.

    {"at": "2026-01-02T03:04:05.678Z", "level": "info", "service": "provider-1", "event": "committed", "job": 3}

The event is a fixed word or sentence; everything that varies is a field. A field is a number, a truth value or short
text. Names that speak of secrets are left out, and so are passwords and paths inside URLs, which may hold tokens.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

Style = Literal["json", "plain"]

ROOT = "darkroom"  # every logger of ours is below it
STYLE_VARIABLE = "DARKROOM_LOG"  # json or plain; by default plain
SERVICE_VARIABLE = "DARKROOM_SERVICE"
MAX_TEXT = 2000  # characters of one field
MAX_FRAMES = 8  # of a fault

_SECRET = re.compile(r"pass(word|phrase)?$|secret|private|token|cookie|authorization|salt", re.IGNORECASE)
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/@]*@)?([^\s/?#'\"]+)(?:[/?#][^\s'\"]*)?", re.IGNORECASE)
_OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure(style: Style | None = None, *, service: str = "", stream: TextIO | None = None) -> None:
    """Log to stderr (or `stream`), without `style` as DARKROOM_LOG says; calling again replaces the first call."""
    chosen = style or ("json" if os.environ.get(STYLE_VARIABLE) == "json" else "plain")
    named = service or os.environ.get(SERVICE_VARIABLE, "")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(named) if chosen == "json" else PlainLines(named))
    for name, level in ((ROOT, logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False


def begin() -> None:
    """Configure this process's log by its environment, and put bugs that end it, or a thread of it, into the log."""
    configure()
    sys.excepthook = lambda kind, error, _trace: _uncaught(kind, error)
    threading.excepthook = lambda fault: _uncaught(fault.exc_type, fault.exc_value)


def _uncaught(kind: type[BaseException], error: BaseException | None) -> None:
    """A bug, or an interruption, that ends a thread or the process."""
    logger = logging.getLogger(ROOT)
    if issubclass(kind, KeyboardInterrupt):
        logger.warning("interrupted")
    else:
        logger.critical("fault", exc_info=error or kind())


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """A record's fields: what was passed as `extra`, and the fault's class and place when there is one."""
    found = {name: shown(value) for name, value in vars(record).items() if _is_field(name, value)}
    if record.exc_info and record.exc_info[1] is not None:
        found |= _fault(record.exc_info[1])
    return found


def hide_urls(text: str) -> str:
    """Text whose URLs keep their scheme and host only."""
    return _URL.sub(r"\1\2", text)


def shown(value: Any) -> Any:
    """A field's value as it is written."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return hide_urls(str(value))[:MAX_TEXT]


def _is_field(name: str, value: object) -> bool:
    return name not in _OWN_FIELDS and not name.startswith("_") and not _SECRET.search(name) and not callable(value)


def _fault(error: BaseException) -> dict[str, Any]:
    """Where a fault happened, innermost place first. Its words may hold values: only those about modules are told."""
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    where = " < ".join(f"{Path(each.filename).name}:{each.lineno}" for each in reversed(frames))
    words = {"detail": shown(str(error))} if isinstance(error, ImportError) else {}
    return {"fault": type(error).__name__, "where": where} | words


class JsonLines(logging.Formatter):
    """One JSON object a record."""

    def __init__(self, service: str = "") -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"at": at, "level": record.levelname.lower(), "service": self._service}
        return json.dumps(head | {"event": hide_urls(record.getMessage())[:MAX_TEXT]} | facts(record))


class PlainLines(logging.Formatter):
    """One line a record, for people: time, level when it is more than information, event, fields."""

    def __init__(self, service: str = "") -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        level = "" if record.levelno <= logging.INFO else record.levelname.lower()
        words = [at, self._service, level, hide_urls(record.getMessage())[:MAX_TEXT], words_of(facts(record))]
        return "  ".join(word for word in words if word)


def words_of(fields: Mapping[str, Any]) -> str:
    """Fields for people: `job=3 ms=12`; text that holds spaces stands alone at the end."""
    short = [f"{name}={value}" for name, value in fields.items() if value != "" and " " not in str(value)]
    long = [str(value) for value in fields.values() if " " in str(value)]
    return " ".join([*short, *long])
