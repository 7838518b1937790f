"""The wheel is one package: it installs beside packages of any other name, and works from there alone."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import __version__
from hatch_build import INSIDE, inside

ROOT = Path(__file__).parents[2]
THEIRS = (*INSIDE, "frontend", "examples", "tests")  # packages that somebody's own project may have
BY_OTHERS = ("__main__", "migrations")  # modules that a runner or Alembic runs

# Imports every module of the wheel, uses what finds files by its own place, and meets the others' packages afterwards.
EVERYTHING = """
import importlib, json, sys
from pathlib import Path

modules, site, theirs = json.loads(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
for name in modules:
    importlib.import_module(name)

from darkroom.app.market.db.database import Database
from darkroom.app.market.web.pages.assets import FRONTEND, Assets
from darkroom.app.demo.table import recipe
from darkroom.contracts import load
from darkroom.fhe.engine.native.library import load as native

Database("sqlite:///index.sqlite").migrate()
assert Assets().modules(["chain.js"]) and (FRONTEND / "templates").is_dir(), FRONTEND
assert recipe().title and load("TestUSD").bytecode

assert not {name.partition(".")[0] for name in sys.modules} & set(theirs)
for name, module in sys.modules.items():
    if name.partition(".")[0] == "darkroom" and getattr(module, "__file__", None):
        assert Path(module.__file__).is_relative_to(site), module
for name in theirs:
    assert importlib.import_module(name).WHOSE == "theirs", name
print(len(modules))
"""


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, packages of somebody else's project, and third parties' packages."""

    folder: Path
    site: Path
    modules: tuple[str, ...]  # of the wheel

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """What its Python does, in a folder of its own and without any of the caller's settings for Python."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "DARKROOM"))}
        kept |= {"DARKROOM_HOME": str(self.folder / "home"), "PYTHONUTF8": "1", **settings}
        return subprocess.run(
            [str(self.folder / "bin" / "python"), *words],
            cwd=self.folder, env=kept, capture_output=True, text=True, encoding="utf-8", timeout=500, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, built as a release is and unpacked as an installer does, beside packages of its parts' names."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert built.returncode == 0, built.stderr
    venv.create(folder / "env", symlinks=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    # third parties' packages; a .pth file inside that folder, such as an editable install's, is not followed from here
    (site / "third-parties.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"darkroom"}
    for name in THEIRS:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text('WHOSE = "theirs"\n')
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names if name[-3:] == ".py"
    ]
    return Installed(folder / "env", site, tuple(each for each in modules if not set(BY_OTHERS) & set(each.split("."))))


def test_every_module_of_the_wheel_imports(installed: Installed) -> None:
    """All of them load from the wheel alone, find their files, and leave the names of other packages to others."""
    done = installed.run("-c", EVERYTHING, json.dumps(installed.modules), str(installed.site), json.dumps(THEIRS))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(installed.modules) > 300


def test_the_command_of_the_wheel_works(installed: Installed) -> None:
    """Its entry point answers, sets up a market with real contracts, and lists what is in it."""
    script = (
        "import sys; sys.argv[0] = 'darkroom'; from importlib.metadata import entry_points;"
        " (it,) = [each for each in entry_points(group='console_scripts', name='darkroom')"
        " if each.dist.name == 'darkroom-market']; sys.exit(it.load()())"
    )
    for words, told in (("--version", __version__), ("--help", "darkroom [OPTIONS] COMMAND")):
        done = installed.run("-c", script, words)
        assert (done.returncode, told in done.stdout) == (0, True), done.stderr
    begun = installed.run("-m", "darkroom", "init", "--json")
    assert begun.returncode == 0, begun.stderr
    assert len(json.loads(begun.stdout)["contracts"]) == 7
    listed = installed.run("-m", "darkroom", "dataset", "list", "--json")
    assert (listed.returncode, listed.stdout) == (0, "[]\n"), listed.stderr


@pytest.mark.deep
def test_types_of_the_wheel_are_seen(installed: Installed) -> None:
    """mypy, strictly, takes a program that uses every public name, by the wheel's own annotations."""
    command = [
        sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--python-executable",
        str(installed.folder / "bin" / "python"), "--cache-dir", str(installed.folder / "cache"),
        str(ROOT / "tests" / "typing" / "api.py"),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=installed.folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("from app.chain import node\n", "from darkroom.app.chain import node\n"),
        ("import fhe.engine as engine\n", "import darkroom.fhe.engine as engine\n"),
        (
            "if x:\n  from  contracts import (\n    y,\n  )\n",
            "if x:\n  from  darkroom.contracts import (\n    y,\n  )\n",
        ),
        (
            "é = 1; from app import x; from fhe import y",
            "é = 1; from darkroom.app import x; from darkroom.fhe import y",
        ),
        ('"""from app import x"""\n# from app import x\n', '"""from app import x"""\n# from app import x\n'),
        ("from application import app\nimport apps\n", "from application import app\nimport apps\n"),
    ],
)
def test_imports_are_moved_inside(text: str, changed: str) -> None:
    """Statements that import a package of ours name it inside `darkroom`; other text stays as it is."""
    assert inside(text, "x.py") == changed


@pytest.mark.parametrize("text", ["import app\n", "import app.chain\n", "import fhe as f, os\n"])
def test_an_import_that_cannot_be_moved_stops_the_build(text: str) -> None:
    """What would bind another name inside `darkroom` is refused with its place."""
    with pytest.raises(ValueError, match=r"x\.py:1: import one module a statement"):
        inside(text, "x.py")


def test_no_string_names_a_module() -> None:
    """Nothing finds a module of ours by a literal name, which would be another inside the wheel."""
    named = re.compile(rf"(?:{'|'.join(INSIDE)})(?:\.[a-z_]\w*)+\.?|-m (?:{'|'.join(INSIDE)})\b.*")
    paths = [path for package in (*INSIDE, "darkroom") for path in (ROOT / package).rglob("*.py")]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path in paths
        if "node_modules" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and named.fullmatch(node.value)
    ]
    assert found == []
    assert named.fullmatch("app.cli")
    assert named.fullmatch("fhe.compile.importers.")
