"""Accounts, the owner's console and its forms, providers, the network, the wallet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.chain.contracts.token import COIN, PAYERS
from app.market.queries.dataset import dataset
from app.market.queries.jobs import jobs
from app.market.queries.licensing import OfferView, PolicyView, licenses, policy_of
from app.market.queries.mandates import mandates
from app.market.queries.network import network, provider, providers
from app.market.queries.owner import RevenueDay, claims, console, payments
from app.market.queries.standing import money_standing, part_taken
from app.market.queries.status import status
from app.market.web.auth.sessions import SCOPE_WORDS
from app.market.web.fields import Address, Id
from app.market.web.pages.site import Visit, Visiting
from app.market.web.transactions.unsigned import usual_budget
from app.protocol.errors import DarkroomError, NotFound
from app.protocol.ids import Address as ChainAddress
from app.protocol.policy.reasons import MESSAGES, Reason

router = APIRouter()
Cursor = Annotated[str | None, Query(max_length=512)]


@dataclass(frozen=True)
class Bar:
    """One day's revenue."""

    day: str
    licenses: int
    jobs: int

    @property
    def total(self) -> int:
        """Both kinds together."""
        return self.licenses + self.jobs


@router.get("/accounts/{address}", response_class=HTMLResponse)
def account_page(here: Visiting, address: Address, after: Cursor = None) -> HTMLResponse:
    """What the chain says of one account: licenses, jobs, money."""
    now = here.backend.now()
    with here.backend.session() as session:
        held = licenses(session, now=now, buyer=address, limit=20)
        ordered = jobs(session, now=now, buyer=address, limit=20, after=after)
        owed = claims(session, address)
        moved = payments(session, account=address, limit=20)
        standing = money_standing(session, address)
        part = part_taken(session, address)
        asked = sum(each.asks_owner for each in console(session, address, now=now).pending)
    return here.page(
        "account.html",
        tokens=_tokens(here, address),
        standing=standing,
        part=part,
        contract=here.backend.market.contract_name(address),
        asked=asked,
        title="Account",
        address=address,
        held=held.items,
        ordered=ordered.items,
        next_page=f"/accounts/{address}?after={ordered.next}" if ordered.next else "",
        owed={name: owed.get(name, 0) for name in PAYERS},
        claimant=address,
        share_offers=(),
        to_share=0,
        moved=moved.items,
        scripts=("actions.js",),
    )


@router.get("/accounts/{address}/mandates", response_class=HTMLResponse)
def mandates_page(here: Visiting, address: Address) -> HTMLResponse:
    """What an account lets software agents buy, what each spent, and on what."""
    with here.backend.session() as session:
        found = mandates(session, address, now=here.backend.now())
    return here.page(
        "mandates.html",
        title="Mandates",
        address=address,
        mandates=found,
        held=_held(here, [each.account for each in found]),
        deployed=here.backend.market.mandates_address is not None,
        scripts=("actions.js",),
    )


def _held(here: Visiting, accounts: Sequence[str]) -> dict[str, int]:
    """Token units that accounts of mandates hold or are owed, by account."""
    market = here.backend.market
    asked = [
        (contract, function, (account,))
        for account in accounts
        for contract, function in ((COIN, "balanceOf"), *((payer, "claimable") for payer in PAYERS))
    ]
    found, each = market.client.read_many(asked), 1 + len(PAYERS)
    return {account: sum(found[each * at : each * (at + 1)]) for at, account in enumerate(accounts)}


@router.get("/owner", response_class=HTMLResponse)
def sell_page(here: Visiting) -> HTMLResponse:
    """How to sell data, and the way to one's own console."""
    return here.page("sell.html", title="Sell data")


