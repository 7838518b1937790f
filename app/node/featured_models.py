"""The models that a node offers its visitors: `models.json` in the home, read at each look.

    {"models": [{"dataset": 1, "circuit": "DIGEST", "name": "Logistic regression", "about": "..."}]}

Each circuit is published in the node's store before it is named here; a page shows them where a job is ordered.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.files.private import write_private
from app.home.home import Home
from app.market.web.featured_models import FeaturedModelsOf, OfferedModel
from app.protocol.documents import first_fault
from app.protocol.errors import BadInput

FILE = "models.json"
MAX_FILE_BYTES = 1 << 20
MAX_MODELS = 1_000
LOG = logging.getLogger("darkroom.node")


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Annotated[tuple[OfferedModel, ...], Field(max_length=MAX_MODELS)] = ()


def shelf_of(home: Home) -> FeaturedModelsOf:
    """What the home's file offers for a dataset; nothing, with a warning in the log, while the file is wrong."""
    said: set[str] = set()

    def offered(dataset: int) -> tuple[OfferedModel, ...]:
        try:
            return tuple(each for each in read(home) if each.dataset == dataset)
        except BadInput as error:
            if str(error) not in said:
                said.add(str(error))
                LOG.warning("models", extra={"detail": str(error)})
            return ()

    return offered


def read(home: Home) -> tuple[OfferedModel, ...]:
    """Every model in the home's file; none without one. Errors: BadInput."""
    path = home.place / FILE
    if not path.is_file():
        return ()
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise BadInput(f"{path} is over {MAX_FILE_BYTES} bytes.", "Offer fewer models.")
    try:
        return _File.model_validate_json(data).models
    except ValidationError as error:
        raise BadInput(f"{path}: {first_fault(error, 'the file')}.", "docs/operations.md shows the form.") from None


def offer(home: Home, models: tuple[OfferedModel, ...]) -> None:
    """Add models to the file; one with the same dataset and circuit is replaced. Errors: BadInput for a wrong file."""
    named = {(each.dataset, each.circuit): each for each in (*read(home), *models)}
    path: Path = home.place / FILE
    write_private(path, _File(models=tuple(named.values())).model_dump_json(indent=2).encode() + b"\n")
