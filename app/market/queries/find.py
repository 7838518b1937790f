"""Finding anything by what somebody types: a number, an address, a transaction, a page, a dataset, also misspelt."""

from __future__ import annotations

import re
from difflib import get_close_matches

from sqlalchemy import select
from sqlmodel import Session

from app.chain.address import eip55
from app.market.db.tables import DatasetRow, JobRow, LicenseRow, OfferRow, ProviderRow, TermRow, sql
from app.market.queries.catalogue import CatalogueFilter, search
from app.market.queries.listings import LAST_CHARACTER
from app.market.queries.view import View
from app.market.text import query_words

MOST = 8
MAX_TEXT = 100
LOOKED_AT = 5_000  # words that begin with the same letter
CLOSE = 0.75  # of 1: how alike a word must be to be meant
PAGES = (  # name, address, what else it is called
    ("Catalogue", "/", "home datasets search buy"),
    ("Jobs", "/jobs", "results history"),
    ("Network", "/network", "providers status contracts"),
    ("Sell data", "/owner", "owner publish earn"),
    ("Wallet", "/wallet", "keys account money tokens sealing"),
)
Numbered = DatasetRow | OfferRow | LicenseRow | JobRow
NUMBERED: dict[str, type[Numbered]] = {"dataset": DatasetRow, "offer": OfferRow, "license": LicenseRow, "job": JobRow}
TYPED = re.compile(r"(?:(dataset|offer|licen[sc]e|job|block)s?\s*)?#?(\d{1,15})", re.IGNORECASE)


class FoundThing(View):
    """Something that was found, and where it is."""

    title: str
    kind: str
    url: str


class FindResult(View):
    """What was found; `meant`: the words that were looked for where those that were typed find nothing, else ""."""

    items: tuple[FoundThing, ...]
    meant: str


def find(session: Session, typed: str) -> FindResult:
    """At most eight things that fit, the surest first."""
    typed = typed.strip()[:MAX_TEXT]
    if not typed:
        return FindResult(items=(), meant="")
    exact = [*_by_number(session, typed), *_by_hash(session, typed)]
    if exact or ((match := TYPED.fullmatch(typed)) is not None and match[1]):
        return FindResult(items=tuple(exact), meant="")
    items = _pages(typed)
    found = search(session, CatalogueFilter(text=typed), limit=MOST).items
    meant = "" if found else corrected(session, typed)
    if meant:
        found = search(session, CatalogueFilter(text=meant), limit=MOST).items
    items += [FoundThing(title=each.title, kind="Dataset", url=f"/datasets/{each.id}") for each in found]
    return FindResult(items=tuple({each.url: each for each in items}.values())[:MOST], meant=meant)


def corrected(session: Session, typed: str) -> str:
    """The words that are probably meant, where some of those that were typed find nothing; "" where none are alike."""
    terms = sql(TermRow).c
    meant, changed = [], False
    for word in query_words(typed):
        begins = select(terms.term).where(terms.term >= word, terms.term < word + LAST_CHARACTER).limit(1)
        if session.execute(begins).first() is not None:
            meant.append(word)
            continue
        alike = select(terms.term).where(terms.term >= word[0], terms.term < word[0] + LAST_CHARACTER)
        near = get_close_matches(word, session.scalars(alike.distinct().limit(LOOKED_AT)).all(), 1, CLOSE)
        if not near:
            return ""
        meant.append(near[0])
        changed = True
    return " ".join(meant) if changed else ""


def _by_number(session: Session, typed: str) -> list[FoundThing]:
    match = TYPED.fullmatch(typed)
    if match is None:
        return []
    number, said = int(match[2]), (match[1] or "").lower().replace("licence", "license")
    if said == "block":
        return [FoundThing(title=f"Block {number}", kind="Block", url=f"/blocks/{number}")]
    return [
        FoundThing(title=f"{kind.capitalize()} {number}", kind=kind.capitalize(), url=f"/{kind}s/{number}")
        for kind, table in NUMBERED.items()
        if said in ("", kind) and session.get(table, number) is not None
    ]


def _by_hash(session: Session, typed: str) -> list[FoundThing]:
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", typed):
        address = eip55(typed.lower())
        known = session.get(ProviderRow, address) is not None
        provider = [FoundThing(title=address, kind="Provider", url=f"/providers/{address}")] * known
        return [*provider, FoundThing(title=address, kind="Account", url=f"/accounts/{address}")]
    if re.fullmatch(r"0x[0-9a-fA-F]{64}", typed):
        return [FoundThing(title=typed.lower(), kind="Transaction", url=f"/transactions/{typed.lower()}")]
    if re.fullmatch(r"[0-9a-fA-F]{64}", typed):
        return [FoundThing(title=typed.lower(), kind="Document", url=f"/v1/documents/{typed.lower()}")]
    return []


def _pages(typed: str) -> list[FoundThing]:
    found = []
    for word in query_words(typed):
        for name, url, words in PAGES:
            called = [*query_words(name), *words.split()]
            if any(each.startswith(word) for each in called if len(word) > 1) or get_close_matches(
                word, called, 1, 0.8
            ):
                found.append(FoundThing(title=name, kind="Page", url=url))
    return found
