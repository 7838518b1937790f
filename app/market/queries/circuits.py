"""Circuits that were used on a dataset: they are public, so anyone may use them again."""

from __future__ import annotations

from sqlmodel import Session, col, func, select

from app.market.db.tables import JobRow
from app.market.queries.view import View, check_id
from app.protocol.market.entities import JobState

LOOKED_AT = 1_000  # of the newest settled jobs of a dataset
MOST = 5


class UsedCircuit(View):
    """One circuit, and the settled jobs that ran it among the newest ones of its dataset."""

    circuit: str  # digest
    jobs: int
    latest_job: int
    latest_at: int  # when that was over


def used_circuits(session: Session, dataset: int) -> tuple[UsedCircuit, ...]:
    """The circuits of a dataset's settled jobs, the latest used first, at most 5."""
    looked = (
        select(JobRow.id, JobRow.circuit, JobRow.closed_at)
        .where(JobRow.dataset == check_id("dataset", dataset), JobRow.state == int(JobState.SETTLED))
        .order_by(col(JobRow.id).desc())
        .limit(LOOKED_AT)
        .subquery()
    )
    latest = func.max(looked.c.id)
    query = (
        select(looked.c.circuit, func.count(), latest, func.max(looked.c.closed_at))
        .group_by(looked.c.circuit)
        .order_by(latest.desc())
        .limit(MOST)
    )
    return tuple(
        UsedCircuit(circuit=circuit, jobs=jobs, latest_job=job, latest_at=at)
        for circuit, jobs, job, at in session.exec(query)
    )
