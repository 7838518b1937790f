"""The images, as far as they can be checked without an engine: what they run, copy and expose is there."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from app.cli.main import app
from app.node.settings import PORT

ROOT = Path(__file__).parents[2]
FILE = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text("utf-8"))
STAGE = re.compile(r"^FROM (\S+) AS (\S+)$", re.MULTILINE)
BASES = {"python:3.12-slim"}
COMMAND = re.compile(r"^(?:HEALTHCHECK .*)?CMD (\[.*\])$", re.MULTILINE)
IGNORED = [
    line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and not line.startswith("#")
]


def stages() -> dict[str, tuple[str, str]]:
    """Each stage's base and text."""
    found, places = {}, [*STAGE.finditer(FILE)]
    for place, end in zip(places, [*(each.start() for each in places[1:]), len(FILE)], strict=True):
        found[place[2]] = (place[1], FILE[place.end() : end])
    return found


def run(words: list[str]) -> Any:
    """The command that `darkroom WORDS` would run, its words read as the command line reads them."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("darkroom", list(words))
    while getattr(command, "commands", None):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context


def test_stages_build_on_what_is_there() -> None:
    """Each stage stands on Python's image or on one before it, and so do the files copied between stages."""
    seen: set[str] = set()
    for name, (base, text) in stages().items():
        assert base in BASES | seen, name
        assert set(re.findall(r"^COPY --from=(\S+)", text, re.MULTILINE)) <= seen, name
        seen.add(name)
    assert {"provider", "node", "full"} <= seen


def test_every_command_is_one() -> None:
    """What the images run, and what says whether they are well, are words that the real command line takes."""
    ran = [
        (name, run([word for word in json.loads(words) if word != "darkroom"]).command_path)
        for name, (_, text) in stages().items()
        for words in COMMAND.findall(text)
    ]
    paths = [path for _, path in ran]
    assert ("node", "darkroom up") in ran
    assert ("node", "darkroom node health") in ran
    assert {"darkroom provider serve", "darkroom demo"} <= set(paths)
    with pytest.raises(Exception, match="No such command"):
        run(["node", "helth"])
    with pytest.raises(Exception, match="No such option"):
        run(["up", "--confg", "x"])


def test_a_node_reads_its_settings_in_its_home() -> None:
    """The settings lie in the volume, which is the home and belongs to the user that runs; the port is the node's."""
    texts = {name: text for name, (_, text) in stages().items()}
    assert "DARKROOM_HOME=/data" in texts["base"]
    assert "chown darkroom:darkroom /data" in texts["base"]
    assert re.findall(r"^(USER|VOLUME|WORKDIR) (\S+)$", texts["light"], re.MULTILINE) == [
        ("USER", "darkroom"),
        ("VOLUME", "/data"),
        ("WORKDIR", "/data"),
    ]
    assert str(run(["up", "--config", "/data/node.toml"]).params["config"]) == "/data/node.toml"
    assert re.findall(r"^EXPOSE (\d+)$", texts["node"], re.MULTILINE) == [str(PORT)]


def test_what_is_copied_reaches_the_builder() -> None:
    """Locks and all that the wheel packs exist and are not ignored; what the host built, and tests, are."""
    copied = re.findall(r"^COPY (?!--from)(\S+) ", FILE, re.MULTILINE)
    assert copied
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*copied, *hatch["packages"], "hatch_build.py", "README.md", "LICENSE", "fhe/engine/native/build.py"} - {
        "."
    }
    for path in needed:
        assert (ROOT / path).exists(), path
        assert not any(Path(path).match(pattern.removeprefix("**/")) for pattern in IGNORED), path
    assert {".git", ".venv", "tests", "frontend/tools", "fhe/engine/native/*.so"} <= set(IGNORED)
    assert set(re.findall(r"locks/\S+\.txt", FILE)) == {f"locks/{name}.txt" for name in ("build", "provider", "buyer")}
