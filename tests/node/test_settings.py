"""The node's settings: what a file may say, and how mistakes in it are told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from app.files.environment import from_environment
from app.home.config import NodeConfig
from app.home.home import Home
from app.market.web.settings import WebLimits
from app.node.node import newcomer
from app.node.sample import CUSTODIAN, PROVIDERS
from app.node.settings import NodeSettings, parse_settings, read_settings
from app.protocol.errors import BadInput, UsageError

ROOT = Path(__file__).parents[2]
WHOLE = """
sample = true

[chain]
url = "http://127.0.0.1:8545"
deployment = "/srv/market/deployment.json"

[store]
url = "kubo:http://127.0.0.1:5001"

[index]
url = "postgresql://node@127.0.0.1/darkroom"

[web]
host = "127.0.0.1"
port = 9000
origin = "https://market.example.org"

[agents]
providers = ["provider-1", "provider-2"]
custodians = ["owner"]
every = 5
"""


def test_a_whole_file_is_read() -> None:
    """Every key arrives where it belongs."""
    settings = parse_settings(WHOLE)
    assert settings.network == NodeConfig(
        chain="http://127.0.0.1:8545", deployment="/srv/market/deployment.json", store="kubo:http://127.0.0.1:5001"
    )
    assert settings.web.port == 9000
    assert settings.agents.providers == ("provider-1", "provider-2")
    assert settings.agents.every == 5.0
    assert settings.sample


def test_an_empty_file_is_an_embedded_node_without_a_sample() -> None:
    """Only a newcomer, who names no file, gets the sample with its agents."""
    assert parse_settings("") == NodeSettings()
    assert not NodeSettings().sample
    assert newcomer().sample
    assert newcomer().agents.providers == PROVIDERS
    assert newcomer().agents.custodians == (CUSTODIAN,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[chain]\nurl = 'http://x'\nurls = 3\n", "line 3: chain.urls: there is no such key"),
        ("sample = true\n[chane]\nurl = 'http://x'\n", "line 2: chane: there is no such key"),
        ("\n[web]\nport = 'eighty'\n", "line 3: web.port: input should be a valid integer"),
        ("[web]\nport = 70000\n", "line 2: web.port"),
        ("[web]\nrun = 1\n", "line 2: web.run"),
        ("[web]\nproxies = ['all']\n", "line 2: web.proxies"),
        ("[web]\nhost = '0.0.0.0'\n", "line 1: web: a node that others can reach needs an origin"),
        ("[web]\norigin = 'https://x/path'\n", "line 1: web: origin is scheme://host"),
        ("[chain]\nurl = 'ws://x'\n", "line 2: chain.url: a url here begins with embedded:, http://"),
        ("[store]\nurl = 'http://x'\n", "line 2: store.url: a url here begins with folder:"),
        ("[index]\nurl = 'mysql://x'\n", "line 2: index.url"),
        ("[agents]\nproviders = ['Up']\n", "line 2: agents.providers"),
        ("[agents]\nproviders = ['a']\ncustodians = ['a']\n", "line 1: agents: a role is named once"),
        ("[chain]\nurl = \n", "line 2"),
        ("[web.limits]\nmax_bodies = 1\n", "line 2: web.limits.max_bodies: there is no such key"),
        ("[web.limits]\n\nmax_body = 12.5\n", "line 3: web.limits.max_body: input should be a valid integer"),
        ("[web.limits]\nmax_streams = 0\n", "line 2: web.limits.max_streams: input should be greater than 0"),
        ("[web.limits]\nrate = { burst = 9 }\n", "line 2: web.limits.rate.per_second: field required"),
        ("[web.limits.heavy]\nburst = 9\nper_second = 0\n", "line 3: web.limits.heavy.per_second: input should be"),
        ("[web]\nlimits.rate = { burst = 9, per_second = 1, per_hour = 1 }\n", "web.limits.rate.per_hour: there is no"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    """The message names the file, the line and the key, and never shows the value."""
    with pytest.raises(BadInput) as refused:
        parse_settings(text)
    assert told in refused.value.message
    assert "eighty" not in refused.value.message


def test_files_that_are_none(tmp_path: Path) -> None:
    """A path to nothing, to bytes that are no text, and to too much is refused in words."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path / "absent.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        read_settings(tmp_path / "bytes.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(BadInput, match="over"):
        read_settings(tmp_path / "long.toml")


def test_what_an_environment_variable_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A URL with a token can stay out of the file; a variable that is missing is named."""
    monkeypatch.setenv("DATABASE", "postgresql://node@db/index")
    settings = parse_settings("[index]\nurl = 'env:DATABASE'\n")
    assert settings.database(Home(tmp_path)) == "postgresql://node@db/index"
    assert from_environment("folder:store") == "folder:store"
    monkeypatch.delenv("DATABASE")
    with pytest.raises(UsageError, match="DATABASE"):
        settings.database(Home(tmp_path))


def test_paths_belong_to_the_home(tmp_path: Path) -> None:
    """A relative SQLite path is in the home folder, an absolute one is itself."""
    assert NodeSettings().database(Home(tmp_path)) == f"sqlite:///{tmp_path}/index/index.sqlite"
    absolute = parse_settings("[index]\nurl = 'sqlite:////srv/index.sqlite'\n")
    assert absolute.database(Home(tmp_path)) == "sqlite:////srv/index.sqlite"


def test_the_documented_settings_are_settings() -> None:
    """Each TOML block of docs/operations.md is read without a complaint, and together they name every key."""
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "operations.md").read_text("utf-8"), re.DOTALL)
    assert blocks
    said = {key for block in blocks for key in _keys(parse_settings(block).model_dump(exclude_unset=True, mode="json"))}
    assert said == set(_keys(NodeSettings().model_dump(mode="json")))


def test_the_settings_of_how_to_pages_are_settings() -> None:
    """Each TOML block of docs/how-to is read without a complaint."""
    pages = sorted((ROOT / "docs" / "how-to").glob("*.md"))
    blocks = [each for page in pages for each in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]
    assert len(blocks) >= 3
    for block in blocks:
        assert parse_settings(block) != NodeSettings()


def test_the_documented_limits_are_the_defaults() -> None:
    """Whoever copies the block of docs/operations.md changes no limit by it."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?\[web\.limits\].*?)```", text, re.DOTALL)
    assert parse_settings(block).web.limits == WebLimits()


def _keys(value: dict[str, object], above: str = "") -> list[str]:
    assert json.dumps(value)
    return [
        key
        for name, inner in value.items()
        for key in (_keys(inner, f"{above}{name}.") if isinstance(inner, dict) else [above + name])
    ]
