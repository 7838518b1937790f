"""The provider's side: a bond, a seat in the draw, and work on ciphertext."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from app.protocol.errors import NotFound
from app.protocol.ids import Address
from app.protocol.market.money import amount, token_units
from darkroom.display import Listing, Served, bar
from darkroom.session import Party, Session

if TYPE_CHECKING:
    from app.provider.agent import ProviderAgent
    from fhe.engine.core import BackendName


class Provider(Party):
    """A compute provider on its own machine. It holds no key but its account's, and sees ciphertext alone."""

    def __init__(self, session: Session) -> None:
        """Made by `Market.provider`."""
        super().__init__(session)
        self._agents: dict[tuple[int | None, BackendName], ProviderAgent] = {}

    @property
    def bonded(self) -> Decimal:
        """Test dollars that it has put down; 0 before `bond`. Errors as for `address`."""
        try:
            return amount(self._session.network.market.provider(Address(self.address)).bond)
        except NotFound:
            return Decimal(0)

    def bond(
        self,
        dollars: Decimal | float | str = 1000,
        *,
        fixed_fee: int | None = None,
        price: int | None = None,
        capacity: int | None = None,
        device: BackendName = "auto",
    ) -> Decimal:
        """Put test dollars down and take a seat in the draw; the whole bond.

        `fixed_fee` is millionths of a test dollar for a job of any size; by default it covers the gas of one, and
        follows it. `price` is the same for a million units of a circuit's static cost, by default what the measured
        machine costs meanwhile; `capacity` units are taken at a time, by default what it does in a quarter of the time
        that a job has. `device` is "auto", "cpu" or "cuda". Errors: Reverted, Unavailable.
        """
        sent = self._session.provider.bond(
            token_units(dollars), fixed_fee=fixed_fee, price=price, capacity=capacity, device=device
        )
        return amount(sent.value)

    def serve_once(
        self, *, threads: int | None = None, device: BackendName = "auto", progress: bool = True
    ) -> Listing[Served]:
        """Do what can be done now for the jobs this provider is drawn for: draw, evaluate, commit, reveal.

        `darkroom provider serve` does this for as long as it runs. It may be ended anywhere and called again.
        `threads` None takes all processors. Errors: Unavailable.
        """
        wanted = (threads, device)
        if wanted not in self._agents:
            self._agents[wanted] = self._session.provider.agent(threads, device)
        with bar("evaluate", progress) as report:
            done = self._agents[wanted].step(report)
        return Listing(Served(each.job, str(each.what), each.detail) for each in done)
