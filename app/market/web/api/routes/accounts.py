"""What accounts own, earned and are owed: public records, and the caller's own under /v1/me."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlmodel import Session
from starlette.responses import Response

from app.market.queries.jobs import JobView, jobs
from app.market.queries.licensing import LicenseView, licenses
from app.market.queries.owner import OwnerConsole, PaymentView, claims, console, payments
from app.market.queries.view import Amount, Page
from app.market.web.api.answers import reply
from app.market.web.dependencies.caller import SECURED, Caller, require_scope
from app.market.web.dependencies.state import State
from app.market.web.errors.problems import error_responses
from app.market.web.fields import MAX_ID, Address, After, Limit, ResponseModel
from app.market.web.index_reads import index_read

router = APIRouter(tags=["accounts"])
READER = Annotated[Caller, Depends(require_scope("account:read"))]


class MoneyView(ResponseModel):
    """What an account has. `claims` by contract, ready to withdraw."""

    address: str
    tokens: Amount
    wei: Amount
    claims: dict[str, Amount]


class Me(ResponseModel):
    """The caller at a glance."""

    money: MoneyView
    licenses: tuple[LicenseView, ...]  # newest first, at most 20
    jobs: tuple[JobView, ...]  # opened by the caller, newest first, at most 20
    waiting: tuple[JobView, ...]  # on the caller's datasets, for the custodian, at most 20
    datasets: int


def _money(session: Session, here: State, address: str) -> MoneyView:
    return MoneyView(
        address=address,
        tokens=here.market.balance(address),
        wei=here.market.node.balance(address),
        claims=claims(session, address),
    )


@router.get("/me", response_model=Me, responses=error_responses(), dependencies=SECURED)
def get_me(here: State, who: READER) -> Response:
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


@router.get("/accounts/{address}", response_model=MoneyView, responses=error_responses())
def get_account(address: Address, here: State) -> Response:
    """An account's balances, and what the contracts owe it."""
    with here.session() as session:
        return reply(_money(session, here, address))


@router.get("/accounts/{address}/console", response_model=OwnerConsole, responses=error_responses())
def get_console(address: Address, here: State) -> Response:
    """An owner's business: datasets, offers, revenue, jobs that wait for the custodian, refusals."""
    with here.session() as session:
        return reply(console(session, address, now=here.now(), releases=here.told))


@router.get("/payments", response_model=Page[PaymentView], responses=error_responses())
@index_read
def list_payments(
    here: State,
    account: Annotated[Address | None, Query()] = None,
    offer: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Limit = 50,
    after: After = None,
) -> Response:
    """Money that moved, newest first."""
    with here.session() as session:
        return reply(payments(session, account=account, offer=offer, limit=limit, after=after))
