"""How a long table becomes several jobs: rows in a row, each job no larger than policy and providers take. Pure."""

from __future__ import annotations

from app.chain.contracts.abi import CustomError
from app.chain.contracts.messages import reverted
from app.execution.market_state import MarketState
from app.policy.preflight import Preflight, Request
from app.policy.quote import rows_that_fit
from app.protocol.errors import DarkroomError, LicenseExhausted, NotAllowed
from fhe.circuit.cost import cost

MOST_PARTS = 1_000
Span = tuple[int, int]  # first row, rows


def most_rows(request: Request, state: MarketState) -> int:
    """The most rows, up to those of the request, that one job may have now; 1 where not even that many fit."""
    policy = state.policy
    per_row = cost(request.circuit, state.profile, 1).bootstraps
    limit = min(request.rows, policy.max_rows_per_job)
    if per_row:
        limit = min(limit, policy.max_bootstraps // per_row)
    if limit < 1:
        return 1

    def work_of(rows: int) -> int:
        return cost(request.circuit, state.profile, rows).units

    return rows_that_fit(state.providers, state.draw, work_of, limit, request.replicas) or 1


def split(request: Request, state: MarketState) -> list[Span]:
    """The jobs that the rows of a request become: one where they fit in one, else pieces that end with a chunk.

    Errors: NotAllowed for an aggregate that does not fit in one job, since it is one number over all its rows, and for
    more than `MOST_PARTS` jobs.
    """
    limit, chunk = most_rows(request, state), state.profile.polynomial_size
    if limit >= request.rows:
        return [(request.first_row, request.rows)]
    if state.policy.release == "aggregate":
        raise NotAllowed(
            f"An aggregate is one number over all its rows, and one job takes at most {limit} of these {request.rows}.",
            "Ask for fewer rows.",
        )
    spans, at, end = [], request.first_row, request.first_row + request.rows
    while at < end:
        stop = min(at + limit, end)
        if stop < end and stop - stop % chunk > at:
            stop -= stop % chunk  # a job that begins inside a chunk reads all of it
        spans.append((at, stop - at))
        at = stop
        if len(spans) > MOST_PARTS:
            raise NotAllowed(
                f"These rows would take more than {MOST_PARTS} jobs of {limit} rows.",
                "Ask for fewer rows, use a smaller model, or wait for larger providers.",
            )
    return spans


def plan_problems(state: MarketState, parts: list[Preflight]) -> list[DarkroomError]:
    """Why these parts would not all go through: what keeps each of them, and what they take together."""
    found: dict[str, DarkroomError] = {}
    for part in parts:
        for each in part.problems:
            found.setdefault(str(each), each)
    held, rows = state.license, sum(part.request.rows for part in parts)
    if held is not None and (len(parts) > held.jobs_left or rows > held.rows_left):
        both = LicenseExhausted(
            f"License {held.id} has {held.jobs_left} jobs and {held.rows_left} rows left; this takes {len(parts)} and"
            f" {rows}.",
            "Ask for fewer rows or buy another license: darkroom license buy.",
        )
        found.setdefault(str(both), both)
    needed = sum(part.price.job_total or 0 for part in parts)
    if state.balance is not None and state.balance < needed:
        short = reverted(CustomError("ERC20InsufficientBalance", {"balance": state.balance, "needed": needed}))
        found.setdefault(str(short), short)
    return list(found.values())
