"""Dependencies are declared, explained, and used only where they belong."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"app", "benchmarks", "contracts", "darkroom", "fhe", "ingestion", "tests"}

# A third party's import name: the only packages or modules that may import it.
HOMES = {
    "anyio": ("app.market.web", "app.mcp.server"),
    "alembic": ("app.market.db",),
    "babel": ("app.market.web.language",),
    "capnp": ("fhe.keys.concrete_serialization",),
    "concrete": ("fhe.compile.concrete_models", "fhe.keys"),
    "eth": ("app.chain",),
    "eth_abi": ("app.chain",),
    "eth_bloom": ("app.chain",),
    "eth_account": ("app.chain",),
    "eth_keyfile": ("app.chain",),
    "eth_typing": ("app.chain",),
    "eth_utils": ("app.chain",),
    "fastapi": ("app.market.web",),
    "httpx": ("app.facilitator.remote",),
    "ipfshttpclient": ("app.storage",),
    "mcp": ("app.mcp.server",),
    "minio": ("app.storage",),
    "opendp": ("app.custodian",),
    "opentelemetry": ("app.execution.tracing",),
    "polars": ("app.cli", "app.client", "app.demo", "app.mcp.desk", "app.node.collection", "darkroom", "ingestion"),
    "prometheus_client": ("app.node",),
    "psycopg": ("app.market.db",),
    "ray": ("app.execution.on_ray",),
    "requests": ("app.chain", "app.execution.tracing"),
    "rlp": ("app.chain",),
    "sklearn": ("app.client", "app.demo", "app.mcp.modelling", "app.node.collection", "fhe.compile"),
    "sqlalchemy": ("app.market",),
    "sqlglot": ("app.client.ask",),
    "sqlmodel": ("app.market",),
    "starlette": ("app.facilitator.server", "app.market.web", "app.mcp.server"),
    "torch": ("fhe.compile",),
    "typer": ("app.cli",),
    "urllib3": ("app.client.index.http", "app.storage.bucket"),
    "uvicorn": ("app.mcp.running", "app.node"),
    "web3": ("app.chain",),
    "x402": ("app.facilitator", "app.market.web.asks"),
    "xgboost": ("fhe.compile",),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", name, maxsplit=1)[0]).lower()


def declared(*, development: bool) -> set[str]:
    """The distributions that pyproject.toml names, with or without the ones that users never install."""
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    if development:
        groups += [*PROJECT["dependency-groups"].values(), PROJECT["build-system"]["requires"]]
    return {normal(name) for group in groups for name in group} - {normal(project["name"])}


@cache
def imports() -> tuple[tuple[str, str], ...]:
    """Every (module of ours, third party's import name) of the shipped packages, at any depth of a function."""
    found = set()
    for package in ("app", "contracts", "darkroom", "fhe", "ingestion"):
        for path in (ROOT / package).rglob("*.py"):
            if "node_modules" not in path.parts:
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                found |= {(module, name) for name in third_parties(path)}
    return tuple(sorted(found))


def third_parties(path: Path) -> Iterator[str]:
    """The third parties that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            top = name.partition(".")[0]
            if top not in OURS and top not in sys.stdlib_module_names:
                yield top


def test_each_third_party_stays_at_home() -> None:
    """Heavy or replaceable libraries are imported only under the one package that wraps them."""
    astray = [
        f"{module} imports {name}"
        for module, name in imports()
        if not any(f"{module}.".startswith(f"{home}.") for home in HOMES.get(name, ("",)))
        if name in HOMES
    ]
    assert not astray


def test_the_engine_needs_numpy_alone() -> None:
    """What evaluates ciphertexts imports no third party itself but NumPy, and CuPy for a GPU."""
    used = {name for module, name in imports() if f"{module}.".startswith("fhe.engine.")}
    assert used
    assert used <= {"numpy", "cupy"}


def test_every_import_is_declared() -> None:
    """No shipped module relies on a distribution that only comes along with another."""
    distributions = importlib.metadata.packages_distributions()
    known = declared(development=False)
    optional = {"cupy"}  # fits a machine's GPU driver, so it is in no lock
    missing = {
        f"{module} imports {name}"
        for module, name in imports()
        if name not in optional and not known & {normal(each) for each in distributions.get(name, [name])}
        # namespace packages and parts of Concrete ML's own stack come with it by definition
        if name not in {"torch", "xgboost", "onnx"}
    }
    assert not missing


def test_every_dependency_is_explained() -> None:
    """Each distribution that pyproject.toml names has its line in docs/dependencies.md, and no line is left over."""
    text = text_of("docs/dependencies.md")
    rows = re.findall(r"^\| ([^|]+) \| [^|]*(?:MIT|BSD|Apache|MPL|LGPL)[^|]* \|", text, re.MULTILINE)
    explained = {normal(name) for row in rows for name in row.split(",") for name in [name.strip()]}
    assert explained == declared(development=True)


def test_the_dependency_rule_holds() -> None:
    """The layers of docs/architecture.md are kept, as import-linter sees every import."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("package", ["app", "contracts", "darkroom", "fhe", "ingestion"])
def test_every_package_is_shipped(package: str) -> None:
    """The wheel's list of packages names each one that code imports."""
    assert package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def text_of(name: str) -> str:
    """A text file of the project."""
    return (ROOT / name).read_text("utf-8")
