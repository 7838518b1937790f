"""The compiled contracts: what a client needs to deploy, recognise and call them. No chain library is imported here.

A deployed market never changes, so each change of the contracts is another edition of them. `artifacts/` is the present
one; `editions/NAME/` keeps of an earlier one what the next changed, as bytes that never change again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

EDITIONS = ("1", "2", "3")  # that this version knows, the oldest first
EDITION = EDITIONS[-1]
NAMES = ("TestUSD", "DatasetRegistry", "LicenseMarket", "ProviderRegistry", "LineRules", "Disputes", "JobMarket")
SINCE = {"LineRules": "3", "Disputes": "3"}  # the first edition of what earlier ones do not have
JUDGES = ("TraceRules",)  # that judge a step of a trace, and hold neither state nor money
BESIDE = (  # that a market can have beside it, of no edition; the token may stand in TestUSD's place
    "Mandates",
    "MandateAccount",
    "Evaluators",
    "Evaluator",
    "PrepaidOrders",
    "TestUSDWithAuthorization",
)


@dataclass(frozen=True)
class Artifact:
    """One contract as the pinned compiler made it.

    `immutables` are the (start, length) byte ranges of `deployed_bytecode` that a deployment fills in: whoever compares
    code on a chain with this must blank them first (`blanked`).
    """

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    deployed_bytecode: bytes
    immutables: tuple[tuple[int, int], ...]
    compiler: str
    sources: str  # SHA-256 over the names and texts of all sources

    def blanked(self, code: bytes) -> bytes:
        """`code` with zeros where this contract's immutables stand."""
        out = bytearray(code)
        for start, length in self.immutables:
            out[start : start + length] = bytes(len(out[start : start + length]))
        return bytes(out)

    def matches(self, code: bytes) -> bool:
        """Whether code found on a chain is this contract's, whatever its immutables."""
        return self.blanked(code) == self.blanked(self.deployed_bytecode)


def names(edition: str = EDITION) -> tuple[str, ...]:
    """The contracts of an edition, in the order in which they are deployed. Errors: ValueError for one that is not."""
    place = EDITIONS.index(edition)
    return tuple(name for name in NAMES if EDITIONS.index(SINCE.get(name, EDITIONS[0])) <= place)


@cache
def load(name: str, edition: str = EDITION) -> Artifact:
    """The artifact of a contract of an edition of EDITIONS, or of one in BESIDE or JUDGES.

    Errors: KeyError for another name or edition.
    """
    known = names(edition) if edition in EDITIONS else ()
    if not known or name not in known + BESIDE + JUDGES:
        raise KeyError(f"There is no contract {name!r} of edition {edition!r}; there are {', '.join(known or NAMES)}.")
    here = resources.files(__name__)
    kept = [here.joinpath("editions", each, f"{name}.json") for each in EDITIONS[EDITIONS.index(edition) : -1]]
    file = next((each for each in kept if each.is_file()), here.joinpath("artifacts", f"{name}.json"))
    raw = json.loads(file.read_text(encoding="utf-8"))
    return Artifact(
        name=name,
        abi=tuple(raw["abi"]),
        bytecode=bytes.fromhex(raw["bytecode"][2:]),
        deployed_bytecode=bytes.fromhex(raw["deployedBytecode"][2:]),
        immutables=tuple((start, length) for start, length in raw["immutables"]),
        compiler=raw["compiler"],
        sources=raw["sources"],
    )
