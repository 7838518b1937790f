"""Which rows an order is about and under which terms it is given: one value for whoever explains, orders or tests."""

from __future__ import annotations

from dataclasses import dataclass

from app.policy.preflight import REPLICAS


@dataclass(frozen=True)
class OrderPlace:
    """Rows from `first_row` on (None: all), how many executors must agree, and a license or an offer.

    Where neither is named, one is chosen (`app.client.purchase.find_terms`).
    """

    rows: int | None = None
    first_row: int = 0
    replicas: int = REPLICAS
    license: int | None = None
    offer: int | None = None
