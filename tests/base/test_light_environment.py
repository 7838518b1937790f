"""Providers and auditors run without torch, Concrete ML and what comes with them; an owner needs Concrete alone."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.homes import PASSPHRASE

ROOT = Path(__file__).parents[2]
EXTRAS = ("cupy", "mcp", "minio", "ray", "x402")  # which only some install
HEAVY = (
    *EXTRAS, "brevitas", "capnp", "concrete", "hummingbird", "onnx", "onnxruntime", "pandas", "polars", "scipy",
    "skl2onnx", "sklearn", "skorch", "tenseal", "torch", "xgboost",
)  # fmt: skip
LIGHT = (
    "darkroom",
    "app.protocol",
    "app.chain",
    "app.storage",
    "app.execution",
    "app.provider",
    "app.auditor",
    "app.cli",
    "app.node",
    "fhe.engine",
)

# Imports every module of the light packages while each heavy import raises, as it would where they are not installed.
PROGRAM = """
import importlib, pkgutil, sys

heavy, light = (text.split(",") for text in sys.argv[1:3])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
seen = 0
for package in light:
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, package + "."):
        # the native core leaves libraries beside its modules
        spec = found.module_finder.find_spec(found.name)
        if spec.origin.endswith(".py") and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
            seen += 1
print(seen)
"""

# A buyer's libraries, which an owner never calls.
OF_A_BUYER = (
    "brevitas", "concrete.ml", "hummingbird", "onnx", "onnxruntime", "pandas", "skl2onnx", "skorch", "tenseal", "torch",
    "xgboost",
)  # fmt: skip
OF_AN_OWNER = ("ingestion", "fhe", "app.client", "app.custodian", "app.home", "darkroom")

# The same for an owner, who then makes keys with Concrete.
OWNERS_PROGRAM = """
import importlib, pkgutil, sys

heavy, packages = (text.split(",") for text in sys.argv[1:3])

class Absent:
    def find_spec(self, name, path=None, target=None):
        if any(f"{name}.".startswith(f"{each}.") for each in heavy):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for package in packages:
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        spec = found.module_finder.find_spec(found.name)
        if spec.origin.endswith(".py") and not found.name.endswith("__main__") and ".cuda" not in found.name:
            importlib.import_module(found.name)
from fhe.keys.secret_keys import generate
from fhe.profiles import ONE_LEVEL
secret, _ = generate(ONE_LEVEL, 1)
print(len(secret.glwe), "torch" in sys.modules)
"""


def run(
    python: Path | str, *arguments: str, cwd: Path = ROOT, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A Python program's outcome, without this checkout's path except by `cwd` and without the caller's settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env=kept | (variables or {}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        check=False,
    )


@pytest.fixture(scope="module", params=LIGHT)
def package(request: pytest.FixtureRequest) -> str:
    """Each package that must stay light."""
    return str(request.param)


def test_light_packages_import_where_heavy_ones_are_missing(package: str) -> None:
    """Every module of what a provider, an auditor or the engine consists of imports without the owner's libraries."""
    done = run(sys.executable, "-c", PROGRAM, ",".join(HEAVY), package)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_an_owner_makes_keys_without_torch() -> None:
    """All that an owner runs imports without a buyer's libraries; Concrete's client makes keys; no stand-in stays."""
    done = run(sys.executable, "-W", "error", "-c", OWNERS_PROGRAM, ",".join(OF_A_BUYER), ",".join(OF_AN_OWNER))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2048 False\n"
    assert done.stderr == ""


@pytest.mark.deep
def test_an_owner_publishes_from_the_owners_lock_alone(tmp_path: Path) -> None:
    """The example of an owner, in an environment of locks/owner.txt: a market, real keys, an encrypted table."""
    venv.create(tmp_path / "owner", with_pip=True)
    python = tmp_path / "owner" / "bin" / "python"
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    locked = run(python, *pip, "--require-hashes", "-r", str(ROOT / "locks" / "owner.txt"))
    assert locked.returncode == 0, locked.stderr
    home = {"DARKROOM_HOME": str(tmp_path / "home"), "DARKROOM_PASSPHRASE": PASSPHRASE, "PYTHONPATH": str(ROOT)}
    begun = run(python, "-m", "darkroom", "init", variables=home)
    assert begun.returncode == 0, begun.stderr
    done = run(python, "examples/owner.py", variables=home)
    assert done.returncode == 0, done.stderr
    assert "Publication(number=1, version=1" in done.stdout


@pytest.mark.deep
def test_a_wheel_serves_a_provider_in_a_bare_environment(tmp_path: Path) -> None:
    """The wheel with the provider's lock alone imports provider, auditor and engine, and its command answers."""
    assert run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)).returncode == 0
    (wheel,) = tmp_path.glob("*.whl")
    packed = zipfile.ZipFile(wheel).namelist()
    assert "darkroom/frontend/static/boot.js" in packed
    assert not [name for name in packed if "node_modules" in name or name.startswith("darkroom/frontend/tools/")]
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare" / "bin" / "python"
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    locked = run(python, *pip, "--require-hashes", "-r", str(ROOT / "locks" / "provider.txt"))
    assert locked.returncode == 0, locked.stderr
    installed = run(python, *pip, "--no-deps", str(wheel), cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    inside = ",".join(f"darkroom.{package}" for package in LIGHT if package != "darkroom")
    imported = run(python, "-c", PROGRAM, ",".join(HEAVY), inside, cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr
    helped = run(python.with_name("darkroom"), "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
