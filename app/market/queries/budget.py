"""What was let out of a dataset so far, as far as public records say. Pure, but for one bounded read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate

from sqlmodel import Session, col, select

from app.market.db.tables import DatasetRow, JobRow, OfferRow
from app.market.queries.form import Answer
from app.protocol.market import JobState
from app.protocol.receipt import OutputPolicy
from app.protocol.release import rank_limit

MOST = 2_000  # releases that are looked at


class BudgetCard(Answer):
    """What was let out so far, as far as public records say; the custodian's own ledger has the last word.

    `most_circuits` is how many different circuits were released on the row that most were released on: each added at
    least nothing and at most its number of outputs to that row's rank. `complete` is False when there were too many
    releases to look at all of them; the figures are then lower bounds, from the newest ones.
    """

    max_rank: int  # linear forms per row that the manifest's policy lets out; 0 when the manifest is not there
    released: int  # settled jobs
    circuits: int  # different ones among them
    most_circuits: int
    micro_epsilon_per_job: int
    most_micro_epsilon: int  # charged on the row that most was charged on
    complete: bool


Span = tuple[int, int]  # first row, and the one after the last


def budget(
    session: Session,
    dataset: DatasetRow,
    columns: int,
    policy: OutputPolicy | None,
    policies: Mapping[str, OutputPolicy],
) -> BudgetCard:
    """The budget of a dataset with this many columns under the manifest's `policy`.

    `policies` are those of its offers, also past ones, by digest.
    """
    query = (
        select(JobRow.circuit, JobRow.first_row, JobRow.rows, OfferRow.policy)
        .join(OfferRow, col(OfferRow.id) == col(JobRow.offer))
        .where(JobRow.dataset == dataset.id, JobRow.state == JobState.SETTLED)
        .order_by(col(JobRow.id).desc())
        .limit(MOST)
    )
    released = list(session.exec(query))
    spans: dict[str, list[Span]] = {}
    charges: dict[tuple[str, int, int, str], int] = {}
    for circuit, first, rows, digest in released:
        spans.setdefault(circuit, []).append((first, first + rows))
        if digest in policies:  # an equal query is answered again without another charge
            charges[circuit, first, rows, digest] = policies[digest].epsilon_micro_per_job
    covered = [(span, 1) for each in spans.values() for span in union(each)]
    charged = [((first, first + rows), cost) for (_, first, rows, _), cost in charges.items()]
    return BudgetCard(
        max_rank=0 if policy is None else rank_limit(policy, columns),
        released=dataset.jobs_settled,
        circuits=len(spans),
        most_circuits=heaviest(covered),
        micro_epsilon_per_job=0 if policy is None else policy.epsilon_micro_per_job,
        most_micro_epsilon=heaviest(charged),
        complete=dataset.jobs_settled <= MOST,
    )


def union(spans: Iterable[Span]) -> list[Span]:
    """Disjoint spans that cover the same rows."""
    joined: list[Span] = []
    for first, end in sorted(spans):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((first, end))
    return joined


def heaviest(weighed: Iterable[tuple[Span, int]]) -> int:
    """The greatest sum of weights of spans that share a row; 0 without any."""
    steps: dict[int, int] = {}
    for (first, end), weight in weighed:
        steps[first] = steps.get(first, 0) + weight
        steps[end] = steps.get(end, 0) - weight
    return max(accumulate(steps[row] for row in sorted(steps)), default=0)
