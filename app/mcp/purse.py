"""What pays for an agent: the port through which the tools spend, and what they may know of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from app.chain.market import Sent
    from app.client.ordered import Orderable
    from app.policy.preflight import Preflight
    from app.protocol.ids import Address
    from app.protocol.market.entities import License
    from app.seal.keys import SealingKey


class Purse(Protocol):
    """Money under somebody's mandate. Whatever it refuses raises an error before anything is spent."""

    @property
    def holder(self) -> Address:
        """The account that licenses and jobs bought with it belong to on the chain."""

    def sealing_key(self) -> SealingKey:
        """The agent's own key, that results are sealed to. Errors: WrongPassphrase, UsageError."""

    def licenses(self, dataset: int) -> Iterable[License]:
        """Licenses of a dataset that were bought with it. Errors: NotFound, Unavailable."""

    def check(self, found: Preflight, license: int, offer: int | None, total: int) -> None:
        """Whether an order of `total` token units is within the mandate now, as far as anybody can tell before it is
        sent. Errors: NotAllowed, which says what the mandate does not allow.
        """

    def buy_license(self, offer: int, most: int) -> Sent[int]:
        """Buy a license for at most `most` token units; the value is its number. Errors: NotAllowed, Reverted."""

    def open_job(self, license: int, model: Orderable, found: Preflight, most: int) -> Sent[int]:
        """Open the job that was judged, for at most `most` token units; the value is its number. Errors: as above."""

    def owns(self, job: int) -> bool:
        """Whether a job was opened with it. Errors: NotFound."""

    def facts(self) -> dict[str, Any]:
        """The mandate in plain values: number or digest, what is left, until when."""
