"""Writing an audit down for other people's tools."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.auditor.provenance.attestation import statements
from app.auditor.provenance.lineage import lineage
from app.auditor.provenance.prov import prov_json
from app.auditor.report import AuditReport
from app.protocol.errors import Unavailable

if TYPE_CHECKING:
    from app.chain.market import Market
    from app.protocol.ports import Store


def export_audit(
    market: Market, store: Store, report: AuditReport, prov: Path | None, attestation: Path | None, verifier: str
) -> Iterator[Path]:
    """Write PROV-JSON and in-toto statements (a line each) where a path is given; each path when it is written.

    Errors: those of `lineage` and `statements`; Unavailable for a file that cannot be written.
    """
    if prov is None and attestation is None:
        return
    told = lineage(market, store, report.job)
    if prov is not None:
        yield _written(prov, json.dumps(prov_json(told, report), indent=2) + "\n")
    if attestation is not None:
        made = statements(told, report, verifier=verifier, now=int(time.time()))
        yield _written(attestation, "".join(json.dumps(each) + "\n" for each in made))


def _written(path: Path, text: str) -> Path:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.", "Name another file.") from None
    return path
