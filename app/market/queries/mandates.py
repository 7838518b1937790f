"""What payers let agents do, and what was done: rows to views."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from sqlmodel import Session, col, or_, select

from app.market.db.tables import MandateEndingRow, MandateRow, MandateUseRow
from app.market.queries.catalogue import titles
from app.market.queries.view import Amount, View, page_limit
from app.protocol.market.mandate import ACTIONS

MOST_USES = 50  # of one mandate that are shown, the newest first
MAX_PURPOSE = 500  # characters that are shown: the contract takes any number

State = Literal["active", "early", "expired", "revoked", "spent"]


class MandateUseView(View):
    """One action under a mandate. `order` is the number of a license or a job."""

    action: Literal["license", "job"]
    order: int
    dataset: int
    dataset_title: str
    amount: Amount
    at: int
    tx: str


class MandateCard(View):
    """A mandate as its payer sees it. Amounts are token units, bits micro-bits about one person."""

    id: str
    payer: str
    agent: str
    account: str
    purpose: str
    actions: tuple[str, ...]
    datasets: tuple[int, ...]
    spent: Amount
    budget: Amount
    amount_range: Amount
    bits_range: Amount
    bits_budget: Amount
    occurrences: int
    max_occurrences: int
    not_before: Amount
    not_after: Amount
    state: State
    ended_at: int  # 0 while it was not revoked
    uses: tuple[MandateUseView, ...]


def mandates(session: Session, address: str, *, now: int, limit: int = 50) -> tuple[MandateCard, ...]:
    """Those that an account pays for or acts under, the newest first. Errors: BadInput for a limit."""
    mine = or_(col(MandateRow.payer) == address, col(MandateRow.agent) == address)
    newest = (col(MandateRow.granted_at).desc(), col(MandateRow.id))
    rows = session.exec(select(MandateRow).where(mine).order_by(*newest).limit(page_limit(limit))).all()
    payers = {row.payer for row in rows}
    endings = (
        session.exec(select(MandateEndingRow).where(col(MandateEndingRow.payer).in_(payers))).all() if rows else []
    )
    return tuple(_card(session, row, endings, now) for row in rows)


def _card(session: Session, row: MandateRow, endings: Sequence[MandateEndingRow], now: int) -> MandateCard:
    terms: dict[str, Any] = json.loads(row.terms)
    ended = min((each.at for each in endings if _ends(each, row, terms)), default=0)
    uses = session.exec(
        select(MandateUseRow)
        .where(col(MandateUseRow.mandate) == row.id)
        .order_by(col(MandateUseRow.occurrence).desc())
        .limit(MOST_USES)
    ).all()
    named = titles(session, {each.dataset for each in uses})
    return MandateCard(
        id=row.id,
        payer=row.payer,
        agent=row.agent,
        account=row.account,
        purpose=terms["purpose"][:MAX_PURPOSE],
        actions=tuple(name for name, bit in ACTIONS.items() if terms["actions"] & bit),
        datasets=tuple(terms["datasets"]),
        spent=row.spent,
        budget=terms["budget"],
        amount_range=terms["amountRange"],
        bits_range=terms["bitsRange"],
        bits_budget=terms["bitsBudget"],
        occurrences=row.occurrences,
        max_occurrences=terms["maxOccurrences"],
        not_before=terms["notBefore"],
        not_after=terms["notAfter"],
        state=_state(row, terms, ended, now),
        ended_at=ended,
        uses=tuple(
            MandateUseView(
                action="license" if each.action == ACTIONS["license"] else "job",
                order=each.subject,
                dataset=each.dataset,
                dataset_title=named.get(each.dataset, ""),
                amount=each.amount,
                at=each.at,
                tx=each.tx,
            )
            for each in uses
        ),
    )


def _ends(ending: MandateEndingRow, row: MandateRow, terms: dict[str, Any]) -> bool:
    if ending.payer != row.payer:
        return False
    return ending.mandate == row.id or (not ending.mandate and terms["nonce"] < ending.below)


def _state(row: MandateRow, terms: dict[str, Any], ended: int, now: int) -> State:
    if ended:
        return "revoked"
    if now > terms["notAfter"]:
        return "expired"
    if now < terms["notBefore"]:
        return "early"
    used_up = row.occurrences >= terms["maxOccurrences"] or row.spent >= terms["budget"]
    return "spent" if used_up else "active"
