"""Models from sums over a dataset's rows, and tests of models by such sums."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.responses import Response

from app.market.web.api.answers import reply
from app.market.web.dependencies.caller import Spending, rate_cost
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import MAX_ID, AskedPlace, Id, RequestModel
from app.market.web.sums import CompiledSums, SumsReport, compile_sums, explain_sums, fit_of, test_of
from fhe.circuit.codec import MAX_CIRCUIT_BYTES

router = APIRouter(tags=["datasets"])

MOST_COLUMNS = 64
MAX_DECODER = 1 << 18  # characters
Column = Annotated[str, Field(min_length=1, max_length=200, examples=["c0"])]
Version = Annotated[int | None, Field(ge=1, le=MAX_ID, description="The present one by default.")]


class _Fit(RequestModel):
    """A model to be fitted."""

    kind: Annotated[str, Field(max_length=40, examples=["ridge"], description="docs/fit.md says which.")]
    label: Annotated[Column | None, Field(description="The published column that is predicted.")] = None
    columns: Annotated[tuple[Column, ...] | None, Field(max_length=MOST_COLUMNS, description="All by default.")] = None


class _Test(RequestModel):
    """A model to be tested: its circuit's bytes, which are text, and its decoder's document."""

    circuit: Annotated[str, Field(max_length=MAX_CIRCUIT_BYTES, examples=['{"codebook":"...","inputs":[...]}'])]
    decoder: Annotated[str, Field(max_length=MAX_DECODER, examples=['{"centre":[0],"circuit":"..."}'])]
    label: Column
    buckets: Annotated[int, Field(ge=1, le=16, description="Of scores, for each of two classes.")] = 4


class PricedFit(_Fit, AskedPlace):
    """A model to be fitted, and the terms."""


class PutFit(_Fit):
    """A model to be fitted, and the version of the dataset."""

    version: Version = None


class PricedTest(_Test, AskedPlace):
    """A model to be tested, and the terms."""


class PutTest(_Test):
    """A model to be tested, and the version of the dataset."""

    version: Version = None


@router.post(
    "/datasets/{id}/fits",
    response_model=SumsReport,
    responses=error_responses(404, 409, 502),
    dependencies=[Depends(rate_cost(2))],
)
def explain_fit(id: Id, asked: PricedFit, here: State, spend: Spending) -> Response:
    """Explain a fit for free: price, epsilon, the noise's scale, released numbers, bits left after it."""
    make = fit_of(asked.kind, asked.label, asked.columns)
    return reply(explain_sums(here, id, make, spend, asked.place))


@router.post(
    "/datasets/{id}/fits/compiled",
    response_model=CompiledSums,
    responses=error_responses(404, 502),
    dependencies=[Depends(rate_cost(2))],
)
def compile_fit(id: Id, asked: PutFit, here: State) -> Response:
    """Compile a fit: the circuit of its sums, to be published and ordered."""
    return reply(compile_sums(here, id, fit_of(asked.kind, asked.label, asked.columns), version=asked.version))


@router.post(
    "/datasets/{id}/tests",
    response_model=SumsReport,
    responses=error_responses(404, 409, 502),
    dependencies=[Depends(rate_cost(4))],
)
def explain_test(id: Id, asked: PricedTest, here: State, spend: Spending) -> Response:
    """Explain a test of a model for free: price, bootstraps, epsilon, the noise's scale, bits left after it."""
    make = test_of(asked.circuit, asked.decoder, asked.label, asked.buckets, spend)
    return reply(explain_sums(here, id, make, spend, asked.place))


@router.post(
    "/datasets/{id}/tests/compiled",
    response_model=CompiledSums,
    responses=error_responses(404, 502),
    dependencies=[Depends(rate_cost(4))],
)
def compile_test(id: Id, asked: PutTest, here: State, spend: Spending) -> Response:
    """Compile a test of a model: the circuit of its counts, to be published and ordered."""
    make = test_of(asked.circuit, asked.decoder, asked.label, asked.buckets, spend)
    return reply(compile_sums(here, id, make, version=asked.version))
