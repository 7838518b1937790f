"""The chain's transactions and blocks: who sent one and what it did, what a block holds of this market."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.chain.events import Event
from app.chain.wallet.envelope import to_address
from app.market.queries.status import read_place
from app.market.web.fields import BlockNumber, Tx
from app.market.web.pages.site import Visiting
from app.market.web.pages.speaking import FILTERS, moment
from app.protocol.ids import TxHash

router = APIRouter()
TIMES = {"commitBy", "revealBy", "releaseBy", "until", "validUntil"}
MONEY = {"amount", "bond", "bounty", "burned", "fee", "fees", "fixedFee", "maxFee", "price", "refund", "value"}
BITS = {"budget", "reserved", "used"}  # micro-bits
MOST_TRANSACTIONS = 200  # of one block
LINKS = {"dataset": "/datasets/", "offer": "/offers/", "license": "/licenses/", "job": "/jobs/"}


@dataclass(frozen=True)
class EventFact:
    """One argument of an event, and the page about it, "" where there is none."""

    name: str
    value: str
    page: str


@router.get("/transactions/{tx}", response_class=HTMLResponse)
def transaction_page(here: Visiting, tx: Tx) -> HTMLResponse:
    """A transaction as the chain has it. Errors: NotFound before a block holds it."""
    market = here.backend.market
    found = market.node.receipt(tx)
    sent: Mapping[str, Any] = market.node.request("eth_getTransactionByHash", tx) or {}
    with here.backend.session() as session:
        indexed = read_place(session).height >= found.block
    events = market.client.decode(found.logs)
    to = to_address(sent["to"]) if sent.get("to") else ""
    return here.page(
        "transaction.html",
        title="Transaction",
        it=found,
        at=market.node.block(found.block).time,
        sender=to_address(sent["from"]) if sent.get("from") else "",
        to=to,
        target=market.contract_name(to),
        indexed=indexed,
        events=[(event, facts_of(event, here.site.shown_money)) for event in events],
    )


@router.get("/blocks/{number}", response_class=HTMLResponse)
def block_page(here: Visiting, number: BlockNumber) -> HTMLResponse:
    """A block, and its transactions that concern this market. Errors: NotFound where the chain is not that long."""
    market = here.backend.market
    found, did = market.node.block(number), dict[TxHash, list[str]]()
    for event in market.events(number, number):
        did.setdefault(event.tx, []).append(event.name)
    return here.page(
        "block.html",
        title="Block",
        it=found,
        transactions=list(did.items())[:MOST_TRANSACTIONS],
        unshown=max(0, len(did) - MOST_TRANSACTIONS),
        last=market.block_number,
    )


def facts_of(event: Event, money: Callable[[int], str]) -> list[EventFact]:
    """An event's arguments as people read them, those about something that has a page with its address."""

    def text(name: str, value: Any) -> str:
        if isinstance(value, Mapping):
            return ", ".join(f"{_words(key)} {text(key, each)}" for key, each in value.items())
        if isinstance(value, tuple | list):
            return ", ".join(text(name, each) for each in value)
        if isinstance(value, int) and not isinstance(value, bool):
            written = moment if name in TIMES else money if name in MONEY else FILTERS["bits"] if name in BITS else str
            return written(value)
        return value.hex() if isinstance(value, bytes) else str(value)

    return [EventFact(_words(name), text(name, value), _page(name, value)) for name, value in event.args.items()]


def _page(name: str, value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
        return f"/accounts/{value}" if int(value, 16) else ""
    folder = LINKS.get(name) if isinstance(value, int) else None
    return f"{folder}{value}" if folder else ""


def _words(name: str) -> str:
    """sealingKey as people read it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.lstrip("_")).lower()
