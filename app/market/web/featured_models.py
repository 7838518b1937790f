"""Models at hand for a dataset: those that whoever runs the node offers, and those that settled jobs used.

All of them are published circuits. A shelf is a function from a dataset's number to what is offered for it; the node
hands one in (`Parts.shelf`), and without one nothing is offered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.market.queries.circuits import UsedCircuit
from app.market.web.fields import Digest, Id, ResponseModel

MAX_NAME = 80
MAX_ABOUT = 300
MAX_OUTCOMES = 64


class OfferedModel(BaseModel):
    """A published circuit under a name, for one dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dataset: Id
    circuit: Digest
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, examples=["Logistic regression"])]
    about: Annotated[str, Field(max_length=MAX_ABOUT, examples=["Says how likely a sample is benign."])] = ""
    outcomes: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=MAX_NAME)], ...],
        Field(max_length=MAX_OUTCOMES, strict=False, examples=[["malignant", "benign"]]),
    ] = ()  # what its classes are called, in order; none for a model without classes


FeaturedModelsOf = Callable[[int], tuple[OfferedModel, ...]]


class FeaturedModels(ResponseModel):
    """What can be run on a dataset without compiling anything."""

    offered: tuple[OfferedModel, ...]  # by whoever runs this node
    used: tuple[UsedCircuit, ...]  # by settled jobs, the latest first, at most 5


def empty(dataset: int) -> tuple[OfferedModel, ...]:
    """The shelf of a node that offers none."""
    del dataset
    return ()
