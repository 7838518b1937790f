"""`darkroom facilitator` is a process of its own, with an account of its own; it begins only where it can settle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from app.chain.evm.embedded import EmbeddedChain
from app.home.config import NodeConfig, write_config
from app.home.home import Home
from tests.support.market import open_market

ROOT = Path(__file__).parents[2]


def home_of(folder: Path, *, authorized: bool) -> Path:
    """A home on a fresh market."""
    folder.mkdir()
    chain = EmbeddedChain(folder / "chain.sqlite")
    open_market(chain, folder / "deployment.json", authorized=authorized)
    chain.close()
    root = folder / "home"
    write_config(
        Home(root),
        NodeConfig(
            chain=f"embedded:{folder}/chain.sqlite",
            deployment=f"{folder}/deployment.json",
            store=f"folder:{folder}/store",
        ),
    )
    return root


def start(root: Path) -> subprocess.Popen[str]:
    """The command, on a free port."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "darkroom", "facilitator", "--port", "0"],
        env=clean | {"DARKROOM_HOME": str(root), "PYTHONPATH": str(ROOT)}, cwd=ROOT, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_it_says_where_it_is_and_ends_orderly(tmp_path: Path) -> None:
    """It makes its own account, answers as x402 has it, and leaves by a signal."""
    process = start(home_of(tmp_path / "new", authorized=True))
    assert process.stderr is not None
    try:
        line = next(each for each in process.stderr if "http://" in each)
        (address,) = re.findall(r"http://127\.0\.0\.1:\d+", line)
        told = httpx.get(f"{address}/supported", timeout=60).json()
        assert [kind["scheme"] for kind in told["kinds"]] == ["exact"]
        (account,) = told["signers"]["eip155:*"]
        assert account in line
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 0


def test_a_market_of_before_is_told_apart(tmp_path: Path) -> None:
    """Its token takes no signed transfers, or nothing is beside it: said in words, with what to do."""
    process = start(home_of(tmp_path / "old", authorized=False))
    _, words = process.communicate(timeout=240)
    assert process.returncode == 5
    assert "darkroom mandate deploy" in words
