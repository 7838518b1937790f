"""Under what something is ordered: an offer, of which a license would be bought, or a license that there is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.client.place import OrderPlace
from app.market.queries.dataset import DatasetDetail
from app.market.queries.licensing import LicenseView, OfferView, license, offer
from app.market.web.fields import MAX_ID

TERMS = re.compile(r"(offer|license)-(\d{1,15})")
NUMBER = re.compile(r"[1-9]\d{0,14}")


@dataclass(frozen=True)
class ChosenTerms:
    """An offer, and the license under it that is there already, if one is."""

    offer: OfferView
    license: LicenseView | None

    @property
    def value(self) -> str:
        """Its name in a page's address."""
        return f"offer-{self.offer.id}" if self.license is None else f"license-{self.license.id}"

    def place(self, rows: int) -> OrderPlace:
        """Of the first so many rows, under these terms."""
        if self.license is None:
            return OrderPlace(rows, offer=self.offer.id)
        return OrderPlace(rows, license=self.license.id)

    def most_rows(self, there: int) -> int:
        """How many of a dataset's rows one order can take."""
        bounds = [there, self.offer.max_rows if self.license is None else self.license.rows_left]
        return min([*bounds, *[self.offer.policy.max_rows_per_job] * self.offer.policy.known])


def rows_said(said: str, most: int) -> int:
    """How many rows an address names, all that may be ordered where it names no number."""
    return min(int(said), MAX_ID) if NUMBER.fullmatch(said) else most


def chosen_terms(
    session: Session, detail: DatasetDetail, offers: Sequence[OfferView], said: str, *, now: int
) -> ChosenTerms | None:
    """The terms that an address names, else those of the first offer; None where there is none. Errors: NotFound."""
    found = TERMS.fullmatch(said)
    if found and found[1] == "license":
        held = license(session, int(found[2]), now=now)
        if held.valid_from > now:  # bought a moment ago, by a clock that is ahead of ours
            held = license(session, int(found[2]), now=held.valid_from)
        if held.dataset == detail.entry.id:
            return ChosenTerms(offer(session, held.offer), held)
    named = [each for each in offers if found and found[1] == "offer" and each.id == int(found[2])]
    return next((ChosenTerms(each, None) for each in [*named, *offers]), None)
