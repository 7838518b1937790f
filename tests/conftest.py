"""What every test shares: the order of areas, and that nothing is left out unseen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path, PurePath
from typing import TypeVar

import pytest
from hypothesis import settings

# Shared and busy machines make deadlines on single examples lie; a failing example prints how to repeat it.
settings.register_profile("darkroom", deadline=None, print_blob=True)
settings.load_profile("darkroom")

TESTS = Path(__file__).parent

# Quick areas first, so that a mistake shows early; inside an area the order is random. A folder belongs to the longest
# path here that leads to it.
AREAS = (
    "base",
    "benchmarks",
    "protocol",
    "files",
    "seal",
    "home",
    "policy",
    "storage",
    "cli",
    "client",
    "darkroom",
    "ingestion",
    "fhe/engine",
    "provider",
    "custodian",
    "fhe",
    "chain",
    "attack",
    "market",
    "market/web",
    "fhe/compile/trees",
    "contracts",
    "browser",
    "demo",
    "node",
)


def area_of(folder: PurePath) -> str:
    """The area of a folder below tests/; nothing where no area holds it."""
    return max((area for area in AREAS if folder.is_relative_to(area)), key=len, default="")


def _rank(item: pytest.Item) -> int:
    """The place of a test's area in the order; a test without one comes last."""
    area = area_of(item.path.parent.relative_to(TESTS)) if item.path.is_relative_to(TESTS) else ""
    return AREAS.index(area) if area else len(AREAS)


# A marker, and what on this machine says that its part is there.
NPM = TESTS.parent / "contracts" / "node_modules"
PARTS: dict[str, Callable[[], bool]] = {
    "anvil": lambda: any(NPM.glob("@foundry-rs/anvil-*/bin/anvil")),
    "node": (NPM / "solc").is_dir,
    "postgres": lambda: bool(shutil.which("initdb") or [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]),
    "ipfs": (TESTS / "storage" / "jsipfs" / "node_modules" / "ipfs").is_dir,
    "browser": lambda: bool(shutil.which("chromium") or shutil.which("google-chrome")),
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order areas by speed, after pytest-randomly has shuffled; skip what needs a part that is not here."""
    items.sort(key=_rank)
    absent = [marker for marker, present in PARTS.items() if not present()]
    for item in items:
        for marker in absent:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=f"{marker} is not installed: make contracts ipfs, or .ci/run"))


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _refuse_skip(report: Report) -> Report:
    """Where CI is set a skip is a failure: a missing part must be installed, not passed over."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, which CI does not accept: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test's skip."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole module's skip."""
    return _refuse_skip((yield))


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the data folder or the passphrase of whoever runs it."""
    monkeypatch.setenv("DARKROOM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DARKROOM_PASSPHRASE", raising=False)
    monkeypatch.delenv("DARKROOM_PASSPHRASE_FILE", raising=False)
