"""What a provider asks: for work by its measured speed and what an hour of its machine costs, and a fixed part by gas.

A job of any size takes its executor's transactions, which cost ether at the chain's price of the moment, while fees are
paid in test dollars. So the terms that follow from this have a fixed part: the gas of one job, at twice the base fee
that the chain has now, in dollars by a stated price of ether. No price of the world is looked up: an hour of a core, of
a GPU and an ether cost what the provider says.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from app.files.private import write_private
from app.protocol.documents import Document
from app.protocol.market.entities import PRICED_UNITS
from app.provider.speed import Speed

FILE = "pricing.json"
WEI = 10**18  # of an ether
JOB_GAS = 240_000  # most that one job takes an executor: a draw, a commitment, a reveal (`python -m benchmarks gas`)
ANSWER_GAS = 112_000  # of it, what is still to come for one who was drawn
DECLINE_GAS = 60_000  # what stepping back takes instead
MOST_COST = 10**15  # token units, of anything: a thousand million dollars
MOST = 2**48 - 1  # what the contract's fields hold

Price = Annotated[int, Field(ge=0, le=MOST_COST)]


class Pricing(Document):
    """What things cost a provider, in token units. A provider whose folder has one keeps its fixed fee up to date."""

    kind: Literal["darkroom/pricing"] = "darkroom/pricing"
    core_hour: Price = 100_000  # one core for an hour: 0.10, about twice what rented ones cost
    gpu_hour: Price = 2_500_000  # one GPU for an hour: 2.50
    ether: Price = 5_000_000_000  # one ether: 5,000, on the safe side

    def price(self, speed: Speed) -> int:
        """For PRICED_UNITS units, on a machine of this speed; rounded up."""
        hour = self.core_hour * speed.threads + self.gpu_hour * len(speed.gpus if speed.computed == "cuda" else ())
        return min(-(-hour * PRICED_UNITS // (3_600 * speed.units_per_second)), MOST)

    def gas(self, gas: int, wei: int) -> int:
        """So much gas at `wei` each, in token units; rounded up."""
        return -(-gas * wei * self.ether // WEI)

    def fixed_fee(self, reserve: int) -> int:
        """The gas of a job of any size, when gas is bid at `reserve` wei."""
        return min(self.gas(JOB_GAS, reserve), MOST)

    def pays(self, fee: int, wei: int) -> bool:
        """Whether answering a job for this fee costs no more, at `wei` a unit of gas, than declining it."""
        return self.gas(ANSWER_GAS - DECLINE_GAS, wei) <= fee

    def stale(self, fixed_fee: int, wei: int, reserve: int) -> bool:
        """Whether a fixed fee does not cover the gas of a job at its present price, or asks four times the reserve."""
        return fixed_fee < min(self.gas(JOB_GAS, wei), MOST) or fixed_fee > 4 * self.fixed_fee(reserve)


def kept(folder: Path) -> Pricing | None:
    """What a provider's folder says; None where its terms were stated by hand. Errors: BadDocument, TooLarge."""
    path = folder / FILE
    return Pricing.from_bytes(path.read_bytes()) if path.is_file() else None


def keep(folder: Path, pricing: Pricing | None) -> None:
    """Write it into a provider's folder, or with None take it out."""
    if pricing is None:
        (folder / FILE).unlink(missing_ok=True)
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / FILE, pricing.to_bytes())
