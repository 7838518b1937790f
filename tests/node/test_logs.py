"""The log: one line an event, for programs or for people, and no secrets in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from app.node import logs
from app.node.logs import hide_urls


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes during a test; the loggers are as before afterwards."""
    names = ("darkroom", "uvicorn")
    before = {name: (logging.getLogger(name).handlers[:], logging.getLogger(name).level) for name in names}
    yield io.StringIO()
    for name, (handlers, level) in before.items():
        logging.getLogger(name).handlers[:] = handlers
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).propagate = True


def test_an_event_is_one_json_object(stream: io.StringIO) -> None:
    """Time, level, service and event, then the fields as they were given; text stays on its line."""
    logs.configure("json", service="provider-1", stream=stream)
    logging.getLogger("darkroom.provider").info("job", extra={"job": 3, "what": "committed", "detail": "a\nb"})
    (line,) = stream.getvalue().splitlines()
    said = json.loads(line)
    assert said.pop("at").endswith("Z")
    assert said == {
        "level": "info", "service": "provider-1", "event": "job", "job": 3, "what": "committed", "detail": "a\nb",
    }  # fmt: skip


def test_an_event_for_people_is_one_line(stream: io.StringIO) -> None:
    """The same in words: the level only where it is more than information."""
    logs.configure("plain", service="web", stream=stream)
    logger = logging.getLogger("darkroom.api")
    logger.info("request", extra={"status": 200, "route": "/v1/jobs"})
    logger.warning("failed", extra={"detail": "The chain does not answer."})
    first, second = stream.getvalue().splitlines()
    assert first[8:] == "  web  request  status=200 route=/v1/jobs"
    assert second[8:] == "  web  warning  failed  The chain does not answer."


def test_the_environment_chooses(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor asks its parts for JSON, and names them, by two variables."""
    monkeypatch.setenv("DARKROOM_LOG", "json")
    monkeypatch.setenv("DARKROOM_SERVICE", "index")
    logs.configure(stream=stream)
    logging.getLogger("darkroom").info("ready")
    assert json.loads(stream.getvalue())["service"] == "index"


def test_configuring_again_replaces(stream: io.StringIO) -> None:
    """An event is written once, however often the log was set up."""
    for _ in range(3):
        logs.configure("plain", stream=stream)
    logging.getLogger("darkroom").info("once")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("name", ["passphrase", "password", "api_token", "cookie", "Authorization", "secret_key"])
def test_secrets_by_name_are_left_out(stream: io.StringIO, name: str) -> None:
    """A field whose name speaks of a secret is never written."""
    logs.configure("json", stream=stream)
    logging.getLogger("darkroom").info("event", extra={name: "hunter2", "job": 1})
    assert "hunter2" not in stream.getvalue()
    assert json.loads(stream.getvalue())["job"] == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://rpc.example.org/v2/TOKEN?key=TOKEN now", "at https://rpc.example.org now"),
        ("postgresql://node:TOKEN@db:5432/index", "postgresql://db:5432"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("no address here: 12:30", "no address here: 12:30"),
    ],
)
def test_urls_keep_their_host_only(stream: io.StringIO, text: str, shown: str) -> None:
    """Passwords, paths and queries of URLs, which may hold tokens, are cut, in events as in fields."""
    assert hide_urls(text) == shown
    logs.configure("json", stream=stream)
    logging.getLogger("darkroom").warning(text, extra={"detail": text})
    said = json.loads(stream.getvalue())
    assert said["event"] == said["detail"] == shown


def test_a_fault_tells_its_place_and_not_its_words(stream: io.StringIO) -> None:
    """The message of an unexpected error may hold values, so the log names its class and the lines it came through."""
    logs.configure("json", stream=stream)
    try:
        int("hunter2")
    except ValueError:
        logging.getLogger("darkroom").exception("fault")
    said = json.loads(stream.getvalue())
    assert said["fault"] == "ValueError"
    assert said["where"].startswith("test_logs.py:")
    assert "hunter2" not in stream.getvalue()


def test_a_long_field_is_cut(stream: io.StringIO) -> None:
    """One event cannot fill the disk."""
    logs.configure("json", stream=stream)
    logging.getLogger("darkroom").info("x" * 10_000, extra={"detail": "y" * 1_000_000})
    assert len(stream.getvalue()) < 5000
