"""A model at hand for a table: trained on the buyer's rows, kept there, published and named on the node's shelf."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app.client.dataset import Dataset
from app.files.private import write_private
from app.home.home import private_folder
from app.node.sample import FOLDER, model_file
from app.protocol.documents import sha256

if TYPE_CHECKING:
    from app.client.models import Model
    from app.demo.stage import Stage
    from app.node.collection.tables import CollectedTable

LOG = logging.getLogger("darkroom.collection")


def put_at_hand(stage: Stage, table: CollectedTable, dataset: int) -> None:
    """Train, keep, publish and shelve the table's model, where it has one; doing it again makes the same one."""
    from app.market.web.featured_models import OfferedModel
    from app.node.featured_models import offer

    if (model := table.model) is None:
        return
    kept = _trained(stage, table, dataset)
    stage.network.store.put(kept.data)
    write_private(model_file(private_folder(stage.home.root / FOLDER), dataset, model.target), kept.data)
    offer(
        stage.home,
        (
            OfferedModel(
                dataset=dataset,
                circuit=sha256(kept.data),
                name=f"Sample: {model.name}",
                about=model.about,
                outcomes=model.outcomes,
            ),
        ),
    )
    LOG.info("trained", extra={"table": table.name, "target": model.target})


def _trained(stage: Stage, table: CollectedTable, dataset: int) -> Model:
    """The circuit and what is needed to read its results, in the buyer's folder."""
    model = table.model
    assert model is not None
    opened = Dataset.open(stage.network, dataset)
    _, rows = table.rows()
    fitted = model.make().fit(opened.encode(rows.select(opened.sources)), rows[model.target].to_numpy())
    compiled = opened.compile(fitted, columns=opened.features, check=rows.select(opened.sources), fitted_on="codes")
    if model.summed:
        compiled = opened.summed(compiled)
    return stage.buyer.models.keep(compiled, target=model.target)
