"""A facilitator in another process, asked by the official package's client. What it says decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import httpx
from x402.http import FacilitatorConfig, HTTPFacilitatorClientSync
from x402.schemas import PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse

from app.protocol.errors import Unavailable

SECONDS = 90.0  # for a transaction to be in a block

T = TypeVar("T")


class RemoteFacilitator:
    """The one at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def verify(self, payload: PaymentPayload, requirements: PaymentRequirements) -> VerifyResponse:
        """Whether a payment would go through. Errors: Unavailable."""
        return self._ask(lambda client: client.verify(payload, requirements))

    def settle(self, payload: PaymentPayload, requirements: PaymentRequirements) -> SettleResponse:
        """Carry a payment to the chain; an answer that did not come is not success. Errors: Unavailable."""
        return self._ask(lambda client: client.settle(payload, requirements))

    def _ask(self, call: Callable[[HTTPFacilitatorClientSync], T]) -> T:
        # It follows no redirects and takes no proxy from the environment: payments go to one place.
        with httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as http:
            client = HTTPFacilitatorClientSync(FacilitatorConfig(url=self._url, http_client=http))
            try:
                return call(client)
            except (httpx.HTTPError, ValueError):
                raise Unavailable(
                    "The facilitator that settles payments does not answer as it should.",
                    "Send the same request again later: nothing is paid twice.",
                ) from None
