"""The collection: five more tables published, each with offers, a model at hand and a short history of jobs.

It works beside the running market, whose providers and custodian serve the history like any orders; nothing here waits
for them. Killed anywhere it goes on where it was: what is recorded is left alone, also where its owner retired it
since, and what was made and not yet recorded is found on the chain.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.client.custody import USUAL_BOND
from app.demo.stage import DOLLAR, Stage, pocket_money, set_stage
from app.home.home import Home, private_folder
from app.node.collection.history import order_history
from app.node.collection.models import put_at_hand
from app.node.collection.record import Progress
from app.node.collection.tables import TABLES, CollectedTable
from app.node.sample import FOLDER, check_parts, titled, unused_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingestion.recipe import Recipe

LOG = logging.getLogger("darkroom.collection")
FILE = "collection.json"


def ensure_collection(home: Home, tables: Sequence[CollectedTable] = TABLES) -> dict[str, int]:
    """Every table's dataset by name. Errors: those of publishing, offering, ordering; UsageError without a faucet."""
    check_parts()
    stage = set_stage(home)
    market = stage.network.market.address
    progress = Progress(private_folder(home.root / FOLDER) / FILE, market)
    if progress.record.market != market:
        # Its persons' bits are counted in the earlier edition, where it may still be answering.
        LOG.info("the collection stays in the earlier edition")
        return dict(progress.record.datasets)
    for place, table in enumerate(tables, 1):
        if f"{table.name}: history" not in progress.record.done:
            LOG.info("collecting", extra={"table": table.name, "number": place, "of": len(tables)})
            _collect(stage, progress, table)
    LOG.info("collection is there", extra={"datasets": len(progress.record.datasets)})
    return dict(progress.record.datasets)


def _collect(stage: Stage, progress: Progress, table: CollectedTable) -> None:
    recipe = table.recipe()
    if table.name not in progress.record.datasets:
        progress.published(table.name, _publish(stage, table, recipe))
    dataset = progress.record.datasets[table.name]
    pocket_money(stage.network, stage.buyer.account, 200 * DOLLAR)
    steps: dict[str, Callable[[], object]] = {
        "offer": lambda: _offer(stage, dataset, recipe),
        "model": lambda: put_at_hand(stage, table, dataset),
        "history": lambda: order_history(stage, table, dataset),
    }
    for step, work in steps.items():
        if f"{table.name}: {step}" not in progress.record.done:
            work()
            progress.did(f"{table.name}: {step}")


def _publish(stage: Stage, table: CollectedTable, recipe: Recipe) -> int:
    """The dataset's number: of the one with this title, or of a new one without keys for lookups."""
    owner = stage.owner
    if (known := titled(owner, recipe.title)) is not None:
        return known.id
    rows, _ = table.rows()
    file = owner.actor.path(f"{table.name}.csv")
    rows.select(list(recipe.columns)).write_csv(file)
    file.chmod(0o600)
    number = owner.publish(file, recipe, keys=unused_keys(owner, table.name, lookups=False)).sent.value
    LOG.info("published", extra={"table": table.name, "dataset": number, "rows": len(rows)})
    return number


def _offer(stage: Stage, dataset: int, recipe: Recipe) -> None:
    """The recipe's offer, unless one under its policy is there."""
    market = stage.network.market
    if recipe.policy.digest in {each.policy for each in market.offers(dataset) if each.active}:
        return
    pocket_money(stage.network, stage.owner.account, USUAL_BOND)
    number = stage.owner.offer(dataset, recipe.policy, recipe.offer).value
    LOG.info("offered", extra={"offer": number, "dataset": dataset, "release": recipe.policy.release})
