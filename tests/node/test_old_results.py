"""A sealed result may go from the store when its buyer has long had it; nothing that an audit needs goes with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.auditor.audit import Auditor
from app.cli.main import app
from app.client.owner import Owner
from app.custodian.collect import old_results, remove
from app.execution.ended import DAY
from app.home.setup import join
from app.protocol.documents import MAX_DOCUMENT_BYTES
from app.protocol.errors import NotFound
from app.protocol.market.entities import RESULT_KEPT_DAYS
from app.protocol.market.receipt import SealedResult
from app.storage.cid import digest_to_cid
from app.storage.content import ContentStore
from benchmarks.live_market import LiveMarket
from tests.node.worked import Worked

CLAIM = "the sealed result is this job's, for this buyer"


def findings(market: LiveMarket, job: int) -> dict[str, tuple[str, str]]:
    """What an audit says of a job, by claim."""
    report = Auditor(market.network.market, market.network.store).audit(job)
    return {each.claim: (each.status.value, each.detail) for each in report.checks}


def ciphertext(market: LiveMarket, job: int) -> SealedResult:
    """The sealed document of a job."""
    cid = digest_to_cid(market.network.market.job(job).sealed)
    return SealedResult.from_bytes(market.network.store.read(cid, limit=MAX_DOCUMENT_BYTES))


def test_an_old_result_goes_and_the_audit_still_confirms_its_job(worked: Worked, tmp_path: Path) -> None:
    """Nothing is found before its time; then the ciphertext goes, and all that an audit reads stays. A ciphertext that
    is missing earlier than that is what it was: still to come.
    """
    copy = worked.copied(tmp_path / "home")
    market, job, early = copy.market, copy.settle(), copy.settle()
    chain, store = market.network.market, market.network.store
    assert isinstance(store, ContentStore)
    ledgers = {"owner": Owner(market.network, *join(market.home, market.network, "owner")).ledger()}
    assert old_results(chain, store, ledgers, RESULT_KEPT_DAYS) == []
    store.drop(ciphertext(market, early).ciphertext_cid)
    assert findings(market, early)[CLAIM][0] == "open"  # it may come yet
    sealed, before = ciphertext(market, job), findings(market, job)
    market.network.node.advance(RESULT_KEPT_DAYS * DAY + 1)  # type: ignore[attr-defined]
    found = [each for each in old_results(chain, store, ledgers, RESULT_KEPT_DAYS) if each.job == job]
    assert [(each.role, each.size) for each in found] == [("owner", sealed.ciphertext_bytes)]
    assert old_results(chain, store, ledgers) == []  # ninety days, where nothing else is said
    assert store.size(sealed.ciphertext_cid) == sealed.ciphertext_bytes  # looking removes nothing
    assert list(remove(found, store)) == found
    with pytest.raises(NotFound):
        store.size(sealed.ciphertext_cid)
    assert [each.job for each in old_results(chain, store, ledgers, RESULT_KEPT_DAYS) if each.job == job] == []
    after = findings(market, job)
    assert {claim for claim in after if after[claim] != before[claim]} == {CLAIM}
    assert {status for status, _ in after.values()} == {"confirmed"}
    assert "kept no more" in after[CLAIM][1]
    rows = CliRunner().invoke(app, ["node", "gc", "--results", "--result-days", "30", "--json"], env=copy.env)
    assert rows.exit_code == 0, rows.output
    assert job not in [row["job"] for row in json.loads(rows.stdout) if row["what"] == "result"]
