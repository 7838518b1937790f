"""Certified figures of a dataset, for pages and API: answers that its owner ordered for everybody, opened once."""

from __future__ import annotations

import threading

from sqlmodel import Session

from app.chain.market import Market
from app.client.certificate import CERTIFIED, MOST_ANSWERS, CertifiedFigures, read_certified
from app.market.queries.jobs import sealed_to
from app.market.web.fields import ResponseModel
from app.protocol.errors import BadBlock, BadInput, TryAgain, VerificationFailed
from app.protocol.ports import Store
from app.seal.keys import everybody

MOST_KEPT = 1024
MOST_NEW = 8  # answers that one page opens

Cells = dict[str, float | str | None]


class CertifiedView(ResponseModel):
    """One certified answer: its figures with their intervals, and the job by which anyone recomputes the sums."""

    job: int
    version: int  # of the dataset
    question: str
    rows: int  # that were summed
    groups: tuple[str, ...]  # columns of the table that are labels
    names: tuple[str, ...]  # its figures
    table: tuple[Cells, ...]
    receipt: str  # digest that executors agreed on
    noise_scale: float
    means: str  # what it proves, and what not


class CertifiedList(ResponseModel):
    """A dataset's certificate; `complete`: every certified answer could be read."""

    items: tuple[CertifiedView, ...]
    complete: bool


class Certificates:
    """Opened answers by job and digest of what was sealed, which never change; None for what is no certificate."""

    def __init__(self, market: Market, store: Store) -> None:
        self._market, self._store = market, store
        self._kept: dict[tuple[int, str], CertifiedFigures | None] = {}
        self._lock = threading.Lock()

    def of(self, session: Session, dataset: int, owner: str) -> CertifiedList:
        """The latest certified answer to each question about a dataset, as far as the store has them."""
        jobs = sealed_to(session, dataset, owner, everybody().public.hex(), limit=MOST_ANSWERS)
        found, complete, new = dict[str, CertifiedFigures](), True, 0
        for number, sealed in jobs:  # the latest first
            place = (number, sealed)
            if place not in self._kept:
                new += 1
                if new > MOST_NEW or not self._read(place):
                    complete = False
                    continue
            read = self._kept.get(place)
            if read is not None:
                found.setdefault(read.said.sql, read)
        return CertifiedList(items=tuple(_view(each) for each in reversed(found.values())), complete=complete)

    def _read(self, place: tuple[int, str]) -> bool:
        try:
            read = read_certified(self._market, self._store, place[0])
        except (TryAgain, BadBlock):
            return False  # it may be there another time
        except (BadInput, VerificationFailed):
            read = None  # an owner may seal other results to everybody's key
        with self._lock:
            self._kept[place] = read
            while len(self._kept) > MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
        return True


def _view(read: CertifiedFigures) -> CertifiedView:
    said = read.said
    return CertifiedView(
        job=said.job,
        version=said.version,
        question=said.sql,
        rows=said.rows,
        groups=read.answer.groups,
        names=read.answer.names,
        table=tuple(read.answer.to_dicts()),
        receipt=said.receipt,
        noise_scale=said.noise_scale_milli / 1000,
        means=CERTIFIED,
    )