@router.get("/owners/{address}", response_class=HTMLResponse)
def console_page(here: Visiting, address: Address) -> HTMLResponse:
    """An owner's datasets, offers, revenue, pending releases and budgets."""
    now = here.backend.now()
    with here.backend.session() as session:
        business = console(session, address, now=now, releases=here.backend.told)
        owed = claims(session, address)
        sold = licenses(session, now=now, owner=address, limit=20)
        standing = money_standing(session, address)
    return here.page(
        "console.html",
        title="Owner console",
        it=business,
        standing=standing,
        sold=sold.items,
        reasons={each.reason: _reason(each.reason) for each in business.refused},
        budgets={each.entry.id: each.budget for each in business.datasets},
        bars=[_bar(each) for each in business.revenue],
        owed={name: owed.get(name, 0) for name in PAYERS},
        claimant=address,
        share_offers=tuple(offer.id for offer in business.offers if _to_share(offer)),
        to_share=sum(_to_share(offer) for offer in business.offers),
        scripts=("actions.js",),
    )


@router.get("/datasets/{id}/offer", response_class=HTMLResponse)
def new_offer(here: Visiting, id: Id) -> HTMLResponse:
    """The form that puts a dataset on sale."""
    with here.backend.session() as session:
        detail = dataset(session, id, here.backend.told)
    known: dict[str, PolicyView] = {}
    for policy in (detail.policy, *(offer.policy for offer in detail.offers)):
        if policy is not None and policy.known:
            known.setdefault(policy.digest, policy)
    budgets = {digest: usual_budget(here.backend, id, policy_of(card)) for digest, card in known.items()}
    first = next(iter(known.values()), None)
    left = 0 if first is None else budgets[first.digest] - detail.sold.reserved
    return here.page(
        "new_offer.html",
        title="New offer",
        it=detail,
        policies=tuple(known.values()),
        budgets=budgets,
        licenses=1 if first is None else max(1, left // first.micro_bits_per_license),
        scripts=("new-offer.js",),
    )


@router.get("/network", response_class=HTMLResponse)
def network_page(here: Visiting, after: Cursor = None) -> HTMLResponse:
    """The market in figures, its providers, and how this node stands."""
    now = here.backend.now()
    with here.backend.session() as session:
        overview = network(session, now=now)
        found = providers(session, now=now, limit=50, after=after)
        try:
            index = status(session)
        except NotFound:
            index = None
    return here.page(
        "network.html",
        title="Network",
        it=overview,
        providers=found.items,
        index=index,
        next_page=f"/network?after={found.next}" if found.next else "",
    )


@router.get("/providers/{address}", response_class=HTMLResponse)
def provider_page(here: Visiting, address: Address, after: Cursor = None) -> HTMLResponse:
    """One provider's record."""
    now = here.backend.now()
    with here.backend.session() as session:
        card = provider(session, address, now=now)
        worked = jobs(session, now=now, provider=address, limit=20, after=after)
    return here.page(
        "provider.html",
        title="Provider",
        it=card,
        worked=worked.items,
        next_page=f"/providers/{address}?after={worked.next}" if worked.next else "",
    )


@router.get("/wallet", response_class=HTMLResponse)
def wallet_page(here: Visiting) -> HTMLResponse:
    """Wallet, sealing keys, sign-in and tokens of this browser."""
    return here.page("wallet.html", title="Wallet and keys", scripts=("wallet-page.js",), scopes=SCOPE_WORDS)


def _tokens(here: Visit, address: str) -> int | None:
    """What an account has in its own hands, token units; None while the chain does not answer."""
    try:
        return here.backend.market.balance(ChainAddress(address))
    except DarkroomError:
        return None


def _to_share(offer: OfferView) -> int:
    """What an offer has earned and nobody has shared out."""
    return offer.earned - offer.collected


def _reason(code: str) -> str:
    """A refusal's reason in words; nothing for a code that this version does not know."""
    return next((MESSAGES[reason].message for reason in Reason if reason == code), "")


def _bar(day: RevenueDay) -> Bar:
    return Bar(day.day, day.licenses, day.jobs)
