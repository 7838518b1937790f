"""What is sold and bought: offers, and the licenses bought from them. Amounts are test dollars."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from app.protocol.market import entities
from app.protocol.market.money import amount
from app.protocol.policy.bits import MICRO
from darkroom.display import Shown

DAY = 86_400  # seconds


class Offer(Shown):
    """Terms under which anyone may buy a license. Amounts are test dollars."""

    def __init__(self, terms: entities.Offer) -> None:
        """Made by `Dataset.offers` and `Owner.offer`."""
        self._terms = terms

    @property
    def number(self) -> int:
        """Its number in the market."""
        return self._terms.id

    @property
    def dataset(self) -> int:
        """The dataset's number."""
        return self._terms.dataset

    @property
    def price_license(self) -> Decimal:
        """Of a license."""
        return amount(self._terms.price_license)

    @property
    def price_job(self) -> Decimal:
        """Of each job under it."""
        return amount(self._terms.price_job)

    @property
    def price_row(self) -> Decimal:
        """Of each row of a job."""
        return amount(self._terms.price_row)

    @property
    def jobs(self) -> int:
        """Jobs of a license."""
        return self._terms.max_jobs

    @property
    def rows(self) -> int:
        """Rows that they may have in all."""
        return self._terms.max_rows

    @property
    def days(self) -> float:
        """How long a license is valid."""
        return self._terms.duration / DAY

    @property
    def bits(self) -> float:
        """What the jobs of a license together may tell about any person, in bits."""
        return self._terms.micro_bits / MICRO

    @property
    def licenses_left(self) -> int:
        """Licenses that can still be bought."""
        return self._terms.licenses_left

    def _facts(self) -> Mapping[str, Any]:
        return {
            "number": self.number,
            "dataset": self.dataset,
            "price_license": self.price_license,
            "price_job": self.price_job,
            "price_row": self.price_row,
            "jobs": self.jobs,
            "rows": self.rows,
            "days": self.days,
            "bits": self.bits,
            "licenses_left": self.licenses_left,
        }


class License(Shown):
    """A license: the right to run so many jobs on a dataset, which may tell so much of a person."""

    def __init__(self, held: entities.License, now: int) -> None:
        """Made by `Market.licenses`."""
        self._held, self._now = held, now

    @property
    def number(self) -> int:
        """Its number in the market."""
        return self._held.id

    @property
    def dataset(self) -> int:
        """The dataset's number."""
        return self._held.dataset

    @property
    def state(self) -> str:
        """active, pending, exhausted, expired or revoked, when it was read."""
        return str(self._held.state(self._now))

    @property
    def jobs_left(self) -> int:
        """Jobs that can still be opened."""
        return self._held.jobs_left

    @property
    def rows_left(self) -> int:
        """Rows that they may have in all."""
        return self._held.rows_left

    @property
    def bits(self) -> float:
        """What its jobs together may tell about any person, in bits."""
        return self._held.micro_bits / MICRO

    @property
    def valid_until(self) -> int:
        """Seconds since the epoch, by the chain's clock."""
        return self._held.valid_until

    def _facts(self) -> Mapping[str, Any]:
        return {
            "number": self.number,
            "dataset": self.dataset,
            "state": self.state,
            "jobs_left": self.jobs_left,
            "rows_left": self.rows_left,
            "bits": self.bits,
        }
