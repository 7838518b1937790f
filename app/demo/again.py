"""What an earlier telling, or a node's sample, left in this home: a dataset of the same table, so of the same persons.

While its keys exist, all that it may ever tell of a person is promised to its buyers, and a second dataset has nothing
to sell. So a new telling retires it first: what it told still counts, what it did not tell is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.client.licenses import left_to_sell
from app.execution.inputs import load_manifest
from app.protocol.errors import NotAllowed

if TYPE_CHECKING:
    from app.client.publish_plan import PublishPlan
    from app.demo.record import StoryRecord
    from app.demo.stage import Stage
    from app.protocol.market.entities import DatasetRecord


def retire_earlier(stage: Stage, record: StoryRecord, title: str) -> None:
    """Destroy the keys of this owner's datasets with the demo's title; of no others. Errors: TryAgain for open jobs."""
    owner = stage.owner
    earlier = [each for each in owner.own() if not each.tombstoned and _is_the_demos(stage, each, title)]
    if not earlier:
        return
    numbers = ", ".join(str(each.id) for each in earlier)
    with record.step("Owner", f"retires dataset {numbers}, which sells facts about the same persons: its keys go"):
        for each in earlier:
            kept = owner.cabinet.keyring(str(owner.cabinet.name_of(each.manifest))).epochs()
            for epoch in sorted({*kept, each.epoch}):  # the present one too where a crash left it without its record
                owner.retire(each.id, epoch)
        record.say("  what was told of a person still counts; what was promised and not told is free again")


def check_room(plan: PublishPlan) -> None:
    """That the table's persons have bits left for a license, before any key is made. Errors: NotAllowed."""
    try:
        left_to_sell(plan.recipe.policy, plan.limit, plan.persons.elsewhere)
    except NotAllowed as error:
        raise NotAllowed(error.message, "Tell the demo in a home of its own: name another DARKROOM_HOME.") from None


def _is_the_demos(stage: Stage, dataset: DatasetRecord, title: str) -> bool:
    if stage.owner.cabinet.name_of(dataset.manifest) is None:
        return False
    return load_manifest(stage.network.store, dataset).card.title == title
