"""Files for services, containers and dashboards: commands, settings and figures that they name are there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry, generate_latest
from typer.testing import CliRunner

from app.cli.main import app
from app.home.agent_status import AgentStatus, write_status
from app.home.home import Home
from app.node.metrics import AgentCollector
from app.node.settings import parse_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())
OF_THE_WEB_SERVER = {"darkroom_requests_total", "darkroom_response_start_seconds_bucket"}


@pytest.mark.parametrize("unit", [each for each in UNITS if each.suffix == ".service"], ids=lambda unit: unit.name)
def test_a_service_runs_a_command_that_there_is(unit: Path) -> None:
    """Each unit's command is one of ours, with options that it has; it is private and ends in time."""
    text = unit.read_text("utf-8")
    (words,) = re.findall(r"^ExecStart=.*?/darkroom ([^\"\n]+)", text, re.MULTILINE)
    names = [each for each in words.split() if each.isalpha()]
    names = names[: 1 if names[0] == "up" else 2]
    told = CliRunner().invoke(app, [*names, "--help"])
    assert told.exit_code == 0
    options = re.findall(r"--[a-z-]+", words)
    assert all(option in told.output for option in options)
    for line in ("User=darkroom", "UMask=0077", "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert line in text


def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """systemd's own reader finds nothing wrong but that darkroom is not installed here."""
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd is not installed")
    for unit in UNITS:
        shutil.copy(unit, tmp_path)
    for unit in UNITS:
        told = subprocess.run(
            [tool, "verify", "--man=no", str(tmp_path / unit.name)], capture_output=True, text=True, check=False
        )
        wrong = [line for line in told.stderr.splitlines() if unit.stem.rstrip("@") in line]
        assert [line for line in wrong if "is not executable" not in line] == []


def test_dashboard_and_alerts_name_figures_that_there_are(tmp_path: Path) -> None:
    """Every figure that Grafana draws or an alert asks for is one that a node tells."""
    known: dict[str, Any] = {"slack_seconds": 1, "balance_wei": 1, "gas_price_wei": 1, "ledger_waiting": 1}
    known |= {"bond": 1, "seat": True, "heartbeat_seconds": 1, "heartbeat_window": 9}
    known |= {"jobs": {"open": 1}, "failures": {"job": 1}}
    status = AgentStatus(kind="provider", role="provider-1", account="0x1", pid=1, started=0, at=0, **known)
    home = Home(tmp_path)
    write_status(home.actor("provider-1", create=True).folder, status)
    registry = CollectorRegistry()
    registry.register(AgentCollector(home))
    exposition = generate_latest(registry).decode()
    told = OF_THE_WEB_SERVER | set(re.findall(r"^(darkroom_[a-z_]+)", exposition, re.MULTILINE))
    asked = set()
    for name in ("grafana.json", "alerts.yml"):
        text = (DEPLOY / name).read_text("utf-8")
        exprs = re.findall(r'"?expr"?: "?(.*)', text)
        assert exprs
        asked |= {figure for expr in exprs for figure in re.findall(r"darkroom_[a-z_]+", expr)}
    assert len(asked) > 12
    assert asked <= told
    assert all(panel["targets"] for panel in json.loads((DEPLOY / "grafana.json").read_text("utf-8"))["panels"])


def test_the_containers_fit_the_images_and_settings() -> None:
    """Targets, commands, mounted files and hosts of the composed market are there."""
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    services = composed["services"]
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text("utf-8")
    for service in services.values():
        if "build" in service:
            assert f"AS {service['build']['target']}\n" in dockerfile
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in composed["volumes"]
        assert all(name in services for name in service.get("depends_on", {}))
    settings = parse_settings((DEPLOY / "compose-node.toml").read_text("utf-8"))
    for url in (settings.chain.url, settings.store.url, settings.index.url):
        assert re.split(r"[/:@]", url.split("//")[1].split("@")[-1])[0] in services
    assert all(yaml.safe_load((DEPLOY / name).read_text("utf-8")) for name in ("prometheus.yml", "alerts.yml"))
