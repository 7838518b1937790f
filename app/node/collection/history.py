"""A short history: what the sample's buyer ordered of a table, and what its owner said no to."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from app.node.sample import FOLDER, model_file
from app.protocol.documents import sha256
from app.protocol.errors import TryAgain
from app.protocol.market.entities import Approval

if TYPE_CHECKING:
    from app.demo.stage import Stage
    from app.node.collection.tables import CollectedTable

LOG = logging.getLogger("darkroom.collection")
MOST = 40  # test dollars for one order, a license included


def order_history(stage: Stage, table: CollectedTable, dataset: int) -> None:
    """Order what was ordered of a table. An order that was given before is the same one and is not paid again."""
    for place in table.history:
        if isinstance(place, str):
            with contextlib.suppress(TryAgain):  # its answer comes when providers and custodian have worked
                stage.market.dataset(dataset).ask(place, max_price=MOST, timeout=0)
            LOG.info("asked", extra={"dataset": dataset, "question": place})
            continue
        job = _run(stage, table, dataset, *place)
        LOG.info("ordered", extra={"dataset": dataset, "job": job})
        market = stage.network.market
        if place in table.denied and market.job(job).approval is Approval.NONE:
            market.deny_job(stage.owner.account, job)
            LOG.info("denied", extra={"job": job})


def _run(stage: Stage, table: CollectedTable, dataset: int, first_row: int, rows: int) -> int:
    """The job of the table's model on these rows."""
    assert table.model is not None
    data = model_file(stage.home.root / FOLDER, dataset, table.model.target).read_bytes()
    model = stage.market.model(sha256(data))
    return stage.market.dataset(dataset).run(model, rows, first_row=first_row, max_price=MOST).number
