"""One telling of the demo, by the real command in a process of its own, that all tests of this area look at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DARKROOM = str(Path(sys.executable).with_name("darkroom"))
TIMEOUT = 400


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object that it printed."""
        return json.loads(self.out)


@dataclass(frozen=True)
class DemoHome:
    """A home in which the demo ran."""

    home: Path
    told: Ran

    def run(self, *words: str, env: dict[str, str] | None = None) -> Ran:
        """Run `darkroom` with these words in this home, as a user would."""
        return darkroom(self.home, *words, env=env)

    @property
    def story(self) -> Any:
        """What the demo printed."""
        return self.told.json


def darkroom(home: Path, *words: str, env: dict[str, str] | None = None) -> Ran:
    """Run the real command in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    done = subprocess.run(
        [DARKROOM, *words],
        env=clean | {"DARKROOM_HOME": str(home)} | (env or {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def copy_home(home: Path, target: Path) -> Path:
    """A home of its own: hard links to the store's blocks, which are never changed in place, copies of the rest."""

    def copy(source: str, to: str) -> str:
        if "/store/" in source:
            os.link(source, to)
            return to
        return str(shutil.copy2(source, to))

    shutil.copytree(home, target, copy_function=copy)
    return target


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoHome:
    """The demo, told once."""
    home = tmp_path_factory.mktemp("demo") / "home"
    told = darkroom(home, "demo", "--json")
    assert told.code == 0, told.err[-2000:]
    return DemoHome(home, told)
