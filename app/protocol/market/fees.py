"""What a job should bid for its execution: the one rule that command line, SDK, API and pages share. Pure.

A draw takes whoever asks for at most `max_fee / replicas`, and a drawn executor is paid what it asks for, so a bid only
bounds: what is not earned comes back. The bid has to reach enough providers for the first draw and for drawing all
executors once more, and it must not follow a single provider who asks for an absurd price.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.protocol.errors import Unavailable
from app.protocol.market.entities import ProviderRecord

LIFT = 4  # the default reaches for no fee above this many times the median


@dataclass(frozen=True)
class DrawRules:
    """What the contracts ask of executors. Times in seconds, amounts in token units."""

    heartbeat_window: int  # for which a provider's heartbeat counts
    stake_floor: int
    stake_multiple: int

    def stake(self, fee: int) -> int:
        """What a job with this fee holds of an executor's bond: ProviderRegistry.stakeFor."""
        return max(fee * self.stake_multiple, self.stake_floor)


@dataclass(frozen=True)
class Draw:
    """One draw: the rules, the chain's time, and the accounts that may not compute because they have a part in it."""

    rules: DrawRules
    now: int
    parties: tuple[str, ...]

    def able(self, providers: Iterable[ProviderRecord], units: int) -> list[ProviderRecord]:
        """Those that could be drawn for a job of `units`: seated, alive, without a part in it, large enough, and with
        enough of their bond free for the stake of their own fee.
        """
        return [
            each
            for each in self.alive(providers)
            if each.capacity - each.in_use >= units
            if each.bond - each.locked >= self.rules.stake(each.fee(units))
        ]

    def alive(self, providers: Iterable[ProviderRecord]) -> list[ProviderRecord]:
        """Those that could be drawn for some job: seated, alive, and without a part in it."""
        since = self.now - self.rules.heartbeat_window
        return [
            each
            for each in providers
            if each.seat and not each.unbonding and each.heartbeat >= since and each.address not in self.parties
        ]


def fee_bid(providers: Iterable[ProviderRecord], draw: Draw, *, units: int, replicas: int) -> int:
    """A `max_fee` for which there should be executors: token units for all `replicas` together.

    Bids what the dearest of the cheapest n able providers asks for, where n is half of them, but at least enough for
    `replicas` now, as many once more and one in reserve; of these, nobody counts who asks for more than `LIFT` times
    the (lower) median. So a minority of the able providers cannot move the bid by more than that factor.
    Errors: Unavailable when fewer than `replicas` able providers ask for a fee within that bound.
    """
    fees = [each.fee(units) for each in draw.able(providers, units)]
    if len(fees) < replicas:
        raise Unavailable(
            f"{len(fees)} providers can take a job of {units} units and {replicas} are needed.",
            "Wait for more providers, or ask for fewer replicas or rows.",
        )
    return bid(fees, replicas)


def bid(asked: Iterable[int], replicas: int) -> int:
    """The rule of `fee_bid` over what each provider asks for one execution. Errors: Unavailable."""
    fees = sorted(asked)
    bound = LIFT * fees[(len(fees) - 1) // 2]
    reached = fees[: max(2 * replicas + 1, (len(fees) + 1) // 2)]
    usual = [fee for fee in reached if fee <= bound]
    if len(usual) < replicas:
        raise Unavailable(
            f"Only {len(usual)} of {len(fees)} providers ask for a usual fee and {replicas} are needed.",
            "Ask for fewer replicas, wait for more providers, or say yourself what the fee may be at most.",
        )
    return replicas * usual[-1]
