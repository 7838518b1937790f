"""The recorded cases: one small market, and for each case what differs in it from the honest one.

`kit.json.xz` is written by tests/vectors/audits/write.py. A market has sections, each a table of texts or JSON values:
`logs` by block and index, `transactions` by hash, `calls` by address and data, `objects` by CID in base64. A case
changes some entries of them; null takes one away. docs/formats.md says what an auditor gets of it.
"""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from app.protocol.errors import NotFound

KIT = Path(__file__).with_name("kit.json.xz")
SECTIONS = ("logs", "transactions", "calls", "objects")

Verdict = Literal["confirmed", "open", "wrong"]
Sections = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class RecordedCase:
    """One job to audit. `fact` is what an auditor finds not to hold, empty where everything does."""

    name: str
    job: int
    verdict: Verdict
    fact: str  # of `app.auditor.report.AuditCheck`
    words: str
    changes: Sections


@dataclass(frozen=True)
class Kit:
    """The honest market and all cases in it."""

    market: Mapping[str, Any]  # chain_id, block, deployment
    sections: Sections
    cases: tuple[RecordedCase, ...]

    def case(self, name: str) -> RecordedCase:
        """Errors: NotFound."""
        for each in self.cases:
            if each.name == name:
                return each
        raise NotFound(f"The kit has no case {name!r}.", "List them: darkroom conformance list.")

    def changed(self, case: RecordedCase) -> Sections:
        """The market's sections as the case has them."""
        found = {}
        for name in SECTIONS:
            entries = {**self.sections[name], **case.changes.get(name, {})}
            found[name] = {key: value for key, value in entries.items() if value is not None}
        return found

    def write(self, case: RecordedCase, folder: Path) -> None:
        """A case as an auditor gets it: `job.json`, `chain.json`, and its objects in `objects`, by CID."""
        sections = self.changed(case)
        chain = {
            "chain_id": self.market["chain_id"],
            "block": self.market["block"],
            "logs": sorted(sections["logs"].values(), key=_place),
            "transactions": sections["transactions"],
            "calls": sections["calls"],
        }
        job = {"chain_id": self.market["chain_id"], "job": case.job, "deployment": self.market["deployment"]}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chain.json").write_text(json.dumps(chain, indent=1, sort_keys=True), "utf-8")
        (folder / "job.json").write_text(json.dumps(job, indent=1, sort_keys=True), "utf-8")
        (folder / "objects").mkdir(exist_ok=True)
        for cid, text in sections["objects"].items():
            (folder / "objects" / cid).write_bytes(base64.b64decode(text))


@cache
def load(path: Path = KIT) -> Kit:
    """The kit that ships with this version."""
    value = json.loads(lzma.decompress(path.read_bytes()))
    cases = tuple(RecordedCase(**each) for each in value["cases"])
    return Kit(value["market"], value["sections"], cases)


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    return int(log["blockNumber"], 16), int(log["logIndex"], 16)
