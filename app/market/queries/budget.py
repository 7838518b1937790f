"""What was let out of a dataset so far, as far as public records say. Pure, but for one bounded read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import accumulate

from pydantic import ValidationError
from sqlmodel import Session, col, select

from app.market.db.tables import DatasetRow, JobRow
from app.market.queries.releases import MOST, UNKNOWN, KnownReleases
from app.market.queries.view import View
from app.protocol.data.dataset import Affine, Codebook, ColumnCode
from app.protocol.data.derivation import CategorySource, Member, Place, Source, TextSource
from app.protocol.market.entities import JobState
from app.protocol.market.receipt import OutputPolicy
from app.protocol.policy.bits import default_person_limit, person_limit, source_micro_bits
from app.protocol.policy.rules import rank_limit, spent_on

ReleasesOn = Callable[[Session, int], KnownReleases]  # of a dataset, by its number


def nobody_knows(_: Session, __: int) -> KnownReleases:
    """For whoever does not ask what circuits said."""
    return UNKNOWN


class BudgetView(View):
    """What was let out so far, as far as public records say; the custodian's own ledger has the last word.

    Micro-bits are millionths of a bit, and a bit is one yes-or-no fact about a person. `most_circuits` is how many
    different circuits were released on the row that most were released on: each added at least nothing and at most its
    number of outputs to that row's rank. `complete` is False when not every release could be looked at, or a circuit or
    policy is out of reach; the figures are then lower bounds.
    """

    max_rank: int  # linear forms per row that the manifest's policy lets out; 0 when the manifest is not there
    released: int  # settled jobs
    circuits: int  # different ones among them
    most_circuits: int
    most_micro_bits: int  # told about the person, in the present version, of whom most was told
    micro_bits_per_person: int  # that the manifest's policy lets out to all buyers for ever; 0 while it is not known
    default_micro_bits_per_person: int  # the same for a policy that does not say: a quarter of what a row holds
    micro_bits_left: int  # of it, about that person
    recoverable: int  # columns that fit in what is sold of a person; a policy of raw scores gives so many away
    complete: bool


Span = tuple[int, int]  # first row, and the one after the last


def budget(
    session: Session, dataset: DatasetRow, codes: str, policy: OutputPolicy | None, known: KnownReleases = UNKNOWN
) -> BudgetView:
    """The budget of a dataset with these codes (`ManifestRow.codes`) under the manifest's `policy`.

    `told` is what its releases said, with the table of its present version.
    """
    query = (
        select(JobRow.circuit, JobRow.first_row, JobRow.rows)
        .where(JobRow.dataset == dataset.id, JobRow.state == JobState.SETTLED)
        .order_by(col(JobRow.id).desc())
        .limit(MOST)
    )
    spans: dict[str, list[Span]] = {}
    for circuit, first, rows in session.exec(query):
        spans.setdefault(circuit, []).append((first, first + rows))
    covered = [(span, 1) for each in spans.values() for span in union(each)]
    codebook = codebook_of(codes)
    most = 0 if known.table is None else spent_on(known.table, known.entries, dataset.version, 0, dataset.rows)
    limit = 0 if policy is None or codebook is None else person_limit(policy, codebook)
    return BudgetView(
        max_rank=0 if policy is None or codebook is None else rank_limit(policy, len(codebook.source_names)),
        released=dataset.jobs_settled,
        circuits=len(spans),
        most_circuits=heaviest(covered),
        most_micro_bits=most,
        micro_bits_per_person=limit,
        default_micro_bits_per_person=0 if codebook is None else default_person_limit(codebook),
        micro_bits_left=max(0, limit - most),
        recoverable=0 if codebook is None else recoverable(codebook, limit),
        complete=known.complete,
    )


def told_to(license: int, known: KnownReleases, version: int, rows: int) -> int:
    """Micro-bits that a license was told about the person of a version of whom it was told most."""
    if known.table is None:
        return 0
    fresh = known.table.model_copy(update={"carried": (), "carried_jobs": 0})  # of others, or before it was bought
    return spent_on(fresh, [entry for entry in known.entries if entry.license == license], version, 0, rows)


def codebook_of(codes: str) -> Codebook | None:
    """The codebook, as far as limits follow from it, of the columns that the index keeps; None without any."""
    try:
        columns, states = [], {}
        for each in json.loads(codes):
            name, kind, places = each["name"] or "?", each.get("derivation"), each.get("places")
            source = each.get("source") or name
            if places is not None:
                states[source] = _places(source, places)
            code = {"low": each["low"], "step": each["step"], "levels": each["levels"]}
            columns.append(
                ColumnCode(
                    name=name,
                    dtype=each["dtype"],
                    affine=None if each["levels"] is None else Affine(**code),
                    bins=None if each["bins"] is None else tuple(each["bins"]),
                    declared=each["declared"],
                    source="" if source == name else source,
                    derivation=None if kind is None else Member(place=0) if kind == "member" else Place(),
                )
            )
    except ValidationError:
        return None
    return Codebook(columns=tuple(columns), sources=tuple(states.values())) if columns else None


def _places(name: str, places: int) -> Source:
    """Any source of so many places."""
    return TextSource(name=name, buckets=places) if places > 1 else CategorySource(name=name, words=("?",))


def recoverable(codebook: Codebook, micro: int) -> int:
    """The most columns of the owner's table whose codes so many micro-bits can say exactly."""
    return sum(whole <= micro for whole in accumulate(sorted(source_micro_bits(codebook).values())))


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
