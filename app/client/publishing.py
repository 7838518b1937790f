"""From a plan to a published dataset, keys included."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.client.owner import Owner, PublishedDataset, PublishPlan

if TYPE_CHECKING:
    from app.protocol.ports import Progress


def publish_plan(
    owner: Owner,
    plan: PublishPlan,
    *,
    keys: str | None = None,
    bins: bool = True,
    lookups: bool = True,
    making: Callable[[str], None] = lambda name: None,
    progress: Progress | None = None,
) -> PublishedDataset:
    """Publish what was planned under the keyring `keys`, by default a new one named after the file.

    Where the keyring has no keys yet they are made, after `making` was told its name; `lookups` says whether with an
    evaluation key. Without `bins` no comparison bits are published. Errors: those of `Owner.publish`.
    """
    name = keys or owner.cabinet.free_name(plan.path.stem)
    if not owner.cabinet.keyring(name).epochs():
        making(name)
        owner.new_epoch(name, lookups=lookups)
    return owner.publish(
        plan.path, plan.recipe, keys=name, plan=plan, encodings=("affine", "bins") if bins else ("affine",),
        progress=progress,
    )  # fmt: skip
