"""What a node runs and against what: a TOML file, strictly read, with the line of every mistake.

    [chain]
    url = "https://rpc.example.org"        # or embedded:PATH; "env:NAME" takes it from the environment
    fallbacks = ["https://two.example.org"]    # further endpoints of the same chain
    deployment = "deployment.json"         # where the market's contracts are
    max_gas_gwei = 200                     # paid for a unit of gas at most

    [store]
    url = "kubo:http://127.0.0.1:5001"     # or folder:PATH
    fallbacks = ["folder:copies"]          # further stores: read where the first fails, written too

    [compute]
    url = "ray:127.0.0.1:6379"             # a Ray cluster evaluates blocks of rows; local by default

    [index]
    url = "postgresql://node@127.0.0.1/darkroom"   # or sqlite:///PATH; the password from PGPASSWORD or ~/.pgpass

    [web]
    host = "127.0.0.1"
    port = 8080
    origin = "https://market.example.org"  # what browsers see, when a proxy stands in front
    facilitator = "http://127.0.0.1:4020"  # settles payments of single asks (x402); env:NAME works too

    [web.limits]
    rate = { burst = 600, per_second = 60 }   # of each client

    [agents]
    providers = ["provider-1"]             # roles of this home; each is a process
    custodians = ["owner"]

    [earlier.1.web]                        # a drained edition of the contracts: its pages are on another port
    port = 8081

    [earlier.1.index]
    url = "postgresql://node@127.0.0.1/darkroom1"  # a file of the home by default

Relative paths are relative to the home folder. Without a file everything is embedded and there is a sample dataset.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, field_validator, model_validator

from app.files.environment import from_environment
from app.files.toml_lines import read_toml
from app.home.config import NodeConfig
from app.home.home import Home
from app.market.web.settings import WebLimits
from app.protocol.errors import BadInput, UsageError

MAX_SETTINGS_BYTES = 1 << 20
MOST_FALLBACKS = 8
PORT = 8080
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Role = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
Where = Annotated[str, Field(min_length=1, max_length=2000)]


class SettingsPart(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ChainSettings(SettingsPart):
    """The chain and the market on it."""

    url: Where = "embedded:chain/chain.sqlite"
    fallbacks: Annotated[tuple[Where, ...], Field(max_length=MOST_FALLBACKS)] = ()
    deployment: Where = "chain/deployment.json"
    max_gas_gwei: Annotated[float, Field(gt=0, le=1_000_000)] = 500  # paid for a unit of gas at most

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        return _one_of(url, ("embedded:", "http://", "https://", "env:"))

    @field_validator("fallbacks")
    @classmethod
    def _known_too(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_one_of(url, ("http://", "https://", "env:")) for url in urls)

    @model_validator(mode="after")
    def _one_file(self) -> ChainSettings:
        if self.fallbacks and self.url.startswith("embedded:"):
            raise ValueError("the embedded chain is one file, and nothing takes over for it")
        return self


class StoreSettings(SettingsPart):
    """Where the objects are."""

    url: Where = "folder:store"
    fallbacks: Annotated[tuple[Where, ...], Field(max_length=MOST_FALLBACKS)] = ()

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        return _one_of(url, ("folder:", "kubo:http://", "kubo:https://", "s3:http://", "s3:https://", "env:"))

    @field_validator("fallbacks")
    @classmethod
    def _known_too(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._known(url) for url in urls)


class ComputeSettings(SettingsPart):
    """Who evaluates blocks of rows for providers, custodians and audits."""

    url: Where = "local"

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        return url if url == "local" else _one_of(url, ("ray:", "env:"))


class IndexSettings(SettingsPart):
    """The database of the index; it can always be rebuilt from the chain."""

    url: Where = "sqlite:///index/index.sqlite"
    run: bool = True

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        return _one_of(url, ("sqlite:///", "postgresql://", "postgres://", "env:"))


class WebSettings(SettingsPart):
    """The API and the pages. Without `port`: 8080, or another when that is taken."""

    run: bool = True
    host: Where = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    origin: Where | None = None  # scheme://host[:port]
    proxies: tuple[IPvAnyAddress, ...] = Field(default=(), max_length=32)  # whose X-Forwarded-For is believed
    facilitator: Where | None = None  # settles payments of single asks (x402): darkroom facilitator says its address
    limits: WebLimits = WebLimits()

    @field_validator("facilitator")
    @classmethod
    def _settles(cls, url: str | None) -> str | None:
        return None if url is None else _one_of(url, ("http://", "https://", "env:"))

    @model_validator(mode="after")
    def _behind_something(self) -> WebSettings:
        if self.host not in LOOPBACK and self.origin is None:
            raise ValueError("a node that others can reach needs an origin, the address that browsers see")
        parts = urlsplit(self.origin or "http://x")
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != (self.origin or "http://x"):
            raise ValueError("origin is scheme://host[:port] and nothing else")
        return self


class AgentSettings(SettingsPart):
    """Roles of this home that work here."""

    providers: tuple[Role, ...] = Field(default=(), max_length=32)
    custodians: tuple[Role, ...] = Field(default=(), max_length=32)
    keepers: tuple[Role, ...] = Field(default=(), max_length=32)  # they move on jobs whose deadline has passed
    every: Annotated[float, Field(ge=0.1, le=600)] = 2.0  # seconds between looks at the chain
    traces: Where | None = None  # a collector of Zipkin's JSON, to which agents send what they do; or env:NAME

    @field_validator("traces")
    @classmethod
    def _collector(cls, url: str | None) -> str | None:
        return None if url is None else _one_of(url, ("http://", "https://", "env:"))

    @property
    def roles(self) -> list[str]:
        """All of them."""
        return [*self.providers, *self.custodians, *self.keepers]

    @model_validator(mode="after")
    def _apart(self) -> AgentSettings:
        named = self.roles
        if len(set(named)) != len(named):
            raise ValueError("a role is named once: an account that does two things gets in its own way")
        return self


class EarlierSettings(SettingsPart):
    """The index and the pages of an earlier edition of the contracts, which this node runs to its end."""

    index: IndexSettings = IndexSettings()
    web: WebSettings = WebSettings()


class NodeSettings(SettingsPart):
    """All of it."""

    chain: ChainSettings = ChainSettings()
    store: StoreSettings = StoreSettings()
    compute: ComputeSettings = ComputeSettings()
    index: IndexSettings = IndexSettings()
    web: WebSettings = WebSettings()
    agents: AgentSettings = AgentSettings()
    sample: bool = False  # a sample dataset, its custodian and providers; only on a chain with a faucet
    collection: bool = True  # with the sample: five more tables with a short history, published while the node runs
    earlier: dict[str, EarlierSettings] = Field(default_factory=dict, max_length=16)  # by edition

    @property
    def network(self) -> NodeConfig:
        """The part that every command of this home needs."""
        return NodeConfig(
            chain=self.chain.url,
            deployment=self.chain.deployment,
            store=self.store.url,
            compute=self.compute.url,
            chain_fallbacks=self.chain.fallbacks,
            store_fallbacks=self.store.fallbacks,
            max_gas_gwei=self.chain.max_gas_gwei,
        )

    def of_edition(self, edition: str) -> NodeSettings:
        """These settings for the market of an earlier edition; "" is the present one. Both never share a port."""
        if not edition:
            return self
        own = self.earlier.get(edition, EarlierSettings())
        web = own.web.model_copy(update={"run": self.web.run and own.web.run, "limits": self.web.limits})
        index = own.index.model_copy(update={"run": self.index.run and own.index.run})
        return self.model_copy(update={"index": index, "web": web, "sample": False})

    def database(self, home: Home) -> str:
        """The index's URL, a SQLite path made absolute. Errors: UsageError."""
        url = from_environment(self.index.url)
        if not url.startswith("sqlite:///"):
            return url
        return f"sqlite:///{home.place / url.removeprefix('sqlite:///')}"


def default_settings(providers: tuple[str, ...], custodian: str, keeper: str) -> NodeSettings:
    """A node for a newcomer: everything embedded, with the sample's agents."""
    agents = AgentSettings(providers=providers, custodians=(custodian,), keepers=(keeper,), every=1.0)
    return NodeSettings(agents=agents, sample=True)


def read_settings(path: Path) -> NodeSettings:
    """The settings in a file. Errors: UsageError for no file, BadInput with the line."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SETTINGS_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            f"The settings {path} cannot be read as text.", "Check the path; docs/operations.md shows one."
        ) from None
    if len(data) > MAX_SETTINGS_BYTES:
        raise BadInput(f"The settings {path.name} are over {MAX_SETTINGS_BYTES} bytes.")
    return parse_settings(text, path.name)


def parse_settings(text: str, name: str = "node.toml") -> NodeSettings:
    """The settings in TOML text. Errors: BadInput, with the line."""
    return read_toml(text, NodeSettings, name=name, guide="docs/operations.md", refusal=BadInput)


def _one_of(url: str, prefixes: tuple[str, ...]) -> str:
    if not url.startswith(prefixes):
        raise ValueError(f"a url here begins with {', '.join(prefixes[:-1])} or {prefixes[-1]}")
    return url
