"""What every test shares: the order of areas, and that nothing is left out unseen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path, PurePath
from typing import TypeVar

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

# Shared and busy machines make deadlines on single examples lie; a failing example prints how to repeat it.
settings.register_profile("darkroom", deadline=None, print_blob=True)
settings.load_profile("darkroom")

TESTS = Path(__file__).parent

# What a test is; each test has one of these as its marker.
KINDS = {
    "unit": "one room's code in this process, with what it stands on; `make quick` runs those that take no time",
    "real": "several parts together, as users run them: chains, stores, databases, servers, processes, Concrete's keys",
    "browser": "pages in a real browser",
    "attack": "what somebody tries who must not get through",
}
# The areas of tests and what the tests in them are. Quick areas come first, so that a mistake shows early; inside one
# the order is random. A folder belongs to the longest path here that leads to it.
AREAS = {
    "base": "unit",
    "benchmarks": "unit",
    "protocol": "unit",
    "seal": "unit",
    "home": "unit",
    "policy": "unit",
    "storage": "unit",
    "console": "unit",
    "cli": "unit",
    "files": "real",
    "client": "real",
    "darkroom": "real",
    "ingestion": "unit",
    "fhe/engine": "unit",
    "execution": "real",
    "auditor": "real",
    "provider": "real",
    "custodian": "real",
    "dispute": "real",
    "fhe": "unit",
    "chain": "real",
    "attack": "attack",
    "mcp": "real",
    "market": "real",
    "market/web": "real",
    "facilitator": "real",
    "fhe/compile/trees": "real",
    "contracts": "real",
    "browser": "browser",
    "demo": "real",
    "node": "real",
}


# Areas whose tests share a world that takes long to make: one process has them all.
TOGETHER = ("browser", "chain", "demo", "market/web", "ingestion")

# What takes longer than a person likes to wait; `make quick` leaves it out.
SLOW = (
    "base/test_light_environment.py",
    "base/test_setup.py",
    "base/test_wheel.py",
    "benchmarks/test_gas.py",
    "benchmarks/test_house.py",
    "fhe/compile",
    "fhe/engine",
    "fhe/keys/test_secret_keys.py",
    "fhe/noise/test_linear.py",
    "fhe/noise/test_lookup.py",
)


def _below(path: Path) -> PurePath:
    """The path of a file or folder below tests/; nothing for one that is elsewhere."""
    return path.relative_to(TESTS) if path.is_relative_to(TESTS) else PurePath()


def area_of(path: Path) -> str:
    """The area of a file or folder below tests/; nothing where no area holds it."""
    return max((area for area in AREAS if _below(path).is_relative_to(area)), key=len, default="")


def is_slow(path: Path) -> bool:
    """Whether all tests of a file are slow."""
    return any(_below(path).is_relative_to(each) for each in SLOW)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With -m "unit and not ...", modules of other kinds are not even imported, nor with "not slow" the slow ones."""
    terms = config.option.markexpr.split(" and ")
    if terms[0] not in KINDS or " or " in config.option.markexpr or not collection_path.name.startswith("test_"):
        return None
    other = AREAS.get(area_of(collection_path), terms[0]) != terms[0]
    return other or ("not slow" in terms and is_slow(collection_path)) or None


class _ByWorld(LoadScopeScheduling):  # type: ignore[misc]  # a class without annotations
    """Hands out whole areas that share a world, and elsewhere whole files."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        area = area_of(TESTS.parent / file)
        return area if area in TOGETHER else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Where several processes share the tests out: `make test`."""
    return _ByWorld(config, log)


# A marker, and what on this machine says that its part is there.
NPM = TESTS.parent / "contracts" / "node_modules"
PARTS: dict[str, Callable[[], bool]] = {
    "anvil": lambda: any(NPM.glob("@foundry-rs/anvil-*/bin/anvil")),
    "node": (NPM / "solc").is_dir,
    "postgres": lambda: bool(shutil.which("initdb") or [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]),
    "ipfs": (TESTS / "storage" / "jsipfs" / "node_modules" / "ipfs").is_dir,
    "clients": (TESTS / "market" / "web" / "clients" / "node_modules" / "viem").is_dir,
    "chromium": lambda: bool(shutil.which("chromium") or shutil.which("google-chrome")),
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with its kind, before -m chooses."""
    if area := area_of(item.path):
        item.add_marker(AREAS[area])
    if is_slow(item.path) or "real_keys" in getattr(item, "fixturenames", ()):
        item.add_marker("slow")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order areas by speed, after pytest-randomly has shuffled; skip what needs a part that is not here."""
    places = {area: place for place, area in enumerate(AREAS)}
    items.sort(key=lambda item: places.get(area_of(item.path), len(places)))
    absent = [marker for marker, present in PARTS.items() if not present()]
    for item in items:
        for marker in absent:
            if item.get_closest_marker(marker):
                item.add_marker(
                    pytest.mark.skip(reason=f"{marker} is not installed: make contracts ipfs clients, or .ci/run")
                )


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
