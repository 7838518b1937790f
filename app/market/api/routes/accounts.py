"""What accounts own, earned and are owed: public records, and the caller's own under /v1/me."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session
from starlette.responses import Response

from app.market.api.answers import reply
from app.market.api.fields import MAX_ID, Address, After, Limit, Reply
from app.market.api.identity import SECURED, Caller, allowed
from app.market.api.parts import Here
from app.market.api.problems import told
from app.market.queries.form import Amount, Page
from app.market.queries.jobs import JobCard, jobs
from app.market.queries.licensing import LicenseCard, licenses
from app.market.queries.owner import OwnerConsole, PaymentCard, claims, console, payments

router = APIRouter(tags=["accounts"])
READER = Annotated[Caller, Depends(allowed("account:read"))]


class Money(Reply):
    """What an account has. `claims` by contract, ready to withdraw."""

    address: str
    tokens: Amount
    wei: Amount
    claims: dict[str, Amount]


class Me(Reply):
    """The caller at a glance."""

    money: Money
    licenses: tuple[LicenseCard, ...]  # newest first, at most 20
    jobs: tuple[JobCard, ...]  # opened by the caller, newest first, at most 20
    waiting: tuple[JobCard, ...]  # on the caller's datasets, for the custodian, at most 20
    datasets: int


def _money(session: Session, here: Here, address: str) -> Money:
    return Money(
        address=address,
        tokens=here.market.balance(address),
        wei=here.market.node.balance(address),
        claims=claims(session, address),
    )


@router.get("/me", response_model=Me, responses=told(), dependencies=SECURED)
def get_me(here: Here, who: READER) -> Response:
    """The caller's own money, licenses, jobs and datasets."""
    now = here.now()
    with here.session() as session:
        owned = console(session, who.address, now=now)
        return reply(
            Me(
                money=_money(session, here, who.address),
                licenses=licenses(session, now=now, buyer=who.address, limit=20).items,
                jobs=jobs(session, now=now, buyer=who.address, limit=20).items,
                waiting=owned.pending[:20],
                datasets=len(owned.datasets),
            )
        )


@router.get("/accounts/{address}", response_model=Money, responses=told())
def get_account(address: Address, here: Here) -> Response:
    """An account's balances, and what the contracts owe it."""
    with here.session() as session:
        return reply(_money(session, here, address))


@router.get("/accounts/{address}/console", response_model=OwnerConsole, responses=told())
def get_console(address: Address, here: Here) -> Response:
    """An owner's business: datasets, offers, revenue, jobs that wait for the custodian, refusals."""
    with here.session() as session:
        return reply(console(session, address, now=here.now(), releases=here.told))


@router.get("/payments", response_model=Page[PaymentCard], responses=told())
def list_payments(
    here: Here,
    account: Annotated[Address | None, Query()] = None,
    offer: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Money that moved, newest first."""
    with here.session() as session:
        return reply(payments(session, account=account, offer=offer, limit=limit, after=after))
